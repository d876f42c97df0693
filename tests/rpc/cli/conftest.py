"""The command line against the real service, in this process and as the real program."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.service import RunningService
from unit.kms.cli.console import Console, Outcome


@pytest.fixture
def hallmark(
    service: RunningService, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Console:
    """`hallmark(...)` runs a command in an empty folder, against the service of the tests."""
    monkeypatch.setenv("HALLMARK_HOME", str(service.home))
    monkeypatch.chdir(tmp_path)
    return Console(capsys)


def program(*arguments: object, home: Path | None = None, folder: Path, stdin: bytes = b"") -> Outcome:
    """`hallmark` itself, as a user starts it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HALLMARK")}
    if home is not None:
        environment["HALLMARK_HOME"] = str(home)
    command = [str(Path(sys.executable).parent / "hallmark"), *map(str, arguments)]
    ran = subprocess.run(command, cwd=folder, env=environment, input=stdin, capture_output=True, check=False)
    return Outcome(ran.returncode, ran.stdout.decode(), ran.stderr.decode())
