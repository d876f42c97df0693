import asyncio
import contextlib
from typing import Any

import pytest

from hallmark.v1 import events_pb2
from hallmark_events.state import FeedState
from kms.core.errors import PermissionDenied, Reason, Unavailable
from kms.events import global_feed, streams, subscriber
from kms.events.model import GLOBAL, Priority, Status, device_feed
from support.log_world import LogWorld
from unit.kms.events.bench import REVOKED, Replica, device_named, fold, replica_of, start, told

DEVICE = events_pb2.FEED_DEVICE
MINE = device_named(1)


async def test_an_empty_feed_is_told_in_full(replica: Replica) -> None:
    async with replica.watching() as frames:
        intent, bookmark = await frames.take(2)
    assert told([intent, bookmark]) == ["FULL CURSOR_MISSING", "bookmark"]
    assert len(intent.intent.epoch) == 16
    assert bookmark.bookmark.sequence == 0


async def test_old_events_then_a_bookmark_then_live_ones(replica: Replica) -> None:
    await replica.act("keys/a")
    await replica.act("keys/b")
    async with replica.watching() as frames:
        assert told(await frames.take(4)) == ["FULL CURSOR_MISSING", "a", "b", "bookmark"]
        waiting = asyncio.create_task(frames.take(2))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        await replica.act("keys/c")
        live = await waiting
    assert told(live) == ["c", "bookmark"]
    assert live[1].bookmark.sequence == 3
    assert live[1].feed == events_pb2.FEED_GLOBAL


async def test_only_the_newest_event_of_a_subject_is_told_again(replica: Replica) -> None:
    for status in (Status.SUSPENDED, Status.VALID, Status.SUSPENDED):
        await replica.act("artifacts/a", status)
    await replica.act("keys/b")
    async with replica.watching() as frames:
        sent = await frames.take(4)
    assert told(sent) == ["FULL CURSOR_MISSING", "a", "b", "bookmark"]
    state = FeedState()
    fold(state, sent)
    assert state.sequence == 4


async def test_a_bookmark_resumes_with_what_changed_since(replica: Replica) -> None:
    await replica.act("keys/a")
    async with replica.watching() as frames:
        cursor = (await frames.until_bookmark())[-1].cursor
    async with replica.watching(start(cursor=cursor)) as frames:
        assert told(await frames.take(2)) == ["NONE", "bookmark"]
    await replica.act("keys/b")
    await replica.parts.hub.follow()
    async with replica.watching(start(cursor=cursor)) as frames:
        assert told(await frames.take(3)) == ["CHANGES", "b", "bookmark"]


async def test_a_cursor_of_a_process_that_is_gone_resumes_too(world: LogWorld) -> None:
    async with replica_of(world) as before:
        await before.act("keys/a")
        async with before.watching() as frames:
            cursor = (await frames.until_bookmark())[-1].cursor
        await before.act("keys/b")
    async with replica_of(world, seed=2) as after, after.watching(start(cursor=cursor)) as frames:
        assert told(await frames.take(3)) == ["CHANGES", "b", "bookmark"]


async def test_everybody_gets_the_same_bytes(replica: Replica) -> None:
    async with contextlib.AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(replica.watching()) for _ in range(20)]
        for frames in streams:
            await frames.take(2)
        waiting = [asyncio.create_task(frames.raw()) for frames in streams]
        await asyncio.sleep(0.02)
        await replica.act("keys/a")
        sent = await asyncio.gather(*waiting)
    assert len({id(frame) for frame in sent}) == 1, "encoded once"


async def test_an_event_of_another_replica_arrives(world: LogWorld) -> None:
    async with replica_of(world) as here, replica_of(world, seed=2) as there, here.watching() as frames:
        await frames.take(2)
        await there.act("keys/a")
        assert told(await frames.take(2)) == ["a", "bookmark"]


