from datetime import timedelta

import grpc
import pytest

from hallmark_client.errors import ResourceExhausted
from hallmark_client.testing import refusal
from hallmark_client.testing.watching import NAME, PowerCut
from hallmark_client.watch import Feed, Rung, Status
from hallmark_events import types
from hallmark_events.lease import Allowed, Shred, Suspended, Why
from hallmark_events.types import StatusValue


def kinds(device) -> list[str]:
    return [type(change).__name__ for change in device.told]


def feed(device, name=Feed.DEVICE):
    return device.core.held.feeds[name]


def test_a_new_device_knows_in_its_first_second(world, device, artifact) -> None:
    """One question first, for its heartbeat; then the stream."""
    world.lease()
    device.advance(1)
    assert device.asked == ["poll", "stream"]
    assert device.core.status().status is Status.VALID
    assert device.decision(artifact).is_allowed


def test_a_restriction_counts_before_its_bookmark(world, device, artifact) -> None:
    world.lease()
    device.advance(1)

    def without_bookmarks(frames):
        return [frame for frame in frames if not frame.HasField("bookmark")]

    world.spoil = without_bookmarks
    world.withdraw()
    cursor = feed(device).place.cursor
    device.advance(1)
    assert device.decision(artifact).decision == Shred(Why.WITHDRAWN)
    assert kinds(device) == ["LeaseGranted", "ConsentEnded"]
    assert feed(device).place.cursor == cursor
    # ... and is written, though its cursor is not.
    device.crash()
    assert device.decision(artifact).decision == Shred(Why.WITHDRAWN)


def test_what_widens_without_its_proof_is_not_obeyed(world, device, artifact) -> None:
    world.lease()
    world.artifact(StatusValue.SUSPENDED)
    device.advance(1)
    jti = world.artifact(StatusValue.VALID, proved=False)
    device.advance(40)
    assert device.decision(artifact).decision == Suspended(Why.SUSPENDED)
    assert world.events.refused[NAME] == {jti: "authentication_failed"}
    # Everything else goes on, and nothing calls this state current.
    world.withdraw()
    device.advance(1)
    assert device.decision(artifact).decision == Shred(Why.WITHDRAWN)
    assert device.core.status().status is not Status.VALID


def test_a_signature_of_nobody_ends_the_stream_and_is_told(world, device) -> None:
    device.advance(1)

    def forged(frames):
        for frame in frames:
            if frame.HasField("event"):
                frame.event.signature.signature = bytes(len(frame.event.signature.signature))
        return frames

    world.spoil = forged
    jti = world.artifact(StatusValue.INVALID)
    device.advance(30)
    assert "SIGNATURE_INVALID" in device.core.status().reasons
    assert not kinds(device)
    world.spoil = lambda frames: frames
    device.advance(600)
    assert kinds(device) == ["Revoked"]
    assert world.events.refused[NAME] == {jti: "invalid_key"}


def test_urgent_events_are_acknowledged_after_their_effects(world, device) -> None:
    world.lease()
    device.advance(1)
    seen = []
    device.on_change = lambda change: seen.append(dict(world.events.acknowledged))
    jti = world.withdraw()
    device.advance(1)
    assert seen == [{}]
    assert world.events.acknowledged == {NAME: {jti}}


def test_an_acknowledgement_that_is_lost_is_sent_again_after_a_crash(world, device) -> None:
    device.advance(1)
    jti = world.withdraw()
    world.unanswered = {"AcknowledgeEvents"}
    device.advance(1)
    world.unanswered = set()
    device.crash()
    assert not world.events.acknowledged
    device.advance(40)
    assert world.events.acknowledged == {NAME: {jti}}


def test_a_callback_that_fails_is_called_again(world, device) -> None:
    device.advance(1)
    attempts = []

    def fails_twice(change):
        attempts.append(change.jti)
        if len(attempts) < 3:
            raise ValueError("not now")

    device.on_change = fails_twice
    jti = world.withdraw()
    device.advance(60)
    assert attempts == [jti] * 3
    assert world.events.acknowledged == {NAME: {jti}}
    device.crash()
    device.advance(60)
    assert len(attempts) == 3


def test_a_power_cut_in_the_callback_of_a_full_transfer_loses_nothing(world, device) -> None:
    jti = world.lease()
    attempts = []

    def cut_once(change):
        attempts.append(change.jti)
        if len(attempts) == 1:
            raise PowerCut

    device.on_change = cut_once
    device.advance(1)
    device.advance(1)
    assert attempts == [jti, jti]


