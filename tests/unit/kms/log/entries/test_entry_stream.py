import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from hallmark_tlog.verify import open_checkpoint
from kms.core.errors import OutOfRange, Reason
from kms.log.entries import entry_stream
from kms.log.entries.entry_stream import EntriesFrame
from support.log_entries import EntriesWorld
from support.log_world import ORIGIN, LogWorld


@pytest.fixture
def entries(world: LogWorld) -> EntriesWorld:
    return EntriesWorld(world)


async def _all(frames: AsyncIterator[EntriesFrame]) -> list[EntriesFrame]:
    return [frame async for frame in frames]


async def test_everything_that_is_published_comes_in_order(world: LogWorld, entries: EntriesWorld) -> None:
    await world.act(600)
    await world.log.step()
    await world.act(3)
    frames = await _all(entries.services().stream.read(0, follow=False))
    assert [len(frame.entries) for frame in frames] == [256, 256, 88]
    assert [entry.index for frame in frames for entry in frame.entries] == list(range(600))
    assert [frame.checkpoint is not None for frame in frames] == [True, False, False]
    assert frames[0].checkpoint is not None
    note = frames[0].checkpoint.note
    assert open_checkpoint(note, world.log.verifier_keys(), origin=ORIGIN).checkpoint.size == 600


@pytest.mark.parametrize(("start", "count"), [(0, 5), (3, 2), (5, 0)])
async def test_from_any_index(world: LogWorld, entries: EntriesWorld, start: int, count: int) -> None:
    await world.act(5)
    await world.log.step()
    (frame,) = await _all(entries.services().stream.read(start, follow=False))
    assert (len(frame.entries), frame.checkpoint is not None) == (count, True)


async def test_who_has_seen_more_than_there_is_hears_it(world: LogWorld, entries: EntriesWorld) -> None:
    await world.act(5)
    await world.log.step()
    for follow in (False, True):
        with pytest.raises(OutOfRange) as refused:
            await _all(entries.services().stream.read(6, follow=follow))
        assert refused.value.reason is Reason.TREE_SIZE_UNKNOWN


async def test_messages_are_bounded_in_bytes(
    world: LogWorld, entries: EntriesWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.act(10)
    await world.log.step()
    monkeypatch.setattr(entry_stream, "BYTES_MAX", 3 * 200)
    frames = await _all(entries.services().stream.read(0, follow=False))
    assert max(len(frame.entries) for frame in frames) <= 3
    assert [entry.index for frame in frames for entry in frame.entries] == list(range(10))


async def test_following_hears_at_once_what_is_published(
    world: LogWorld, entries: EntriesWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entry_stream, "_POLL_SECONDS", 60)
    await entries.append()
    async with contextlib.aclosing(entries.services().stream.read(0, follow=True)) as frames:
        assert len((await anext(frames)).entries) == 1
        waiting = asyncio.ensure_future(anext(frames))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        await entries.append(publish=False)
        await asyncio.sleep(0.01)
        assert not waiting.done(), "it is not published"
        await world.log.step()
        frame = await asyncio.wait_for(waiting, 10)
        assert ([entry.index for entry in frame.entries], frame.checkpoint is not None) == ([1], True)


async def test_following_hears_of_a_fresh_checkpoint_without_entries(world: LogWorld, entries: EntriesWorld) -> None:
    await entries.append()
    async with contextlib.aclosing(entries.services().stream.read(1, follow=True)) as frames:
        await anext(frames)
        world.clock.advance(world.settings.refresh_seconds + 1)
        await world.log.step()
        frame = await asyncio.wait_for(anext(frames), 10)
        assert (frame.entries, frame.checkpoint is not None) == ((), True)


async def test_streams_end_when_the_server_drains(entries: EntriesWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry_stream, "_POLL_SECONDS", 0.01)
    await entries.append()
    frames = entries.services().stream.read(0, follow=True)
    await anext(frames)
    entries.draining.set()
    with pytest.raises(StopAsyncIteration):
        await asyncio.wait_for(anext(frames), 10)
