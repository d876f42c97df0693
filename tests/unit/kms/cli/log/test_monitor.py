import errno
import json
import sys
from pathlib import Path

import pytest

from unit.hallmark_tlog.virtual_log import LOG_ED25519, LOG_ML_DSA, SIGNED_AT, VirtualLog, sign_note
from unit.kms.cli.log.published import KEYS, json_log, publish


class Follower:
    """`follower(...)` looks once at the public folder."""

    def __init__(self, hallmark, folder: Path) -> None:
        self._hallmark = hallmark
        self.public = publish(json_log(300), folder / "public")
        self.state = folder / "monitor.state"

    def __call__(self, *more: object):
        arguments = (
            "log",
            "monitor",
            "--public",
            self.public,
            *KEYS,
            "--state",
            self.state,
            "--once",
            "--max-age",
            "0",
        )
        return self._hallmark(*arguments, *more)


@pytest.fixture
def follower(hallmark, tmp_path: Path) -> Follower:
    return Follower(hallmark, tmp_path)


def forked(size: int) -> VirtualLog:
    return VirtualLog([b"forged", *json_log(size).entries[1:]])


def test_a_line_for_each_new_checkpoint(follower) -> None:
    assert "size 300, first look, 300 new entries, 2 signatures" in follower().out
    assert follower().out == ""
    publish(json_log(310), follower.public)
    outcome = follower("--json")
    assert (outcome.code, outcome.document["checkpoint"]["size"]) == (0, 310)
    assert (outcome.document["entries_verified"], outcome.document["consistent_from"]) == (10, 300)


def test_entries_that_match_are_told(follower) -> None:
    lines = follower("--match", "type=key.c*", "--match", "subject=*/keys/key-2", "--json").out.splitlines()
    assert [json.loads(line)["index"] for line in lines[1:]] == [100]
    publish(json_log(420), follower.public)
    assert "entry 400: 2026-11-21T10:00:00.000000Z key.created" in follower("--match", "details.n=400").out


@pytest.mark.parametrize("size", [300, 310])
def test_a_fork_leaves_evidence_that_can_be_checked(follower, hallmark, size: int) -> None:
    follower()
    kept = follower.state.read_bytes()
    publish(forked(size), follower.public)
    outcome = follower("--json")
    assert outcome.code == 1
    assert "ALARM FORK" in outcome.err
    facts = outcome.document
    assert (facts["alarm"], facts["place"]) == ("FORK", str(follower.public))
    fork = hallmark("log", "check-fork", facts["evidence"], *KEYS, "--json").document
    assert (fork["fork"], fork["smaller"]["size"], fork["larger"]["size"]) == (True, 300, size)
    assert "two checkpoints that cannot both be true" in hallmark("log", "check-fork", facts["evidence"], *KEYS).out
    assert follower.state.read_bytes() == kept


def test_evidence_that_is_none(hallmark, tmp_path) -> None:
    (tmp_path / "x.json").write_text("{}")
    assert hallmark("log", "check-fork", tmp_path / "x.json", *KEYS).code == 2


def test_a_rollback_and_a_changed_entry(follower) -> None:
    bundle = follower.public / "tile" / "entries" / "000"
    good = bundle.read_bytes()
    bundle.write_bytes(good[:-1] + b"!")
    assert follower("--json").document["alarm"] == "ALTERED"
    bundle.write_bytes(good)
    assert follower().code == 0
    publish(json_log(299), follower.public)
    assert follower("--json").document["alarm"] == "ROLLBACK"


def test_a_place_that_lags_is_no_alarm(follower, hallmark, monkeypatch) -> None:
    monkeypatch.setattr("kms.cli.log.monitor.time.time", lambda: SIGNED_AT + 30)
    assert follower().code == 0
    late = sign_note(json_log(290).checkpoint, LOG_ED25519, LOG_ML_DSA, timestamp=SIGNED_AT - 30)
    (follower.public / "checkpoint").write_bytes(late)
    outcome = follower("--json")
    assert (outcome.code, outcome.out) == (0, "")
    assert "lags, which is no alarm: it shows size 290" in outcome.err


def test_a_stale_log(follower) -> None:
    outcome = follower("--max-age", "1h", "--json")
    documents = [json.loads(line) for line in outcome.out.splitlines()]
    assert (outcome.code, documents[-1]["alarm"]) == (1, "STALE")