def test_a_changed_state_is_asked_for_again(world, device) -> None:
    """An event that is lost on the way shows in the digest of the bookmark, and a full transfer heals it."""
    device.advance(1)
    world.spoil = lambda frames: [frame for frame in frames if not frame.HasField("event")]
    world.artifact(StatusValue.INVALID)
    device.advance(0.1)
    assert not kinds(device)
    world.spoil = lambda frames: frames
    device.advance(5)
    assert kinds(device) == ["Revoked"]


def test_an_earlier_history_is_refused(world, device, artifact) -> None:
    old = world.events.feeds.epoch
    world.lease()
    device.advance(1)
    world.events.replace_history()
    world.withdraw()
    device.advance(60)
    world.events.feeds.epoch = old
    world.generation += 1
    device.advance(20)
    assert "ROLLED_BACK" in device.core.status().reasons
    assert device.decision(artifact).decision == Shred(Why.WITHDRAWN)


def test_a_restored_backup_gives_nothing_back(world, device, artifact) -> None:
    world.lease()
    backup = world.events.backup()
    world.withdraw()
    device.advance(1)
    world.events.replace_history(backup)
    device.advance(60)
    assert device.core.status().status is Status.VALID
    assert device.decision(artifact).decision == Shred(Why.WITHDRAWN)


def test_silence_ends_a_stream(world, device) -> None:
    device.settings = {"heartbeat": timedelta(seconds=30)}
    device.start()
    device.advance(40)
    world.spoil = lambda frames: []
    device.advance(97)
    assert device.asked == ["poll", "stream"]
    device.advance(3)
    assert device.asked == ["poll", "stream", "stream"]


def test_a_heartbeat_of_another_stream_proves_nothing(world, device) -> None:
    device.advance(40)
    kept = []

    def replay(frames):
        kept.extend(frame for frame in frames if frame.HasField("heartbeat"))
        return [kept[0] if frame.HasField("heartbeat") else frame for frame in frames]

    world.spoil = replay
    device.advance(60)
    fresh_at = device.core.status().fresh_at
    world.generation += 1
    device.advance(70)
    assert device.core.status().fresh_at <= fresh_at
    assert "STALE" in device.core.status().reasons


def test_the_ladder_goes_down_to_files_and_up_again(world, device, artifact) -> None:
    world.lease(status_list=world.files.allocate(), removal_seconds=86_400)
    device.advance(1)
    world.artifact(StatusValue.INVALID, name="artifacts/" + "b" * 64)
    world.files.publish()
    world.api = False
    device.advance(600)
    assert device.core.ladder.rung is Rung.FILES
    assert device.core.status().status is Status.VALID
    assert kinds(device)[-1] == "Revoked"
    assert device.decision(artifact).is_allowed
    world.api = True
    device.advance(3600)
    assert device.core.ladder.rung is Rung.STREAM


def test_files_end_a_lease_whose_device_reaches_no_api(world, device, artifact) -> None:
    reference = world.files.allocate()
    world.lease(status_list=reference, removal_seconds=86_400)
    device.advance(1)
    world.api = False
    world.files.set_status(reference["idx"], StatusValue.INVALID)
    world.files.publish()
    device.advance(600)
    assert device.decision(artifact).decision == Shred(Why.WITHDRAWN)
    device.crash()
    assert device.decision(artifact).decision == Shred(Why.WITHDRAWN)


def test_fresh_files_keep_a_lease_alive(world, device, artifact) -> None:
    """24 hours again and again, without the API."""
    world.lease(status_list=world.files.allocate(), removal_seconds=86_400)
    device.advance(1)
    world.api = False
    for _ in range(40):
        world.files.publish()
        device.advance(1200)
        world.files.publish()
        device.advance(1200)
    assert device.decision(artifact).is_allowed
    world.cdn = False
    device.advance(3700)
    assert device.decision(artifact).decision == Suspended(Why.SILENT)
    device.advance(86_400)
    assert device.decision(artifact).decision == Shred(Why.EXPIRED)


def test_files_say_nothing_of_a_lease_that_is_not_in_their_lists(world, device, artifact) -> None:
    world.lease()
    device.advance(1)
    world.api = False
    for _ in range(10):
        world.files.publish()
        device.advance(600)
    assert device.core.status().status is Status.VALID
    assert device.decision(artifact).decision == Suspended(Why.SILENT)


def test_a_stale_cache_gives_nothing_back(world, device, artifact) -> None:
    reference = world.files.allocate()
    world.lease(status_list=reference, removal_seconds=86_400)
    device.advance(1)
    world.api = False
    world.files.publish()
    old = dict(world.files.files)
    world.files.set_status(reference["idx"], StatusValue.SUSPENDED)
    world.now += timedelta(seconds=1)
    world.files.publish()
    device.advance(900)
    assert device.decision(artifact).decision == Suspended(Why.SUSPENDED)
    world.cached = old
    reasons = set()
    for _ in range(60):
        device.advance(15)
        reasons |= set(device.core.status().reasons)
        assert device.decision(artifact).decision == Suspended(Why.SUSPENDED)
    assert "ROLLED_BACK" in reasons


