import asyncio

import pytest
import sqlalchemy as sa

from kms.core.errors import Unavailable
from kms.log.entries import search_store
from kms.log.entries.indexer import BATCH_ENTRIES, Indexer
from kms.log.entries.search_store import Filter
from support.log_entries import EVENT, EntriesWorld
from support.log_world import LogWorld


@pytest.fixture
def entries(world: LogWorld) -> EntriesWorld:
    return EntriesWorld(world)


async def _rows(world: LogWorld) -> list[tuple[int, str, str, str]]:
    query = "SELECT idx, tenant, subject, event_type FROM tlog_search ORDER BY idx"
    return [tuple(row) for row in await world.read(lambda tx: tx.execute(sa.text(query)).all())]


async def test_published_entries_are_indexed_and_no_others(world: LogWorld, entries: EntriesWorld) -> None:
    await entries.append("a/1")
    await entries.append("b/1", tenant="other")
    await entries.append("c/1", publish=False)
    assert await entries.indexer().catch_up() == 2
    assert await _rows(world) == [(0, "default", "a/1", EVENT), (1, "other", "b/1", EVENT)]


async def test_it_goes_on_where_the_rows_end(world: LogWorld, entries: EntriesWorld) -> None:
    indexer = entries.indexer()
    for size in (3, BATCH_ENTRIES + 7, 1):
        await world.act(size)
        await world.log.step()
        assert await indexer.catch_up() == len(world.recorded)
    assert [row[0] for row in await _rows(world)] == list(range(len(world.recorded)))


async def test_two_replicas_make_the_same_rows_once(world: LogWorld, entries: EntriesWorld) -> None:
    await world.act(2 * BATCH_ENTRIES)
    await world.log.step()
    sizes = await asyncio.gather(*(entries.indexer().catch_up() for _ in range(3)))
    assert sizes == [2 * BATCH_ENTRIES] * 3
    assert len(await _rows(world)) == 2 * BATCH_ENTRIES


async def test_rows_that_were_deleted_are_made_anew(world: LogWorld, entries: EntriesWorld) -> None:
    await world.act(700)
    await world.log.step()
    await entries.indexer().catch_up()
    before = await _rows(world)
    for size in (0, 650):
        await world.database.write(lambda tx, size=size: search_store.remove_from(tx, size))
        assert await entries.indexer().catch_up() == 700
        assert await _rows(world) == before


async def test_rows_of_a_log_that_was_there_before_go(world: LogWorld, entries: EntriesWorld) -> None:
    """A successor of a closed log counts from 0 again."""
    for number in range(3):
        await entries.append(f"new/{number}")
    stale = [search_store.SearchRow(index, "default", "old", EVENT, world.clock.now()) for index in range(9)]
    await world.database.write(lambda tx: search_store.insert_rows(tx, stale))
    assert await entries.indexer().catch_up() == 3
    assert [row[2] for row in await _rows(world)] == ["new/0", "new/1", "new/2"]


async def test_an_entry_of_another_making_is_counted_and_not_found(world: LogWorld, entries: EntriesWorld) -> None:
    from kms.log.model import promise_of

    await world.database.write(lambda tx: world.log.record_promised(tx, [promise_of("odd", b"no json")]))
    await world.log.step()
    await entries.append("a/1")
    assert await entries.indexer().catch_up() == 2
    found = await world.read(lambda tx: search_store.find(tx, Filter(tenant="default"), None, 10))
    assert [place.index for place in found.places] == [1]


async def test_before_there_is_a_checkpoint_nothing_is_done(world: LogWorld, entries: EntriesWorld) -> None:
    with pytest.raises(Unavailable):
        await entries.indexer().catch_up()


async def test_it_runs_behind_the_publication(world: LogWorld, entries: EntriesWorld) -> None:
    task = asyncio.create_task(Indexer(world.database, world.log).run())
    try:
        for size in (1, 2):
            await entries.append("a/1")
            async with asyncio.timeout(10):
                while len(await _rows(world)) < size:  # noqa: ASYNC110 - nothing tells of a row
                    await asyncio.sleep(0.02)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
