"""Clocks that lie, stop and jump. `real` is what the service's clock shows; the device sees only `Clocks`."""

from datetime import timedelta

import pytest

from hallmark_events.errors import StateInvalid
from hallmark_events.trusted_time import Basis, Clocks, Source, TrustedTime
from unit.hallmark_events.events_world import START

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def clocks(boot: timedelta, *, rtc=START, boot_id: str = "first") -> Clocks:
    return Clocks(boot_id=boot_id, boot=boot, rtc=rtc)


HEARD = TrustedTime().heard(START, clocks(HOUR))


def test_time_goes_on_by_the_boot_clock_alone() -> None:
    for rtc in (START - 100 * HOUR, START, START + 10_000 * HOUR):
        now = HEARD.at(clocks(3 * HOUR, rtc=rtc))
        assert (now.proven, now.time, now.basis) == (START + 2 * HOUR, START + 2 * HOUR, Basis.BOOT_CLOCK)


def test_a_boot_clock_that_goes_back_moves_nothing() -> None:
    assert HEARD.at(clocks(timedelta())).proven == START


def test_a_heartbeat_that_comes_late_takes_nothing_back() -> None:
    later = HEARD.heard(START - HOUR, clocks(2 * HOUR))
    assert later.at(clocks(2 * HOUR)).proven == START + HOUR
    assert later.fresh_at == START


def test_an_event_moves_time_forward_and_makes_nothing_current() -> None:
    told = HEARD.told(START + HOUR, clocks(HOUR))
    assert told.at(clocks(2 * HOUR)).proven == START + 2 * HOUR
    assert told.at(clocks(2 * HOUR)).basis is Basis.BOOT_CLOCK
    assert told.fresh_at == HEARD.fresh_at
    for earlier in (START - HOUR, START, START + HOUR - MINUTE):
        assert HEARD.told(earlier, clocks(2 * HOUR)) == HEARD


def test_an_event_says_nothing_before_the_service_was_heard_in_this_boot() -> None:
    """Its replay, or an RTC that is a little behind, would else make the clock unknown."""
    after = clocks(MINUTE, rtc=START + HOUR, boot_id="second")
    for time in (HEARD, HEARD.ticked(after), TrustedTime()):
        assert time.told(START + 2 * HOUR, after) == time


def test_an_event_after_a_manifest_takes_no_time_back() -> None:
    read = TrustedTime().read(START, clocks(HOUR)).ticked(clocks(HOUR, rtc=START + 5 * HOUR))
    told = read.told(START + 2 * HOUR, clocks(2 * HOUR))
    assert (told.source, told.fresh_at) == (Source.MANIFEST, START)
    for boot in (2 * HOUR, 3 * HOUR):
        assert told.at(clocks(boot)).time == read.at(clocks(boot)).time
    assert told.at(clocks(2 * HOUR)).proven == START + 2 * HOUR


def test_after_a_reboot_the_rtc_may_only_say_later() -> None:
    after = HEARD.at(clocks(MINUTE, rtc=START + 5 * HOUR, boot_id="second"))
    assert (after.proven, after.time, after.basis) == (START + MINUTE, START + 5 * HOUR, Basis.RTC)
    behind = HEARD.at(clocks(MINUTE, rtc=START, boot_id="second"))
    assert (behind.proven, behind.basis) == (START + MINUTE, Basis.UNKNOWN)


def test_running_time_counts_over_many_reboots() -> None:
    time = HEARD
    for number in range(5):
        time = time.ticked(clocks(timedelta(), rtc=START, boot_id=f"boot {number}"))
        time = time.ticked(clocks(HOUR, rtc=START, boot_id=f"boot {number}"))
    assert time.floor == START + 5 * HOUR
    assert time.at(clocks(timedelta(), rtc=START + 5 * HOUR, boot_id="last")).basis is Basis.RTC
    assert time.at(clocks(timedelta(), rtc=START, boot_id="last")).basis is Basis.UNKNOWN


def test_an_rtc_that_is_set_back_offline_is_remembered() -> None:
    seen = HEARD.ticked(clocks(MINUTE, rtc=START + 9 * HOUR, boot_id="second"))
    assert seen.floor == START + MINUTE, "what an RTC says proves nothing"
    again = seen.at(clocks(2 * MINUTE, rtc=START + HOUR, boot_id="second"))
    assert again.time == START + 9 * HOUR + MINUTE, "and time goes on from there while the device runs"
    online = seen.heard(START + HOUR, clocks(3 * MINUTE, rtc=START + HOUR, boot_id="second"))
    assert online.at(clocks(3 * MINUTE, rtc=START, boot_id="second")).time == START + HOUR


def test_a_newer_manifest_is_a_sign_of_life() -> None:
    lost = clocks(MINUTE, rtc=START - 9 * HOUR, boot_id="second")
    assert HEARD.at(lost).basis is Basis.UNKNOWN
    read = HEARD.read(START + HOUR, lost)
    assert read.at(lost).basis is Basis.BOOT_CLOCK
    assert read.at(lost).proven == START + HOUR
    assert read.fresh_at == START + HOUR
    ahead = read.at(clocks(MINUTE, rtc=START + 5 * HOUR, boot_id="second"))
    assert (ahead.proven, ahead.time) == (START + HOUR, START + 5 * HOUR)


def test_a_manifest_from_a_stale_cache_anchors_nothing() -> None:
    lost = clocks(MINUTE, rtc=START - 9 * HOUR, boot_id="second")
    read = HEARD.read(START - HOUR, lost)
    assert read.at(lost).basis is Basis.UNKNOWN
    assert read.fresh_at == START


def test_a_manifest_does_not_make_a_heartbeat_forgotten() -> None:
    read = HEARD.read(START + HOUR, clocks(HOUR))
    assert read.at(clocks(HOUR, rtc=START + 9 * HOUR)).time == START + HOUR


def test_it_survives_being_stored() -> None:
    for time in (TrustedTime(), HEARD, HEARD.ticked(clocks(MINUTE, boot_id="second"))):
        assert TrustedTime.from_json(time.to_json()) == time


@pytest.mark.parametrize(
    ("old", "new"),
    [(b'"heartbeat"', b'"rumour"'), (b"time/v1", b"time/v2"), (b":3600000000", b":-1"), (b'"floor"', b'"flaw"'), (b"10:00:00.000000Z", b"10:00Z")],
)  # fmt: skip
def test_a_damaged_store_is_noticed(old, new) -> None:
    assert old in HEARD.to_json()
    with pytest.raises(StateInvalid):
        TrustedTime.from_json(HEARD.to_json().replace(old, new))
