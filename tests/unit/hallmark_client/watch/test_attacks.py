"""Whoever stands in the middle of a stream: a proxy that ends TLS, an edge, a thief of certificates. It signs nothing."""

from datetime import datetime, timedelta

import pytest

from hallmark.v1 import events_pb2
from hallmark_client.testing.watching import NAME, WatchedDevice
from hallmark_client.watch import Feed, Rung, SqliteStore, Status, following
from hallmark_client.watch.decisions import NotGranted
from hallmark_events import types
from hallmark_events.event_set import EventSet
from hallmark_events.lease import Allowed, Shred, Suspended, Why
from hallmark_events.state import digest_of
from hallmark_events.types import StatusValue

HUGE_EPOCH = b"\xff" * 16
HUGE_SEQUENCE = 2**53
MODEL = "models/speech"


def honest(frames):
    return frames


def reason(device) -> tuple[str, ...]:
    return device.core.status().reasons


def is_valid(device) -> bool:
    return device.core.status().status is Status.VALID


def feed(device, name=Feed.DEVICE):
    return device.core.held.feeds[name]


def only_heartbeats(frames):
    return [frame for frame in frames if frame.HasField("heartbeat")]


def without_proof(frames):
    """The signature is gone, and a place in no batch stands there instead: nobody can say that it is false."""
    for frame in frames:
        if frame.HasField("event"):
            frame.event.ClearField("signature")
            frame.event.ClearField("log")
            frame.event.batch.tree_size = 1
    return frames


def break_streams(world) -> None:
    world.generation += 1


def test_heartbeats_without_the_events_make_nothing_current(world, device, artifact) -> None:
    world.lease()
    device.advance(1)
    fresh_at = device.core.status().fresh_at
    world.spoil = only_heartbeats
    world.withdraw()
    device.advance(50)
    assert not is_valid(device)
    device.advance(3600)
    assert device.core.status().fresh_at == fresh_at
    assert device.decision(artifact).decision == Suspended(Why.SILENT)


@pytest.mark.parametrize("how", ["told again", "crash"])
def test_a_withdrawal_whose_signature_was_taken_off_is_missed_and_not_forgotten(world, device, artifact, how) -> None:
    """Its subject and jti make the digest right; a replay of the grant, or a restart, must not make it forgotten."""
    consent = world.events.tell(
        types.CONSENT_STATUS_CHANGE, "consents/0b8f5b0e-0000-4000-8000-000000000001", StatusValue.VALID, device=NAME
    )
    world.lease()
    device.advance(1)
    held = next(iter(each for each in world.events.feeds.feed(f"devices/{NAME}").newest.values()))[1]
    assert held.read.jti == consent
    world.spoil = without_proof
    world.withdraw()
    device.advance(1)
    assert feed(device).place.told == world.events.feeds.feed(f"devices/{NAME}").digest()
    assert not feed(device).place.is_whole
    fresh_at = device.core.status().fresh_at

    def replay(frames):
        kept = only_heartbeats(frames)
        return [events_pb2.WatchEventsResponse(feed=events_pb2.FEED_DEVICE, event=held.wire), *kept]

    world.spoil = replay if how == "told again" else only_heartbeats
    if how == "crash":
        device.crash()
    device.advance(3700)
    assert not is_valid(device)
    assert device.core.status().fresh_at == fresh_at
    assert device.decision(artifact).decision == Suspended(Why.SILENT)
    world.spoil = honest
    break_streams(world)
    device.advance(600)
    assert is_valid(device)
    assert device.decision(artifact).decision == Shred(Why.WITHDRAWN)


def in_history(epoch):
    """All events are the service's own; the history they are told in is not."""

    def spoiled(frames):
        for frame in frames:
            if frame.HasField("intent"):
                frame.intent.epoch = epoch
                frame.intent.transfer = events_pb2.WatchEventsResponse.Intent.TRANSFER_FULL
        return [frame for frame in frames if not frame.HasField("heartbeat")]

    return spoiled


