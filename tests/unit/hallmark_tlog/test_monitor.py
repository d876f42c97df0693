import pytest

from hallmark_tlog.acceptance import Accept, accept_by_policy, accept_signed_by
from hallmark_tlog.errors import FetchError
from hallmark_tlog.fork_evidence import verify_fork
from hallmark_tlog.monitor import AlarmKind, Look, Monitor, Place
from hallmark_tlog.policy import parse_policy
from hallmark_tlog.verify import Require
from unit.hallmark_tlog.virtual_log import (
    LOG_ED25519,
    LOG_ML_DSA,
    LOG_VKEYS,
    ORIGIN,
    SIGNED_AT,
    WITNESS_ED25519,
    VirtualLog,
    sign_note,
)

ACCEPT = accept_signed_by(LOG_VKEYS, origin=ORIGIN, require=Require.ALL)


class World:
    """Places by name, each serving a log that tests exchange; None serves nothing."""

    def __init__(self, accept: Accept = ACCEPT, **logs: VirtualLog) -> None:
        self.logs: dict[str, VirtualLog | None] = dict(logs)
        self.monitor = Monitor([Place(name, self._fetch_of(name)) for name in logs], accept, max_age_seconds=600)

    def _fetch_of(self, name: str):
        def fetch(path: str) -> bytes:
            log = self.logs[name]
            if log is None:
                raise FetchError(path, "nobody answers")
            return log.fetch(path)

        return fetch

    def look(self, now: float = SIGNED_AT + 1) -> Look:
        return self.monitor.look(now)

    def alarms(self, now: float = SIGNED_AT + 1) -> list[AlarmKind]:
        return [alarm.kind for alarm in self.look(now).alarms]


def other_log(size: int) -> VirtualLog:
    return VirtualLog([b"other", *VirtualLog.of_size(size).entries[1:]])


def test_a_log_that_grows_is_followed() -> None:
    world = World(log=VirtualLog.of_size(300))
    first = world.look()
    assert first.report is not None
    assert (first.report.entries_verified, first.alarms) == (300, ())
    assert world.look().report is None  # nothing new
    world.logs["log"] = VirtualLog.of_size(310)
    second = world.look()
    assert second.report is not None
    assert (second.report.entries_verified, second.report.consistent_from) == (10, 300)


def test_a_fork_is_seen_and_both_notes_are_kept() -> None:
    world = World(log=VirtualLog.of_size(300))
    world.look()
    state = world.monitor.state
    for size in (300, 310):
        world.logs["log"] = other_log(size)
        (alarm,) = world.look().alarms
        assert alarm.kind is AlarmKind.FORK
        assert alarm.evidence is not None
        assert verify_fork(alarm.evidence, ACCEPT).larger.size == size
        assert world.monitor.state == state


def test_a_rollback_is_seen() -> None:
    world = World(log=VirtualLog.of_size(300))
    world.look()
    world.logs["log"] = VirtualLog.of_size(299)
    (alarm,) = world.look().alarms
    assert alarm.kind is AlarmKind.ROLLBACK
    assert alarm.evidence is not None
    assert alarm.evidence.second.note == world.logs["log"].files["checkpoint"]


def serving(log: VirtualLog, note: bytes) -> VirtualLog:
    log.files["checkpoint"] = note
    return log


def test_an_earlier_checkpoint_from_a_cache_is_no_rollback() -> None:
    world = World(log=VirtualLog.of_size(300))
    world.look()
    state = world.monitor.state
    earlier = VirtualLog.of_size(290).checkpoint
    for timestamp in (SIGNED_AT, SIGNED_AT - 599):
        note = sign_note(earlier, LOG_ED25519, LOG_ML_DSA, timestamp=timestamp)
        world.logs["log"] = serving(VirtualLog.of_size(300), note)
        found = world.look()
        assert (found.report, found.alarms, [late.place for late in found.behind]) == (None, (), ["log"])
        assert world.monitor.state == state
    world.logs["log"] = VirtualLog.of_size(310)
    assert world.look().behind == ()


@pytest.mark.parametrize(
    ("timestamp", "keys"),
    [
        pytest.param(SIGNED_AT + 1, (LOG_ED25519, LOG_ML_DSA), id="signed after the larger tree"),
        pytest.param(SIGNED_AT - 700, (LOG_ED25519, LOG_ML_DSA), id="older than a cache may be"),
        pytest.param(SIGNED_AT, (LOG_ED25519,), id="without a time"),
    ],
)
def test_a_smaller_tree_that_no_cache_explains_is_a_rollback(timestamp: int, keys) -> None:
    accept = accept_signed_by(LOG_VKEYS, origin=ORIGIN)
    world = World(accept, log=VirtualLog.of_size(300))
    world.look()
    note = sign_note(VirtualLog.of_size(290).checkpoint, *keys, timestamp=timestamp)
    world.logs["log"] = serving(VirtualLog.of_size(300), note)
    assert world.alarms() == [AlarmKind.ROLLBACK]


def test_an_earlier_checkpoint_of_another_tree_is_no_lag() -> None:
    world = World(log=VirtualLog.of_size(300))
    world.look()
    note = sign_note(other_log(290).checkpoint, LOG_ED25519, LOG_ML_DSA)
    world.logs["log"] = serving(VirtualLog.of_size(300), note)
    (alarm,) = world.look().alarms
    assert alarm.kind is AlarmKind.ROLLBACK
    assert alarm.evidence is not None
    assert verify_fork(alarm.evidence, ACCEPT).smaller.size == 290


