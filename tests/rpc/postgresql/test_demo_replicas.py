"""`hallmark demo --replicas 2 --postgres`, as a person runs it; PostgreSQL's programs have to be there."""

import shutil
from pathlib import Path

import pytest

from kms.cli.demo.private_postgresql import find_postgresql
from kms.cli.demo.replicas_findings import ReplicaFindings
from kms.cli.failure import CommandError
from rpc.cli.conftest import program


@pytest.fixture(autouse=True)
def postgresql_is_here() -> None:
    try:
        find_postgresql()
    except CommandError as missing:
        pytest.skip(str(missing))


def test_the_whole_story_holds(tmp_path: Path) -> None:
    outcome = program("demo", "--replicas", "2", "--postgres", "--json", folder=tmp_path)
    assert outcome.code == 0, outcome.err
    found = outcome.document
    assert list(found) == list(ReplicaFindings().to_dict())
    assert (found["replicas"], found["lost"], found["failed_calls"], found["watchers"]) == (2, 0, 0, 4)
    assert found["signatures"] >= 80
    assert found["watchers_moved"] >= 1
    assert found["log_size"] > found["signatures"]
    assert 0 < found["recovery_seconds"] < 20
    assert found["refused_after_ms"] < 1000
    assert outcome.err.isascii()
    assert outcome.err.count("[ok]") == 8
    assert not list(tmp_path.iterdir())


def test_a_step_that_does_not_hold_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL's own refusal is shown, and where to look."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{Path(shutil.which('env') or '/usr/bin/env').parent}")
    for name in ("postgres", "initdb", "pg_isready"):
        script = tmp_path / name
        script.write_text("#!/bin/sh\necho this one is broken >&2\nexit 3\n")
        script.chmod(0o755)
    tmp_path.chmod(0o755)
    outcome = program("demo", "--replicas", "2", "--postgres", "--json", folder=tmp_path)
    assert outcome.code == 1
    assert "Start a PostgreSQL" in outcome.document["error"]["message"]
    kept = Path(outcome.document["error"]["advice"].rpartition(" ")[2]).parent
    shutil.rmtree(kept)