def test_a_history_of_nobody_binds_the_device_to_nothing(world, device, artifact) -> None:
    """Otherwise one lie about the epoch would have it refuse the service for ever."""
    world.lease()
    device.advance(40)
    true_epoch = feed(device).place.epoch
    world.spoil = in_history(HUGE_EPOCH)
    feed(device).must_begin = feed(device, Feed.GLOBAL).must_begin = True
    break_streams(world)
    device.advance(20)
    assert feed(device).place.epoch == HUGE_EPOCH
    device.crash()
    world.spoil = honest
    world.withdraw()
    device.advance(600)
    assert feed(device).place.epoch == true_epoch
    assert is_valid(device)
    assert device.decision(artifact).decision == Shred(Why.WITHDRAWN)


def test_a_history_that_was_signed_is_never_left_for_an_earlier_one(world, device) -> None:
    device.advance(40)
    old = world.events.feeds.epoch
    world.events.replace_history()
    device.advance(60)
    assert is_valid(device)
    world.spoil = in_history(old)
    break_streams(world)
    device.crash()
    device.advance(30)
    assert "ROLLED_BACK" in reason(device)


def with_sequence(frames):
    for frame in frames:
        if frame.HasField("bookmark"):
            frame.bookmark.sequence = HUGE_SEQUENCE
    return frames


def test_a_sequence_of_nobody_hides_no_file(world, device, artifact) -> None:
    """Files that are behind the stream change nothing; only a signed word says that they are behind."""
    world.lease()
    device.advance(40)
    world.spoil = with_sequence
    world.artifact(StatusValue.VALID, "artifacts/" + "b" * 64)
    device.advance(1)
    assert feed(device, Feed.GLOBAL).state.sequence == HUGE_SEQUENCE
    world.spoil = honest
    world.api = False
    world.artifact(StatusValue.INVALID)
    world.files.publish()
    device.advance(900)
    assert device.core.ladder.rung is Rung.FILES
    assert device.decision(artifact).decision == Suspended(Why.WITHDRAWN)


def test_a_sequence_of_nobody_binds_the_device_to_nothing(world, device) -> None:
    device.advance(40)
    world.spoil = with_sequence
    world.artifact(StatusValue.SUSPENDED)
    device.advance(1)
    device.crash()
    world.spoil = honest
    device.advance(60)
    assert is_valid(device)
    assert feed(device, Feed.GLOBAL).place.sequence == world.events.feeds.feed("global").sequence


def test_a_lease_for_another_device_allows_nothing_here(world, artifact) -> None:
    """It is proved, so only its own words say that it is not for us."""
    device = WatchedDevice(world, settings={"device": NAME})
    world.lease("theirs", device=f"{world.state.parent}/devices/tablet")
    device.advance(1)
    assert device.decision(artifact).decision == NotGranted()
    assert device.decision("leases/theirs").decision == NotGranted()
    world.lease("ours")
    device.advance(1)
    assert device.decision(artifact).lease.endswith("leases/ours")


def test_a_heartbeat_for_another_device_over_our_nonce_says_nothing_of_ours(world, device) -> None:
    """Both ask with one nonce, and the one in the middle changes the answers over."""
    world.lease()
    device.advance(1)

    def of_another(frames):
        names = {events_pb2.FEED_DEVICE: "devices/tablet", events_pb2.FEED_GLOBAL: "global"}
        nonce = device._stream.request.nonce if device._stream else b""
        return [
            world.events.heartbeat(names, nonce, 30) if frame.HasField("heartbeat") else frame
            for frame in frames
            if not frame.HasField("event")
        ]

    world.spoil = of_another
    world.withdraw()
    device.advance(100)
    assert not is_valid(device)


def test_a_heartbeat_that_is_played_again_proves_no_later_time(world, device, artifact) -> None:
    world.lease()
    device.advance(31)
    first = []

    def again(frames):
        first.extend(only_heartbeats(frames))
        return first[:1]

    world.spoil = again
    device.advance(30)
    fresh_at = device.core.status().fresh_at
    world.withdraw()
    device.advance(200)
    assert device.core.status().fresh_at == fresh_at
    assert not is_valid(device)
    device.advance(3600)
    assert device.decision(artifact).decision == Suspended(Why.SILENT)


