import asyncio

import pytest

from hallmark.v1 import events_pb2
from hallmark_events.state import FeedState
from kms.core.errors import PermissionDenied
from kms.events import poll
from kms.events.model import GLOBAL, Status, device_feed
from unit.kms.events.bench import Replica, device_named, fold, start, told

DEVICE = events_pb2.FEED_DEVICE
MINE = device_named(1)


async def test_everything_at_first_then_what_changed(replica: Replica) -> None:
    await replica.act("keys/a")
    answer = await replica.poll()
    assert told(answer.sets) == ["FULL CURSOR_MISSING", "a", "bookmark", "heartbeat"]
    assert not answer.more_available
    cursor = answer.sets[2].cursor
    assert told((await replica.poll(start(cursor=cursor))).sets) == ["NONE", "bookmark", "heartbeat"]
    await replica.act("keys/b")
    assert told((await replica.poll(start(cursor=cursor))).sets) == ["CHANGES", "b", "bookmark", "heartbeat"]


async def test_a_full_transfer_in_pages_that_others_write_between(replica: Replica) -> None:
    for name in "abcde":
        await replica.act(f"artifacts/{name}", Status.SUSPENDED)
    state, cursor, pages = FeedState(), "", []
    for _ in range(10):
        answer = await replica.poll(start(cursor=cursor), max_events=2)
        frames = [frame for frame in answer.sets if frame.WhichOneof("frame") != "heartbeat"]
        fold(state, frames)
        pages.append(told(answer.sets))
        cursor = frames[-1].cursor
        if not answer.more_available:
            break
        await replica.act("artifacts/a", Status.VALID if len(pages) == 1 else Status.SUSPENDED)
    assert pages[0] == ["FULL CURSOR_MISSING", "a", "b"]
    assert pages[1] == ["c", "d"], "it goes on with what was begun"
    assert pages[-1][-2:] == ["bookmark", "heartbeat"]
    final = await replica.poll(start(cursor=cursor, digest=state.digest()))
    assert told(final.sets) == ["NONE", "bookmark", "heartbeat"]


async def test_all_feeds_together_have_at_most_so_many_events(replica: Replica) -> None:
    for name in "abc":
        await replica.act(f"leases/{name}", feeds=[device_feed(MINE), GLOBAL])
    answer = await replica.poll(start(), start(DEVICE), device=MINE, max_events=2)
    assert [frame.feed for frame in answer.sets] == [DEVICE] * 3
    assert answer.more_available
    answer = await replica.poll(start(), start(DEVICE), device=MINE, max_events=5)
    assert sum(frame.HasField("event") for frame in answer.sets) == 5
    assert answer.more_available


async def test_it_waits_for_an_event(replica: Replica) -> None:
    cursor = (await replica.poll()).sets[1].cursor
    waiting = asyncio.create_task(replica.poll(start(cursor=cursor), return_immediately=False))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await replica.act("keys/a")
    assert told((await asyncio.wait_for(waiting, 5)).sets) == ["CHANGES", "a", "bookmark", "heartbeat"]
    assert replica.parts.hub.subscribers == 0


async def test_it_does_not_wait_for_ever(replica: Replica) -> None:
    object.__setattr__(replica.parts.servicer.polls, "wait_seconds", 0.05)
    cursor = (await replica.poll()).sets[1].cursor
    answer = await replica.poll(start(cursor=cursor), return_immediately=False)
    assert told(answer.sets) == ["NONE", "bookmark", "heartbeat"]
    assert poll.WAIT_SECONDS == 20


async def test_it_waits_not_at_all_with_something_to_tell(replica: Replica) -> None:
    await replica.act("keys/a")
    async with asyncio.timeout(5):
        assert told((await replica.poll(return_immediately=False)).sets)[1] == "a"


async def test_a_stream_goes_on_where_a_poll_ended_and_back(replica: Replica) -> None:
    await replica.act("keys/a")
    cursor = (await replica.poll()).sets[2].cursor
    async with replica.watching(start(cursor=cursor)) as frames:
        intent, bookmark = await frames.take(2)
        assert told([intent]) == ["NONE"]
    assert told((await replica.poll(start(cursor=bookmark.cursor))).sets)[0] == "NONE"


async def test_acknowledgements_come_with_the_question_of_devices_only(replica: Replica) -> None:
    made = await replica.act("leases/a", feeds=[device_feed(MINE)])
    await replica.poll(start(DEVICE), device=MINE, ack=[made.id])
    with pytest.raises(PermissionDenied):
        await replica.poll(ack=[made.id])
