"""One lease against virtual clocks: issued at 10:00, to 16:00, stale after 1 h, grace 2 h, removal promised in 24 h."""

from dataclasses import replace
from datetime import timedelta

import pytest

from hallmark_events.errors import LeaseInvalid
from hallmark_events.lease import (
    Allowed,
    Clocks,
    Lease,
    Shred,
    Standing,
    Suspended,
    TrustedTime,
    Why,
    decide,
    standing_of,
)
from hallmark_events.snapshot import read_manifest
from hallmark_events.state import FeedState
from hallmark_events.state_entry import entry_of
from hallmark_events.status_list import StatusReference
from hallmark_events.types import LEASE_GRANTED, Silence, StatusValue
from unit.hallmark_events.events_world import EPOCH, ISSUER, PARENT, START, ReadPlane, event, verifier

VALID, INVALID, SUSPENDED = StatusValue.VALID, StatusValue.INVALID, StatusValue.SUSPENDED
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
NAME = f"{PARENT}/leases/l"
URI = f"{ISSUER}/lists/1"
OWN = {
    "lease": NAME,
    "consent": f"{PARENT}/consents/c",
    "device": f"{PARENT}/devices/d",
    "artifact": f"{PARENT}/artifacts/a",
    "kind": "model-weights",
    "not_before": "2026-11-22T10:00:00.000000Z",
    "expires_at": "2026-11-22T16:00:00.000000Z",
    "max_staleness_seconds": 3_600,
    "offline_grace_seconds": 7_200,
    "on_silence": "suspend",
    "on_expiry": "shred",
    "removal_seconds": 86_400,
    "consent_expires_at": "2027-11-22T10:00:00.000000Z",
    "status_list": {"idx": 5, "uri": URI},
}


def granted(number: int = 1, **change):
    own = {name: value for name, value in {**OWN, **change}.items() if value is not None}
    return event(number, "leases/l", VALID, uri=LEASE_GRANTED, own=own)


LEASE = Lease.from_event(granted())
NOTHING = Standing()


def clocks(boot: timedelta, *, rtc=START, boot_id: str = "first") -> Clocks:
    return Clocks(boot_id=boot_id, boot=boot, rtc=rtc)


HEARD = TrustedTime().heard(START, clocks(timedelta()))


def at(boot: timedelta, lease: Lease = LEASE, standing: Standing = NOTHING, time: TrustedTime = HEARD):
    return decide(lease, time, clocks(boot), standing)


def test_a_lease_is_read() -> None:
    assert LEASE.expires_at == START + 6 * HOUR
    assert (LEASE.max_staleness, LEASE.offline_grace, LEASE.removal) == (HOUR, 2 * HOUR, 24 * HOUR)
    assert LEASE.status == StatusReference(5, URI)
    assert Lease.from_event(entry_of(granted())) == LEASE
    plain = Lease.from_event(granted(on_silence=None, on_expiry=None, removal_seconds=None, status_list=None))
    assert (plain.on_silence, plain.on_expiry, plain.removal, plain.status) == (
        Silence.SUSPEND,
        Silence.SHRED,
        None,
        None,
    )


@pytest.mark.parametrize(
    "change",
    [{"lease": f"{PARENT}/leases/other"}, {"consent": None}, {"artifact": ""}, {"not_before": "16:00"}, {"expires_at": OWN["not_before"]},
     {"max_staleness_seconds": -1}, {"offline_grace_seconds": True}, {"removal_seconds": "1 d"},
     {"consent_expires_at": "never"}, {"on_silence": "shout"},
     {"on_expiry": 1}, {"status_list": {"idx": -1, "uri": URI}}, {"max_staleness_seconds": 10**12}],
    ids=str,
)  # fmt: skip
def test_what_is_no_lease_is_refused(change) -> None:
    with pytest.raises(LeaseInvalid):
        Lease.from_event(granted(**change))


def test_only_a_grant_grants() -> None:
    for other in (event(2, "leases/l", VALID, own=OWN), event(2, "leases/l", INVALID, uri=LEASE_GRANTED, own=OWN)):
        with pytest.raises(LeaseInvalid):
            Lease.from_event(other)


def test_silence_then_grace_then_suspension_then_the_end() -> None:
    """10:00 heard; 11:00 stale, grace runs; 13:00 silent; 16:00 over. Nothing had to arrive for any of it."""
    assert at(59 * MINUTE) == Allowed(START + 3 * HOUR)
    assert at(HOUR) == Allowed(START + 3 * HOUR, in_grace=True)
    assert at(3 * HOUR - MINUTE) == Allowed(START + 3 * HOUR, in_grace=True)
    assert at(3 * HOUR) == Suspended(Why.SILENT)
    assert at(6 * HOUR) == Shred(Why.EXPIRED)