def test_polls_without_heartbeats_prove_nothing(world) -> None:
    device = WatchedDevice(world, settings={"begin_with": Rung.POLL}, has_files=False)
    device.advance(40)
    assert is_valid(device)
    world.spoil = lambda frames: []
    world.withdraw()
    device.advance(40)
    assert "SILENT" in reason(device)
    assert not is_valid(device)


def test_a_transfer_that_never_ends_is_not_called_current(world, device) -> None:
    device.advance(40)
    assert is_valid(device)

    def endless(frames):
        intent = events_pb2.WatchEventsResponse.Intent(
            transfer=events_pb2.WatchEventsResponse.Intent.TRANSFER_FULL, epoch=world.events.feeds.epoch
        )
        return [events_pb2.WatchEventsResponse(feed=events_pb2.FEED_GLOBAL, intent=intent)]

    world.spoil = endless
    world.artifact(StatusValue.INVALID)
    device.advance(5)
    assert not is_valid(device)


def test_what_nobody_signed_is_remembered_up_to_a_bound(world, device, monkeypatch) -> None:
    monkeypatch.setattr(following, "UNBELIEVED_MAX", 3)
    device.advance(1)
    world.spoil = without_proof
    for number in range(5):
        world.artifact(StatusValue.SUSPENDED, f"artifacts/{number:064x}")
    device.advance(1)
    assert len(feed(device, Feed.GLOBAL).unbelieved) == 3
    assert "PROOF_MISSING" in reason(device)


def test_an_event_that_is_played_again_takes_no_memory(world, device) -> None:
    device.advance(1)
    world.withdraw()
    device.advance(0)
    ((_, told),) = world.events.feeds.feed(f"devices/{NAME}").newest.values()
    again = events_pb2.WatchEventsResponse(feed=events_pb2.FEED_DEVICE, event=told.wire)
    world.spoil = lambda frames: [again] * 50
    device.advance(30)
    assert len(feed(device).urgent) <= 1


def test_a_minimum_version_outlives_a_transfer_that_leaves_it_out(world, device) -> None:
    world.events.tell(types.ARTIFACT_SUPERSEDED, MODEL, StatusValue.VALID, own={"min_version": 5})
    device.advance(40)
    backup = world.events.backup()
    world.events.replace_history(type(backup)({}, {}, {}))
    device.advance(100)
    assert is_valid(device)
    assert [type(change).__name__ for change in device.told] == ["Superseded"]
    entry = device.core.held.get(f"{world.state.parent}/{MODEL}")
    assert entry.own["min_version"] == 5


def test_a_transfer_that_fails_at_its_end_leaves_nothing_behind_in_the_store(world, tmp_path, artifact) -> None:
    """A lease that it left out is gone from memory: a restart must not find it in the file."""
    store = SqliteStore(tmp_path / "watch.db")
    device = WatchedDevice(world, store=store)
    world.lease()
    device.advance(40)
    newest = world.events.feeds.feed(f"devices/{NAME}").newest
    (subject,) = newest

    def spoiled(frames):
        made = []
        for frame in frames:
            if frame.HasField("event"):
                frame.event.ClearField("log")
                if EventSet.parse(frame.event.set).subject == subject:
                    continue
            if frame.HasField("bookmark"):
                frame.bookmark.state_digest = digest_of({}) if frame.feed == events_pb2.FEED_GLOBAL else bytes(32)
            made.append(frame)
        return made

    world.lease("two")
    world.spoil = spoiled
    feed(device).must_begin = True
    break_streams(world)
    device.advance(10)
    assert not device.decision(artifact).is_allowed
    mirror = feed(device).state.mirror
    del newest[subject]  # the service has forgotten it, too
    world.spoil = honest
    device.advance(100)
    assert subject not in mirror
    assert subject not in store.load(world.state.parent).states[Feed.DEVICE].mirror
    store.close()