def test_altered_and_withheld_entries_are_seen() -> None:
    world = World(log=VirtualLog.of_size(300))
    log = world.logs["log"]
    assert log is not None
    good = log.files.pop("tile/entries/000")
    assert world.alarms() == [AlarmKind.ALTERED]
    log.files["tile/entries/000"] = good[:-1] + b"!"
    assert world.alarms() == [AlarmKind.ALTERED]
    log.files["tile/entries/000"] = good
    assert world.alarms() == []


def test_missing_signatures_and_a_missing_quorum() -> None:
    log = VirtualLog.of_size(3)
    log.sign(LOG_ED25519)
    assert World(log=log).alarms(0) == [AlarmKind.SIGNATURES]
    policy = parse_policy(
        f"log {LOG_ED25519.vkey}\nwitness w {WITNESS_ED25519.vkey}\ngroup g 1 w\nquorum g\n",
    )
    log.sign(LOG_ED25519, LOG_ML_DSA)
    assert World(accept_by_policy(policy), log=log).alarms() == [AlarmKind.SIGNATURES]
    log.sign(LOG_ED25519, WITNESS_ED25519)
    assert World(accept_by_policy(policy), log=log).alarms() == []


def test_another_log_and_a_checkpoint_that_is_none() -> None:
    log = VirtualLog.of_size(3)
    other = accept_signed_by(LOG_VKEYS, origin="log.example/other")
    assert World(other, log=log).alarms() == [AlarmKind.ANOTHER_LOG]
    log.files["checkpoint"] = b"?"
    assert World(log=log).alarms() == [AlarmKind.ALTERED]


def test_a_log_that_stops_signing_becomes_stale_also_when_it_cannot_be_reached() -> None:
    world = World(log=VirtualLog.of_size(3))
    assert world.alarms(SIGNED_AT + 600) == []
    assert world.alarms(SIGNED_AT + 601) == [AlarmKind.STALE]
    world.logs["log"] = None
    found = world.look(SIGNED_AT + 100)
    assert (found.alarms, [away.place for away in found.unreachable]) == ((), ["log"])
    assert world.alarms(SIGNED_AT + 601) == [AlarmKind.STALE]


def test_a_time_that_has_not_come_is_not_fresh() -> None:
    log = VirtualLog.of_size(3)
    assert World(log=log).alarms(SIGNED_AT - 200) == []  # clocks differ
    assert World(log=log).alarms(SIGNED_AT - 86_400) == [AlarmKind.STALE]


def test_a_checkpoint_without_a_time_is_never_fresh() -> None:
    log = VirtualLog.of_size(3)
    log.sign(LOG_ED25519)
    assert World(accept_signed_by([LOG_ED25519.vkey], origin=ORIGIN), log=log).alarms() == [AlarmKind.STALE]


def test_mirrors_that_agree_and_one_that_lags() -> None:
    world = World(log=VirtualLog.of_size(310), mirror=VirtualLog.of_size(300))
    found = world.look()
    assert found.report is not None
    assert (found.report.checkpoint.size, found.alarms) == (310, ())
    world.logs["mirror"] = VirtualLog.of_size(305)
    assert world.alarms() == []


@pytest.mark.parametrize("size", [310, 300])
def test_a_mirror_that_is_shown_another_log(size: int) -> None:
    world = World(log=VirtualLog.of_size(310), mirror=other_log(size))
    (alarm,) = world.look().alarms
    assert alarm.kind is AlarmKind.FORK
    assert "mirror" in alarm.message
    assert alarm.evidence is not None
    verify_fork(alarm.evidence, ACCEPT)


def test_a_mirror_that_goes_back() -> None:
    world = World(log=VirtualLog.of_size(310), mirror=VirtualLog.of_size(300))
    world.look()
    world.logs["mirror"] = VirtualLog.of_size(290)
    (alarm,) = world.look().alarms
    assert (alarm.kind, alarm.place) == (AlarmKind.ROLLBACK, "mirror")


def test_a_mirror_behind_a_cache_goes_back_and_forth() -> None:
    world = World(log=VirtualLog.of_size(310), mirror=VirtualLog.of_size(300))
    world.look()
    note = sign_note(VirtualLog.of_size(290).checkpoint, LOG_ED25519, LOG_ML_DSA)
    world.logs["mirror"] = serving(VirtualLog.of_size(300), note)
    found = world.look()
    assert (found.alarms, [late.place for late in found.behind]) == ((), ["mirror"])


def test_a_mirror_alone_is_enough_while_the_log_is_away() -> None:
    world = World(log=VirtualLog.of_size(300), mirror=VirtualLog.of_size(300))
    world.look()
    world.logs = {"log": None, "mirror": VirtualLog.of_size(310)}
    found = world.look()
    assert found.report is not None
    assert (found.report.consistent_from, found.alarms) == (300, ())


def test_an_interrupted_first_look_goes_on() -> None:
    world = World(log=VirtualLog.of_size(1000))
    kept = []
    world.monitor.look(SIGNED_AT, keep=kept.append)
    again = World(log=VirtualLog.of_size(1000))
    again.monitor.state = kept[1]
    found = again.look()
    assert found.report is not None
    assert found.report.entries_verified == 1000 - 512
