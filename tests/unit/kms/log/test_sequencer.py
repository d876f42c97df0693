import asyncio
import dataclasses
import time
import uuid

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hallmark_tlog.merkle import leaf_hash, root_from_leaves
from kms.core.database import Database
from kms.core.errors import Aborted
from kms.core.wakeup import Wakeup
from kms.log import sequencer, store
from kms.log.errors import LogDamaged
from kms.log.model import TreeHead
from kms.log.sequencer import Sequencer
from support.log_world import LogWorld


async def check_tree(world: LogWorld) -> None:
    """Every recorded entry once, in order, dense; the state says so."""
    stored = await world.stored()
    assert [entry.index for entry in stored] == list(range(len(world.recorded)))
    assert [entry.data for entry in stored] == [promise.entry for promise in world.recorded]
    leaves = [entry.leaf_hash for entry in stored]
    assert leaves == [leaf_hash(entry.data) for entry in stored]
    assert await world.read(store.read_head) == TreeHead(len(leaves), root_from_leaves(leaves))


async def test_entries_get_dense_indices_in_the_order_of_the_queue(world: LogWorld) -> None:
    for count in (1, 5, 300):
        await world.act(count)
        await world.database.write(lambda tx: sequencer.sequence(tx, 1024))
        await check_tree(world)


async def test_an_empty_queue_changes_nothing(world: LogWorld) -> None:
    await world.act(3)
    head, moved = await world.database.write(lambda tx: sequencer.sequence(tx, 1024))
    assert (head.size, moved) == (3, 3)
    assert await world.database.write(lambda tx: sequencer.sequence(tx, 1024)) == (head, 0)


async def test_a_batch_is_bounded(world: LogWorld) -> None:
    await world.act(25)
    sizes = [(await world.database.write(lambda tx: sequencer.sequence(tx, 10))) for _ in range(3)]
    assert [(head.size, moved) for head, moved in sizes] == [(10, 10), (20, 10), (25, 5)]
    await check_tree(world)


async def test_whoever_lost_the_race_stores_nothing(world: LogWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.act(3)

    def another_was_faster(tx: Connection, old: TreeHead, new: TreeHead) -> bool:
        tx.execute(sa.text("UPDATE tlog_state SET size = 99"))  # what a second sequencer would have done
        return real_advance(tx, old, new)

    real_advance = store.advance
    with monkeypatch.context() as patch:
        patch.setattr(store, "advance", another_was_faster)
        with pytest.raises(Aborted):
            await world.database.write(lambda tx: sequencer.sequence(tx, 10))
    assert await world.stored() == []
    await world.database.write(lambda tx: sequencer.sequence(tx, 10))
    await check_tree(world)


async def test_two_sequencers_on_one_file_keep_one_tree(world: LogWorld) -> None:
    other = Database(f"sqlite:///{world.path}")
    try:
        for _ in range(10):
            await world.act(40)
            await asyncio.gather(
                *(database.write(lambda tx: sequencer.sequence(tx, 15)) for database in (world.database, other) * 3)
            )
        await check_tree(world)
    finally:
        other.close()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE tlog_state SET root = zeroblob(32)",
        "UPDATE tlog_state SET size = size - 1",
        "UPDATE tlog_state SET size = size + 1",
        "UPDATE tlog_tile SET hashes = zeroblob(length(hashes)) WHERE level = 0 AND idx = 1",
        "UPDATE tlog_tile SET hashes = substr(hashes, 1, 64) WHERE level = 0 AND idx = 1",
        "UPDATE tlog_tile SET hashes = zeroblob(32) WHERE level = 1",
        "DELETE FROM tlog_tile WHERE level = 1",
    ],
)
async def test_it_never_builds_on_a_tree_that_contradicts_itself(world: LogWorld, damage: str) -> None:
    await world.act(300)
    await world.database.write(lambda tx: sequencer.sequence(tx, 1024))
    await world.act(1)
    await world.database.write(lambda tx: tx.execute(sa.text(damage)))
    with pytest.raises(LogDamaged):
        await world.database.write(lambda tx: sequencer.sequence(tx, 1024))


async def test_drain_empties_the_queue_and_tells_the_next_loop(world: LogWorld) -> None:
    sequenced = Wakeup()
    loop = Sequencer(world.database, world.settings, sequenced)
    await world.act(2500)
    ticket = sequenced.ticket()
    assert (await loop.drain()).size == 2500
    assert ticket.done()
    await check_tree(world)


async def test_the_loop_wakes_when_called_and_looks_by_itself(world: LogWorld) -> None:
    sequenced = Wakeup()
    loop = Sequencer(world.database, dataclasses.replace(world.settings, poll_seconds=0.05), sequenced)
    task = asyncio.create_task(loop.run())
    try:
        for wake in (True, False):  # False: the polling finds it, as after a crash of the process that recorded
            await world.act(3)
            if wake:
                loop.wake()
            for _ in range(500):
                if await world.read(store.is_queue_empty):
                    break
                await asyncio.sleep(0.01)
            await check_tree(world)
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_a_thousand_entries_are_one_quick_transaction(world: LogWorld) -> None:
    def many(tx: Connection) -> float:
        for _ in range(1000):
            store.enqueue(tx, [(str(uuid.uuid4()), b"x" * 300)])
        before = time.perf_counter()
        assert sequencer.sequence(tx, 1024)[1] == 1000
        return time.perf_counter() - before

    assert await world.database.write(many) < 1.0, "about 15 ms on a quiet machine"
