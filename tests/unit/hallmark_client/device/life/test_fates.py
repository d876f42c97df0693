from datetime import timedelta

import pytest

from hallmark_client.device.life.fates import MODEL_LABEL, Fate, Told, commands_in, fate_of, told_by
from hallmark_client.watch.decisions import NotGranted, Use
from hallmark_client.watch.frames import Feed
from hallmark_client.watch.snapshot import HeldSubject, WatchSnapshot
from hallmark_events.lease import Allowed, Shred, Suspended, Why
from hallmark_events.types import ARTIFACT_SUPERSEDED, CREDENTIAL_CHANGE, DELETION_REQUESTED, StatusValue
from unit.hallmark_client.device.life.conftest import DEVICE, NOW, artifact, command

MODEL = "tenants/default/models/m"


def use(decision) -> Use:
    return Use(subject=artifact().subject, lease="", decision=decision)


def held(subject: str, status: StatusValue = StatusValue.VALID, uri: str = CREDENTIAL_CHANGE, **own) -> HeldSubject:
    return HeldSubject(feed=Feed.DEVICE, subject=subject, status=status, jti="j", uri=uri, revision=1, own=own)


def snapshot(*subjects: HeldSubject) -> WatchSnapshot:
    return WatchSnapshot(subjects=subjects, listed={}, epochs={}, sequences={}, fresh_at=None, proven_time=NOW)


@pytest.mark.parametrize(
    ("decision", "fate"),
    [
        (Allowed(until=NOW + timedelta(hours=1)), Fate.KEEP),
        (NotGranted(), Fate.KEEP),
        (Suspended(Why.SILENT), Fate.KEEP),
        (Suspended(Why.CLOCK_UNKNOWN), Fate.KEEP),
        (Suspended(Why.CLOCK_LATE), Fate.KEEP),
        (Suspended(Why.NOT_YET), Fate.KEEP),
        (Suspended(Why.EXPIRED), Fate.KEEP),
        (Suspended(Why.SUSPENDED), Fate.SUSPEND),
        (Suspended(Why.WITHDRAWN), Fate.SUSPEND),
        (Shred(Why.WITHDRAWN), Fate.DELETE),
        (Shred(Why.EXPIRED), Fate.DELETE),
        (Shred(Why.SILENT), Fate.DELETE),
    ],
)
def test_by_its_lease(decision, fate) -> None:
    assert fate_of(artifact(), use(decision), Told()) is fate


def test_a_command_and_a_minimum_epoch_delete_what_a_lease_allows() -> None:
    allowed = use(Allowed(until=NOW))
    assert fate_of(artifact(), allowed, Told(doomed={artifact().subject})) is Fate.DELETE
    of_model = {"labels": {MODEL_LABEL: MODEL}}
    told = Told(minimums={MODEL: 3})
    assert fate_of(artifact(version=2, **of_model), allowed, told) is Fate.DELETE
    assert fate_of(artifact(version=3, **of_model), allowed, told) is Fate.KEEP
    assert fate_of(artifact(version=2), allowed, told) is Fate.KEEP


def test_what_the_feeds_tell() -> None:
    told = told_by(
        snapshot(held(MODEL, uri=ARTIFACT_SUPERSEDED, min_version=7), held(DEVICE)), device=DEVICE, doomed={"x"}
    )
    assert told == Told(minimums={MODEL: 7}, blocked="", doomed={"x"})


@pytest.mark.parametrize(
    ("subject", "own", "blocked"),
    [
        (DEVICE, {}, "DEVICE_REVOKED"),
        ("tenants/default/devices/another", {}, ""),
        ("tenants/system/keys/revocation-events/versions/1", {"reason": "KEY_COMPROMISE"}, "SERVICE_KEY_COMPROMISED"),
        ("tenants/system/keys/revocation-events/versions/1", {"reason": "SUPERSEDED"}, ""),
        ("tenants/default/keys/manifest", {"reason": "KEY_COMPROMISE"}, ""),
    ],
)
def test_what_blocks_everything(subject, own, blocked) -> None:
    told = told_by(snapshot(held(subject, StatusValue.INVALID, **own)), device=DEVICE, doomed=())
    assert told.blocked == blocked
    assert not told_by(snapshot(held(subject, StatusValue.VALID, **own)), device=DEVICE, doomed=()).blocked


def test_commands_that_stand_are_found_and_closed_ones_are_not() -> None:
    asked = command()
    standing = held(asked.subject, uri=DELETION_REQUESTED, **asked.own)
    (found,) = commands_in(snapshot(standing, held("tenants/default/removals/odd", uri=DELETION_REQUESTED)))
    assert (found.removal, found.artifact, found.jti) == (asked.removal, asked.artifact, "j")
    closed = held(asked.subject, StatusValue.INVALID, DELETION_REQUESTED, **asked.own)
    assert not commands_in(snapshot(closed))
