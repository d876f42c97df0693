"""`hallmark bench streams --replicas 2`: subscribers at both, events made at one."""

import json
from pathlib import Path

from rpc.cli.conftest import program


def test_two_replicas_deliver_the_same(postgresql_url: str, tmp_path: Path) -> None:
    words = ("--subscribers", "6", "--events", "2", "--idle-seconds", "1", "--replicas", "2")
    outcome = program("bench", "streams", *words, "--database", postgresql_url, "--json", folder=tmp_path)
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert found["replicas"] == 2
    assert found["delivered"] == [6, 6]
    assert (found["cancelled"], found["lost"], found["duplicated"], found["causes"]) == (0, 0, 0, {})


def test_replicas_need_a_database_that_they_share(tmp_path: Path) -> None:
    outcome = program("bench", "streams", "--replicas", "2", folder=tmp_path)
    assert outcome.code == 2
    assert "--database" in outcome.err