def test_a_heartbeat_ends_the_silence() -> None:
    heard = HEARD.heard(START + 4 * HOUR, clocks(4 * HOUR))
    assert at(4 * HOUR, time=heard) == Allowed(LEASE.expires_at)
    assert at(6 * HOUR - MINUTE, time=heard) == Allowed(LEASE.expires_at, in_grace=True)
    assert at(6 * HOUR, time=heard) == Shred(Why.EXPIRED)


def test_what_silence_and_the_end_do_is_said_by_the_lease() -> None:
    harsh = replace(LEASE, on_silence=Silence.SHRED)
    mild = replace(LEASE, on_expiry=Silence.SUSPEND)
    assert at(3 * HOUR, harsh) == Shred(Why.SILENT)
    assert at(6 * HOUR, mild) == Suspended(Why.EXPIRED)


def test_before_it_was_ever_online_and_before_the_lease() -> None:
    assert at(timedelta(), time=TrustedTime()) == Suspended(Why.SILENT)
    early = TrustedTime().heard(START - HOUR, clocks(timedelta()))
    assert at(MINUTE, time=early) == Suspended(Why.NOT_YET)


@pytest.mark.parametrize(
    ("standing", "expected"),
    [
        (Standing(lease=VALID, consent=VALID, artifact=VALID, device=VALID), Allowed(START + 3 * HOUR)),
        (Standing(consent=INVALID), Shred(Why.WITHDRAWN)),
        (Standing(lease=INVALID), Shred(Why.WITHDRAWN)),
        (Standing(lease=INVALID, lease_action=Silence.SUSPEND), Suspended(Why.WITHDRAWN)),
        (Standing(artifact=INVALID), Suspended(Why.WITHDRAWN)),
        (Standing(artifact=INVALID, artifact_action=Silence.SHRED), Shred(Why.WITHDRAWN)),
        (Standing(artifact=INVALID, consent=INVALID), Shred(Why.WITHDRAWN)),
        (Standing(device=INVALID), Suspended(Why.WITHDRAWN)),
        (Standing(device=SUSPENDED), Suspended(Why.SUSPENDED)),
        (Standing(lease=SUSPENDED), Suspended(Why.SUSPENDED)),
        (Standing(consent=SUSPENDED, artifact=INVALID), Suspended(Why.WITHDRAWN)),
    ],
    ids=str,
)
def test_what_was_said_about_what_it_stands_on(standing, expected) -> None:
    assert at(MINUTE, standing=standing) == expected


def fed(*events) -> FeedState:
    state = FeedState()
    state.begin_full(EPOCH)
    for one in events:
        state.apply(one)
    state.commit_full(sequence=1)
    return state


def test_what_feeds_and_lists_tell() -> None:
    everybody = fed(event(1, "artifacts/a", INVALID, own={"action": "shred"}))
    ours = fed(granted(2), event(3, "consents/c", SUSPENDED), event(4, "leases/other", INVALID))
    assert standing_of(LEASE, everybody, ours) == Standing(
        lease=VALID, consent=SUSPENDED, artifact=INVALID, artifact_action=Silence.SHRED
    )
    assert standing_of(LEASE, ours, listed=INVALID).lease is INVALID
    assert standing_of(LEASE) == Standing()
    for action, expected in (("suspend", Silence.SUSPEND), ("shred", Silence.SHRED), ("melt", Silence.SHRED)):
        ended = fed(event(5, "leases/l", INVALID, own={"action": action}))
        assert standing_of(LEASE, ended).lease_action is expected
    assert standing_of(LEASE, fed(event(5, "leases/l", INVALID))).lease_action is Silence.SHRED


def test_a_suspended_lease_still_ends() -> None:
    assert at(6 * HOUR, standing=Standing(lease=SUSPENDED)) == Shred(Why.EXPIRED)


def test_setting_the_rtc_changes_nothing_while_the_device_runs() -> None:
    for rtc in (START - 1_000 * HOUR, START + 1_000 * HOUR):
        assert decide(LEASE, HEARD, clocks(MINUTE, rtc=rtc), NOTHING) == Allowed(START + 3 * HOUR)
        assert decide(LEASE, HEARD, clocks(6 * HOUR, rtc=rtc), NOTHING) == Shred(Why.EXPIRED)


def test_after_a_reboot() -> None:
    def rebooted(rtc, boot=MINUTE):
        return decide(LEASE, HEARD, clocks(boot, rtc=rtc, boot_id="second"), NOTHING)

    assert rebooted(START + 10 * MINUTE) == Allowed(START + 3 * HOUR)
    assert rebooted(START + 2 * HOUR) == Allowed(START + 3 * HOUR, in_grace=True)
    assert rebooted(START - MINUTE) == Suspended(Why.CLOCK_UNKNOWN)
    assert rebooted(START + 4 * HOUR) == Suspended(Why.SILENT)
    # An RTC alone proves no end: a flat battery or a prankster must not destroy anything.
    assert rebooted(START + 100 * HOUR) == Suspended(Why.CLOCK_LATE)
    assert rebooted(START + 10 * MINUTE, boot=6 * HOUR) == Shred(Why.EXPIRED)