async def test_a_slow_reader_reads_the_state_when_the_ring_went_past_it(
    replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(global_feed, "RING_EVENTS", 2)
    async with replica.watching() as slow, replica.watching() as other:
        await slow.take(2)
        await other.take(2)
        for number in range(5):
            await replica.act("artifacts/a", Status.SUSPENDED if number % 2 else Status.VALID)
            await replica.parts.hub.follow()
        await replica.act("keys/b")
        await replica.parts.hub.follow()
        assert told(await slow.take(4)) == ["CHANGES OVERRUN", "a", "b", "bookmark"]


async def test_a_full_transfer_of_many_pages(replica: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriber, "PAGE_EVENTS", 2)
    for name in "abcde":
        await replica.act(f"keys/{name}")
    state = FeedState()
    async with replica.watching() as frames:
        sent = await frames.until_bookmark()
    assert told(sent) == ["FULL CURSOR_MISSING", "a", "b", "c", "d", "e", "bookmark"]
    fold(state, sent)
    async with replica.watching(start(cursor=sent[2].cursor)) as frames:
        assert told(await frames.take(1)) == ["FULL CURSOR_INVALID"], "nothing counts before the bookmark"


@pytest.mark.parametrize("cursor", ["x", "A" * 88, "é", "A" * 10_000])
async def test_a_cursor_that_is_not_ours_leads_to_a_full_transfer(replica: Replica, cursor: str) -> None:
    async with replica.watching(start(cursor=cursor)) as frames:
        assert told(await frames.take(2)) == ["FULL CURSOR_INVALID", "bookmark"]


async def test_a_state_that_differs_at_the_same_place_leads_to_a_full_transfer(replica: Replica) -> None:
    await replica.act("keys/a")
    async with replica.watching() as frames:
        bookmark = (await frames.until_bookmark())[-1]
    digest = bookmark.bookmark.state_digest
    async with replica.watching(start(cursor=bookmark.cursor, digest=digest)) as frames:
        assert told(await frames.take(2)) == ["NONE", "bookmark"]
    async with replica.watching(start(cursor=bookmark.cursor, digest=bytes(32))) as frames:
        assert told(await frames.take(3)) == ["FULL STATE_DIFFERS", "a", "bookmark"]


async def test_the_feed_of_a_device_is_its_own(replica: Replica) -> None:
    feed, other = device_feed(MINE), device_feed(device_named(2))
    async with replica.watching(start(DEVICE), device=MINE) as frames:
        assert told(await frames.take(2)) == ["FULL CURSOR_MISSING", "bookmark"]
        await replica.act("leases/hers", feeds=[other])
        await replica.act("leases/mine", feeds=[feed])
        sent = await frames.take(2)
    assert told(sent) == ["mine", "bookmark"]
    assert sent[1].bookmark.sequence == 1, "and it counts nothing of others"
    assert sent[1].feed == DEVICE


async def test_urgent_events_come_first_and_the_cursor_goes_on_behind_all(replica: Replica) -> None:
    feed = device_feed(MINE)
    await replica.act("leases/one", Status.VALID, feeds=[feed], priority=Priority.LEASE)
    await replica.act("removals/two", feeds=[feed], priority=Priority.INFORMATION)
    await replica.act("consents/three", feeds=[feed])
    async with replica.watching(start(DEVICE), device=MINE) as frames:
        sent = await frames.until_bookmark()
    assert told(sent) == ["FULL CURSOR_MISSING", "three", "one", "two", "bookmark"]
    fold(FeedState(), sent)
    async with replica.watching(start(DEVICE, sent[-1].cursor), device=MINE) as frames:
        assert told(await frames.take(2)) == ["NONE", "bookmark"]


async def test_a_revoked_device_is_told_and_shut_out(replica: Replica) -> None:
    async with replica.watching(start(), start(DEVICE), device=MINE) as frames:
        await frames.take(4)
        await replica.act(f"devices/{MINE.id}", feeds=[device_feed(MINE)], uri=REVOKED)
        assert told(await frames.take(3)) == [MINE.id, "bookmark", "goodbye revoked"]
        with pytest.raises(PermissionDenied) as refused:
            await frames.take(1)
    assert refused.value.reason is Reason.DEVICE_REVOKED


async def test_goodbye_when_the_server_drains(replica: Replica) -> None:
    async with replica.watching() as frames:
        await frames.take(2)
        waiting = asyncio.create_task(frames.take(1))
        await asyncio.sleep(0.02)
        replica.parts.hub.drain()
        (frame,) = await waiting
        assert told([frame]) == ["goodbye draining"]
        assert frame.goodbye.retry_after_min.ToTimedelta() < frame.goodbye.retry_after_max.ToTimedelta()
        with pytest.raises(StopAsyncIteration):
            await frames.take(1)


async def test_a_stream_that_left_leaves_nothing_behind(replica: Replica) -> None:
    hub = replica.parts.hub
    async with replica.watching(start(), start(DEVICE), device=MINE) as frames:
        await frames.take(4)
        assert hub.subscribers == 1
    assert hub.subscribers == 0
    replica.world.clock.advance(1)
    hub._forget_idle()
    replica.world.clock.advance(61)
    hub._forget_idle()
    assert not hub._followed
    assert not any(replica.parts.beats.wheel._slots.values())


async def test_tenants_are_apart(replica: Replica) -> None:
    await replica.act("keys/theirs", tenant="other")
    async with replica.watching() as frames:
        assert told(await frames.take(2)) == ["FULL CURSOR_MISSING", "bookmark"]
    async with replica.watching(tenant="other") as frames:
        cursor = (await frames.until_bookmark())[-1].cursor
    async with replica.watching(start(cursor=cursor)) as frames:
        assert told(await frames.take(1)) == ["FULL CURSOR_INVALID"]


async def test_a_device_cursor_is_no_global_one(replica: Replica) -> None:
    async with replica.watching(start(DEVICE), device=MINE) as frames:
        cursor = (await frames.until_bookmark())[-1].cursor
    async with replica.watching(start(cursor=cursor)) as frames:
        assert told(await frames.take(1)) == ["FULL CURSOR_INVALID"]
    async with replica.watching(start(DEVICE, cursor), device=device_named(2)) as frames:
        assert told(await frames.take(1)) == ["FULL CURSOR_INVALID"]


async def test_an_act_of_both_feeds_is_told_in_both(replica: Replica) -> None:
    async with replica.watching(start(), start(DEVICE), device=MINE) as frames:
        await frames.take(4)
        await replica.act("keys/a", feeds=[GLOBAL, device_feed(MINE)])
        assert sorted(told(await frames.take(4))) == ["a", "a", "bookmark", "bookmark"]


async def test_a_stream_outlives_a_database_that_is_away(replica: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "PAUSE_SECONDS", 0.01)
    real, away = replica.database.read, [False]

    async def read(work: Any) -> Any:
        if away[0]:
            raise Unavailable(Reason.DATABASE_UNAVAILABLE, "the database is away", retry_after_seconds=1)
        return await real(work)

    monkeypatch.setattr(replica.database, "read", read)
    async with replica.watching(start(), start(DEVICE), device=MINE) as frames:
        await frames.take(4)
        waiting = asyncio.create_task(frames.take(2))
        await replica.act("leases/a", feeds=[device_feed(MINE)], notifies=False)
        away[0] = True
        (subscriber_,) = replica.parts.hub._followed["default"].everybody
        subscriber_.grow()
        await asyncio.sleep(0.1)
        assert not waiting.done()
        away[0] = False
        assert told(await waiting) == ["a", "bookmark"]
    away[0] = True
    with pytest.raises(Unavailable):
        async with replica.watching(start(DEVICE), device=MINE) as frames:
            await frames.take(1)