def lagging(device, milliseconds: int = 50) -> timedelta:
    """What the device's time is behind the service's from now on, as after a heartbeat that was long on its way."""
    device.booted_at += timedelta(milliseconds=milliseconds)
    return proven(device) - device.world.now


def proven(device) -> datetime:
    return device.core.held.clock.trusted.at(device.clock.read()).proven


def test_a_lease_has_begun_when_it_is_told(world, device, artifact) -> None:
    """What signs the time of a heartbeat signs the time of an event."""
    device.advance(31)
    assert lagging(device) < timedelta(0)
    world.lease()
    decided = []
    device.on_change = lambda change: decided.append(device.decision(artifact).decision)
    device.advance(0.01)
    assert [type(each) for each in decided] == [Allowed]


@pytest.mark.parametrize("spoiled", ["signature", "proof", "time"])
def test_the_time_of_an_event_that_nobody_signed_moves_nothing(world, device, spoiled) -> None:
    device.advance(31)
    assert lagging(device, 500) < timedelta(0)

    def spoil(frames):
        for frame in frames:
            if frame.HasField("event"):
                if spoiled == "signature":
                    frame.event.signature.signature = bytes(len(frame.event.signature.signature))
                elif spoiled == "time":
                    year = str(world.now.year).encode()
                    frame.event.set = frame.event.set.replace(b'"event_time":"' + year, b'"event_time":"2093')
                else:
                    frame.event.ClearField("log")
        return [frame for frame in frames if not frame.HasField("heartbeat")]

    world.spoil = spoil
    told = world.lease if spoiled == "proof" else world.withdraw
    told()
    before = device.core.held.clock.trusted
    device.advance(0.01)
    assert feed(device).unbelieved or not is_valid(device)
    assert device.core.held.clock.trusted == before
    assert proven(device) < world.now


def test_an_old_event_moves_nothing(world, device) -> None:
    world.withdraw()
    device.advance(31)
    before, state = device.core.held.clock.trusted, feed(device).state
    held = next(iter(world.events.feeds.feed(f"devices/{NAME}").newest.values()))[1]
    again = events_pb2.WatchEventsResponse(feed=events_pb2.FEED_DEVICE, event=held.wire)
    state.mirror.clear()  # as if it were news
    world.spoil = lambda frames: [again for frame in frames if frame.HasField("event")]
    world.lease()
    device.advance(0.01)
    assert [entry.jti for entry in state.mirror.values()] == [held.read.jti], "it is believed"
    assert device.core.held.clock.trusted == before


def test_a_signed_time_that_is_far_ahead_only_takes_away(world, device, artifact) -> None:
    """The service's clock went wrong: what ends by time ends, and nothing lasts longer for it."""
    world.lease(on_expiry="suspend")
    device.advance(1)
    world.now += timedelta(days=3650)
    device.booted_at += timedelta(days=3650)
    device.advance(60)
    world.now -= timedelta(days=3650)
    device.booted_at -= timedelta(days=3650)
    world.spoil = only_heartbeats
    world.withdraw()
    device.start()
    device.advance(600)
    assert device.decision(artifact).decision == Suspended(Why.EXPIRED)
    assert not is_valid(device)


def test_a_crash_forgets_no_history_that_was_signed(world, tmp_path) -> None:
    device = WatchedDevice(world, store=SqliteStore(tmp_path / "watch.db"))
    device.advance(40)
    world.events.replace_history()
    device.advance(60)
    device.crash()
    assert device.core.held.clock.signed[Feed.DEVICE] == (world.events.feeds.epoch, 0)
    device.store.close()


def test_a_proxy_that_holds_events_back_is_gone_round(world, device, artifact) -> None:
    """The heartbeats say that there is more, so another way is tried: here, files."""
    world.lease()
    device.advance(40)
    world.spoil = only_heartbeats
    world.artifact(StatusValue.INVALID)
    world.files.publish()
    device.advance(1200)
    assert device.decision(artifact).decision == Suspended(Why.WITHDRAWN)