def test_a_refused_device_goes_to_the_files_at_once(world, device) -> None:
    device.advance(1)
    world.files.publish()
    world.refusal = refusal(grpc.StatusCode.PERMISSION_DENIED, "DEVICE_REVOKED", "no")
    device.advance(5)
    assert device.core.ladder.rung is Rung.FILES
    assert device.asked.count("stream") == 1


@pytest.mark.parametrize("seconds", [2.0, 200.0])
def test_a_server_says_when_to_come_back(world, device, seconds) -> None:
    device.advance(1)
    world.refusal = refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED", "slowly", retry_after_seconds=seconds)
    assert isinstance(world.refusal, ResourceExhausted)
    device.advance(seconds * 0.9)
    assert device.slept[-1] == seconds


def test_full_transfers_come_in_pages_too(world, device) -> None:
    for number in range(7):
        world.artifact(StatusValue.INVALID, name=f"artifacts/{number:064x}")
    device.settings = {"begin_with": Rung.POLL, "max_events": 2}
    device.start()
    device.advance(1)
    assert kinds(device) == ["Revoked"] * 7
    assert device.asked == ["poll"] * 4
    for number in range(7, 12):
        world.artifact(StatusValue.INVALID, name=f"artifacts/{number:064x}")
    device.advance(60)
    assert len(kinds(device)) == 12


def test_what_a_full_transfer_tells_no_more_has_ended(world, device, artifact) -> None:
    backup = world.events.backup()
    world.lease()
    device.advance(1)
    world.events.replace_history(backup)
    device.advance(60)
    assert kinds(device) == ["LeaseGranted", "LeaseEnded"]
    assert not device.decision(artifact).is_allowed


def test_a_renewed_lease_runs_longer(world, device, artifact) -> None:
    device.settings = {"heartbeat": timedelta(minutes=5)}
    device.start()
    world.lease()
    device.advance(1)
    first = device.decision(artifact).decision
    world.lease(days=2)
    device.advance(1)
    assert kinds(device) == ["LeaseGranted", "LeaseRenewed"]
    assert isinstance(first, Allowed)
    device.advance(1.5 * 86_400)
    assert device.decision(artifact).is_allowed


def test_deletions_say_all_that_a_receipt_needs(world, device) -> None:
    own = {
        "removal": "tenants/default/removals/one",
        "artifact": "tenants/default/artifacts/" + "a" * 64,
        "consent": "tenants/default/consents/one",
        "deadline": "2026-11-23T00:00:00.000000Z",
        "nonce": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "method": "cryptographic-erase",
    }
    world.events.tell(types.DELETION_REQUESTED, "removals/one", StatusValue.VALID, device=NAME, own=own)
    device.advance(1)
    (change,) = device.told
    assert type(change).__name__ == "DeletionRequested"
    assert change.nonce == bytes(32)
    assert (change.removal, change.artifact) == (own["removal"], own["artifact"])
    assert change.to_dict()["deadline"] == "2026-11-23T00:00:00Z"
    device.crash()
    device.advance(5)
    assert len(device.told) == 1


def test_what_a_list_suspended_is_given_back_by_what_is_told_after_it(world, device, artifact) -> None:
    """Nobody reads lists while a stream is open; what was in the last one must not hold for ever."""
    reference = world.files.allocate()
    world.lease(status_list=reference, removal_seconds=86_400)
    device.advance(1)
    world.files.set_status(reference["idx"], StatusValue.SUSPENDED)
    late = world.events.backup()
    world.lease(status_list=reference, removal_seconds=86_400)  # before the list, and it comes after it
    world.now += timedelta(seconds=1)
    world.files.publish()
    world.api, newer = False, world.events.backup()
    world.events._feeds.feeds.update({name: feed.copy() for name, feed in late.feeds.items()})
    device.advance(900)
    assert device.decision(artifact).decision == Suspended(Why.SUSPENDED)
    world.events._feeds.feeds.update({name: feed.copy() for name, feed in newer.feeds.items()})
    world.api = True
    device.advance(3600)
    assert device.core.ladder.rung is Rung.STREAM
    assert device.decision(artifact).decision == Suspended(Why.SUSPENDED)
    world.lease(status_list=reference, removal_seconds=86_400)
    device.advance(5)
    assert device.decision(artifact).is_allowed
    device.crash()
    assert device.decision(artifact).is_allowed