def test_a_missing_signature(follower) -> None:
    log = json_log(300)
    log.sign(LOG_ED25519)
    publish(log, follower.public)
    assert follower("--json").document["alarm"] == "SIGNATURES"


def test_a_command_is_run_with_the_facts_and_without_a_shell(follower, tmp_path) -> None:
    follower()
    publish(forked(300), follower.public)
    script = tmp_path / "page.py"
    script.write_text(
        "import json, os, sys\n"
        "facts = {name: value for name, value in os.environ.items() if name.startswith('HALLMARK_ALARM_')}\n"
        f"json.dump([facts, sys.argv[1:]], open({str(tmp_path / 'told')!r}, 'w'))\n"
    )
    assert follower("--on-alarm", f"{sys.executable} {script} '$HOME; x'").code == 1
    facts, arguments = json.loads((tmp_path / "told").read_text())
    assert facts["HALLMARK_ALARM_KIND"] == "FORK"
    assert facts["HALLMARK_ALARM_PLACE"] == str(follower.public)
    assert Path(facts["HALLMARK_ALARM_EVIDENCE"]).is_file()
    assert "two signed roots" in facts["HALLMARK_ALARM_MESSAGE"]
    assert arguments == ["$HOME; x"]


@pytest.mark.parametrize(("command", "says"), [("/no/such/program", "could not be run"), ("false", "ended with 1")])
def test_a_command_that_fails_is_said(follower, command: str, says: str) -> None:
    follower()
    publish(forked(300), follower.public)
    assert says in follower("--on-alarm", command).err


def test_mirrors_are_compared(follower, tmp_path) -> None:
    mirror = publish(json_log(300), tmp_path / "mirror")
    assert follower("--public", mirror).code == 0
    publish(forked(300), mirror)
    outcome = follower("--public", mirror, "--json")
    assert (outcome.code, outcome.document["alarm"]) == (1, "FORK")


def test_a_log_that_cannot_be_read_ends_4_and_is_no_alarm(follower, hallmark, tmp_path) -> None:
    (follower.public / "checkpoint").unlink()
    outcome = follower()
    assert outcome.code == 4
    assert "cannot be read now" in outcome.err


def test_it_looks_again_until_something_is_wrong(follower, hallmark, monkeypatch) -> None:
    """The second wait never comes: what happens in the first one is seen."""
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        publish(forked(300), follower.public)

    monkeypatch.setattr("kms.cli.log.monitor.time.sleep", sleep)
    arguments = ("log", "monitor", "--public", follower.public, *KEYS, "--state", follower.state, "--max-age", "0")
    assert hallmark(*arguments, "--interval", "45s").code == 1
    assert waits == [45]


def test_an_alarm_is_shouted_once_while_it_lasts(follower, hallmark, monkeypatch) -> None:
    follower()
    publish(forked(300), follower.public)
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("kms.cli.log.monitor.time.sleep", sleep)
    arguments = ("log", "monitor", "--public", follower.public, *KEYS, "--state", follower.state, "--max-age", "0")
    outcome = hallmark(*arguments, "--keep-going")
    assert (outcome.code, outcome.err.count("ALARM FORK")) == (130, 1)


def test_a_match_without_a_pattern_ends_2(follower) -> None:
    assert follower("--match", "type").code == 2


def test_an_alarm_is_shouted_also_when_the_evidence_cannot_be_kept(follower, monkeypatch) -> None:
    follower()
    publish(forked(300), follower.public)

    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kms.cli.log.alarm.write_file", full)
    outcome = follower("--json")
    assert (outcome.code, outcome.document["evidence"]) == (1, None)
    assert "ALARM FORK" in outcome.err
    assert "hallmark-fork-evidence/v1" in outcome.err


def test_an_alarm_is_shouted_also_when_the_state_cannot_be_written(follower, monkeypatch, tmp_path) -> None:
    mirror = publish(forked(290), tmp_path / "mirror")

    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("kms.cli.log.state_file.write_file", full)
    outcome = follower("--public", mirror)
    assert "ALARM FORK" in outcome.err
    assert "Make room" in outcome.err


def test_what_a_log_says_does_not_reach_the_terminal_raw(follower) -> None:
    log = json_log(3)
    escape = VirtualLog([*log.entries, b'{"type":"x","subject":"\\u001b[2J"}'])
    publish(escape, follower.public)
    shown = follower("--match", "type=x").out
    assert "\x1b" not in shown
    assert "\\x1b[2J" in shown