def test_a_renewal_by_an_event() -> None:
    newer = Lease.from_event(granted(2, expires_at="2026-11-22T20:00:00.000000Z"))
    renewed = LEASE.renewed_by(newer)
    assert renewed.expires_at == START + 10 * HOUR
    assert renewed.renewed_by(LEASE) == renewed, "an earlier event takes nothing back"
    shorter = Lease.from_event(granted(3, expires_at="2026-11-22T12:00:00.000000Z"))
    assert renewed.renewed_by(shorter).expires_at == START + 2 * HOUR
    for other in (replace(newer, lease="x"), replace(newer, device="x"), replace(newer, artifact="x")):
        with pytest.raises(LeaseInvalid):
            LEASE.renewed_by(other)


def manifest(**others):
    plane = ReadPlane()
    plane.publish([], **others)
    return read_manifest(plane.read, verifier(), tenant="acme", seen=None, now=START)


def test_a_renewal_by_a_snapshot() -> None:
    """Issued at 14:00: leases that its lists call VALID are good until 10:00 tomorrow, by a promise of 24 h."""
    told = {"issued_at": START + 4 * HOUR, "not_after": START + 5 * HOUR}
    found = manifest(leases_until={86_400: START + 24 * HOUR}, **told)
    extended = LEASE.extended_by(found, VALID)
    assert extended.expires_at == START + 24 * HOUR
    for status in (INVALID, SUSPENDED):
        assert LEASE.extended_by(found, status) == LEASE
    assert replace(LEASE, removal=None).extended_by(found, VALID).expires_at == LEASE.expires_at
    assert replace(LEASE, removal=12 * HOUR).extended_by(found, VALID).expires_at == LEASE.expires_at
    assert replace(LEASE, removal=26 * HOUR).extended_by(found, VALID).expires_at == START + 24 * HOUR, "none is nearer"
    beyond = manifest(leases_until={86_400: START + 100 * HOUR}, **told)
    assert LEASE.extended_by(beyond, VALID).expires_at == START + (4 + 24 - 2) * HOUR
    earlier = manifest(leases_until={86_400: START + HOUR}, **told)
    assert LEASE.extended_by(earlier, VALID) == LEASE


def test_of_several_promises_the_longest_counts_that_is_not_above_its_own() -> None:
    told = {"issued_at": START + 4 * HOUR, "not_after": START + 5 * HOUR}
    until = {seconds: START + 4 * HOUR + timedelta(seconds=seconds) for seconds in (3_600, 43_200, 172_800)}
    found = manifest(leases_until=until, **told)
    assert LEASE.extended_by(found, VALID).expires_at == START + 16 * HOUR
    assert replace(LEASE, removal=48 * HOUR).extended_by(found, VALID).expires_at == START + (4 + 48 - 2) * HOUR
    short = replace(LEASE, removal=timedelta(seconds=3_599))
    assert short.extended_by(found, VALID) == short


def test_nothing_lengthens_a_lease_beyond_its_consent() -> None:
    found = manifest(leases_until={86_400: START + 28 * HOUR}, issued_at=START + 4 * HOUR, not_after=START + 5 * HOUR)
    for hours in (6, 7, 20):
        lease = replace(LEASE, consent_expires_at=START + hours * HOUR)
        assert lease.extended_by(found, VALID).expires_at == START + hours * HOUR
        assert lease.extended_by(found, VALID).extended_by(found, VALID).expires_at == START + hours * HOUR
    newer = Lease.from_event(granted(2, consent_expires_at="2026-11-22T18:00:00.000000Z"))
    assert LEASE.renewed_by(newer).extended_by(found, VALID).expires_at == START + 8 * HOUR
    with pytest.raises(LeaseInvalid, match="outlasts"):
        Lease.from_event(granted(2, consent_expires_at="2026-11-22T15:59:59.999999Z"))


def test_a_device_with_plain_http_lives_on_manifests() -> None:
    """No RTC at all: 1970 after each boot. A manifest a day, then none."""
    boot, rtc = timedelta(minutes=5), START - 500_000 * HOUR
    lease, time = LEASE, HEARD
    for day in range(1, 4):
        here = clocks(boot, rtc=rtc, boot_id=f"day {day}")
        issued = START + day * 24 * HOUR
        assert not isinstance(decide(lease, time, here, NOTHING), Allowed)
        found = manifest(
            issued_at=issued, not_after=issued + HOUR, leases_until={86_400: issued + 20 * HOUR}, number=day
        )
        lease, time = lease.extended_by(found, VALID), time.read(issued, here)
        assert decide(lease, time, here, NOTHING) == Allowed(issued + 3 * HOUR)
    last = START + 3 * 24 * HOUR
    assert decide(lease, time, clocks(boot + 20 * HOUR, rtc=rtc, boot_id="day 3"), NOTHING) == Shred(Why.EXPIRED)
    assert lease.expires_at == last + 20 * HOUR
