import asyncio
import logging
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hallmark.v1 import events_pb2
from hallmark_composite import CompositePublicKey
from hallmark_events.batch import BatchPath
from hallmark_events.errors import Stale
from hallmark_events.heartbeat import HeartbeatEvidence, VerifiedHeartbeat, verify_heartbeat
from hallmark_events.trust import Signature
from hsm.errors import TokenUnavailable
from hsm.testing import Operation
from kms.core.names import KeyName
from kms.events.heartbeats import LEAVES, HeartbeatFrames, Proof
from kms.events.model import SIGNING_KEY_ID, device_feed
from kms.keys import store as key_store
from kms.keys.model import ServiceSignature
from kms.keys.wire import service_signature_to_wire
from unit.kms.events.bench import Frames, Replica, Response, device_named, start, told

NONCE = b"n" * 16
DEVICE = events_pb2.FEED_DEVICE
MINE = device_named(1)


async def _keys(replica: Replica) -> dict[str, CompositePublicKey]:
    name = KeyName("system", SIGNING_KEY_ID)
    key = await replica.database.read(lambda tx: key_store.find_key(tx, name))
    assert key is not None
    return {str(version.name): version.public_key for version in key.versions}


def _evidence(beat: Response.Heartbeat) -> HeartbeatEvidence:
    signature = Signature(key_version=beat.signature.key_version, signature=beat.signature.signature)
    path = BatchPath(beat.path.leaf_index, beat.path.tree_size, tuple(beat.path.path))
    return HeartbeatEvidence(payload=beat.payload, signature=signature, leaf=beat.leaf, path=path)


async def _verified(replica: Replica, beat: Response.Heartbeat, nonce: bytes = NONCE) -> VerifiedHeartbeat:
    return verify_heartbeat(_evidence(beat), await _keys(replica), nonce=nonce, parent="tenants/default")


async def _beat(replica: Replica, *streams: Frames, seconds: float = 37) -> list[Response]:
    """The next frame of each."""
    waiting = [asyncio.create_task(frames.take(1)) for frames in streams]
    await asyncio.sleep(0.02)
    replica.world.clock.advance(seconds)
    await replica.parts.beats.beat()
    return [frame for (frame,) in await asyncio.gather(*waiting)]


async def test_without_a_nonce_it_proves_nothing(replica: Replica) -> None:
    async with replica.watching() as frames:
        await frames.take(2)
        (frame,) = await _beat(replica, frames)
    assert frame.heartbeat.server_time.ToDatetime().isoformat() == "2026-11-21T12:00:37"
    assert 24 <= frame.heartbeat.next_in.ToTimedelta().total_seconds() <= 36
    assert not frame.heartbeat.payload
    assert not frame.heartbeat.HasField("signature")


async def test_it_is_signed_over_the_nonce_and_says_what_the_server_holds(replica: Replica) -> None:
    await replica.act("leases/mine", feeds=[device_feed(MINE)])
    async with replica.watching(start(), start(DEVICE), device=MINE, nonce=NONCE) as frames:
        opened = await frames.take(5)
        (frame,) = await _beat(replica, frames)
    fact = await _verified(replica, frame.heartbeat)
    ends = {each.feed: each.bookmark for each in opened if each.HasField("bookmark")}
    for name, feed in (("global", events_pb2.FEED_GLOBAL), ("device", DEVICE)):
        head = fact.feeds[name]
        assert (head.sequence, head.state_digest) == (ends[feed].sequence, ends[feed].state_digest)
    assert fact.feeds["device"].sequence == 1
    with pytest.raises(Stale):
        await _verified(replica, frame.heartbeat, b"another nonce....")


