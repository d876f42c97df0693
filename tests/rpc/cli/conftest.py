"""The command line against the real service, in this process and as the real program."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from support.service import RunningService
from support.warm_server import WarmProcess
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
    command = [str(Path(sys.executable).parent / "hallmark"), *map(str, arguments)]
    ran = subprocess.run(command, cwd=folder, env=_environment(home), input=stdin, capture_output=True, check=False)
    return Outcome(ran.returncode, ran.stdout.decode(), ran.stderr.decode())


def warm_program(*arguments: object, home: Path | None = None, folder: Path) -> Outcome:
    """The same in a process of its own that has its modules already: for commands that open a home and its token."""
    with tempfile.TemporaryDirectory() as streams:
        output, log = Path(streams, "output"), Path(streams, "log")
        words = [str(argument) for argument in arguments]
        process = WarmProcess(words, environment=_environment(home), folder=folder, log=log, output=output)
        return Outcome(process.wait(), output.read_text(), log.read_text())


def _environment(home: Path | None) -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HALLMARK")}
    if home is not None:
        environment["HALLMARK_HOME"] = str(home)
    return environment