async def test_one_signature_for_many_and_none_learns_how_many(replica: Replica) -> None:
    async with replica.watching(nonce=NONCE) as one, replica.watching(nonce=b"o" * 64) as two:
        await one.take(2)
        await two.take(2)
        first, second = await _beat(replica, one, two)
    assert first.heartbeat.signature == second.heartbeat.signature
    assert first.heartbeat.payload == second.heartbeat.payload
    assert first.heartbeat.path.tree_size == LEAVES
    assert first.heartbeat.leaf != second.heartbeat.leaf
    await _verified(replica, first.heartbeat)
    await _verified(replica, second.heartbeat, b"o" * 64)


async def test_an_event_that_was_committed_before_is_told_before(replica: Replica) -> None:
    """Also one of another replica: a heartbeat vouches for all that was committed before its time."""
    replica.parts.hub.tick_seconds = 60
    async with replica.watching(nonce=NONCE) as frames:
        await frames.take(2)
        waiting = asyncio.create_task(frames.take(3))
        await asyncio.sleep(0.02)
        await replica.act("keys/a", notifies=False)
        replica.world.clock.advance(37)
        await replica.parts.beats.beat()
        sent = await waiting
    assert told(sent) == ["a", "bookmark", "heartbeat"]
    assert (await _verified(replica, sent[2].heartbeat)).feeds["global"].sequence == 1


async def test_a_lost_token_leaves_the_stream_and_leaves_the_heartbeat_out(
    replica: Replica, caplog: pytest.LogCaptureFixture
) -> None:
    async with replica.watching(nonce=NONCE) as frames:
        await frames.take(2)
        waiting = asyncio.create_task(frames.take(2))
        await asyncio.sleep(0.02)
        for _ in range(2):
            replica.world.provider.fail_next(Operation.SIGN, TokenUnavailable("the token is gone"))
            replica.world.clock.advance(37)
            with caplog.at_level(logging.WARNING):
                await replica.parts.beats.beat()
        assert caplog.text.count("heartbeats can not be signed") == 1
        await replica.act("keys/a")
        assert told(await waiting) == ["a", "bookmark"]
        (frame,) = await _beat(replica, frames)
    await _verified(replica, frame.heartbeat)


async def test_intervals_vary_by_a_fifth(replica: Replica) -> None:
    wheel = replica.parts.beats.wheel
    async with replica.watching(heartbeat_interval={"seconds": 100}) as frames:
        await frames.take(2)
        (subscriber,) = {each for slot in wheel._slots.values() for each in slot}
        told_seconds = [wheel.put(subscriber, 0).total_seconds() for _ in range(50)]
        for slot in list(wheel._slots):
            wheel._slots[slot].discard(subscriber)
    assert all(80 <= seconds <= 120 for seconds in told_seconds)
    assert len(set(told_seconds)) > 40


@given(
    proof=st.none()
    | st.builds(
        Proof,
        st.binary(max_size=4096),
        st.builds(
            ServiceSignature,
            key_version=st.text(max_size=100),
            signature=st.binary(max_size=20_000),
            context=st.text(max_size=60),
            sign_time=st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)),
        ),
        st.binary(max_size=300),
        st.builds(
            BatchPath, st.integers(0, 255), st.just(LEAVES), st.tuples(*[st.binary(min_size=32, max_size=32)] * 8)
        ),
        st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)),
    ),
    next_in=st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=1)),
)
def test_frames_that_share_bytes_say_what_protobuf_says(proof: Proof | None, next_in: timedelta) -> None:
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    frames = HeartbeatFrames(now)
    beat = Response.Heartbeat(server_time=now, next_in=next_in)
    if proof is not None:
        beat.payload, beat.leaf = proof.payload, proof.leaf
        beat.server_time.FromDatetime(proof.server_time)  # of the replica that signed it
        beat.signature.CopyFrom(service_signature_to_wire(proof.signature))
        beat.path.leaf_index, beat.path.tree_size = proof.path.leaf_index, proof.path.tree_size
        beat.path.path.extend(proof.path.path)
    for _ in range(2):
        frame = frames.frame(next_in, proof)
        assert Response.FromString(frame) == Response(heartbeat=beat)
        assert len(frame) == Response(heartbeat=beat).ByteSize(), "and nothing twice"
