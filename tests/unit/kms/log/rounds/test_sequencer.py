import asyncio
import dataclasses
import time
import uuid

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hallmark_tlog.merkle import leaf_hash, root_from_leaves
from kms.core.database import Database
from kms.core.errors import Aborted, Reason, ResourceExhausted, Unavailable
from kms.core.wakeup import Wakeup
from kms.log import store
from kms.log.errors import LogDamaged
from kms.log.model import TreeHead, promise_of
from kms.log.rounds import sequencing
from kms.log.rounds.sequencer import Sequencer
from kms.log.rounds.sequencing import DirectEntry, Earlier, Sequenced
from kms.log.rounds.waiters import Waiters
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
        await world.database.write(lambda tx: sequencing.sequence(tx, 1024))
        await check_tree(world)


async def test_an_empty_queue_changes_nothing(world: LogWorld) -> None:
    await world.act(3)
    done = await world.database.write(lambda tx: sequencing.sequence(tx, 1024))
    assert (done.head.size, done.start, done.from_queue) == (3, 0, 3)
    assert done.event_keys == [promise.event_key for promise in world.recorded]
    assert await world.database.write(lambda tx: sequencing.sequence(tx, 1024)) == Sequenced(done.head)


async def test_a_batch_is_bounded(world: LogWorld) -> None:
    await world.act(25)
    done = [(await world.database.write(lambda tx: sequencing.sequence(tx, 10))) for _ in range(3)]
    assert [(one.head.size, one.start) for one in done] == [(10, 0), (20, 10), (25, 20)]
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
            await world.database.write(lambda tx: sequencing.sequence(tx, 10))
    assert await world.stored() == []
    await world.database.write(lambda tx: sequencing.sequence(tx, 10))
    await check_tree(world)


async def test_two_sequencers_on_one_file_keep_one_tree(world: LogWorld) -> None:
    other = Database(f"sqlite:///{world.path}")
    try:
        for _ in range(10):
            await world.act(40)
            await asyncio.gather(
                *(database.write(lambda tx: sequencing.sequence(tx, 15)) for database in (world.database, other) * 3)
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
    await world.database.write(lambda tx: sequencing.sequence(tx, 1024))
    await world.act(1)
    await world.database.write(lambda tx: tx.execute(sa.text(damage)))
    with pytest.raises(LogDamaged):
        await world.database.write(lambda tx: sequencing.sequence(tx, 1024))


async def test_drain_empties_the_queue_and_tells_the_next_loop(world: LogWorld) -> None:
    sequenced = Wakeup()
    loop = Sequencer(world.database, world.settings, sequenced, Waiters())
    await world.act(2500)
    ticket = sequenced.ticket()
    assert (await loop.drain()).size == 2500
    assert ticket.done()
    await check_tree(world)


async def test_the_loop_wakes_when_called_and_looks_by_itself(world: LogWorld) -> None:
    sequenced = Wakeup()
    loop = Sequencer(world.database, dataclasses.replace(world.settings, poll_seconds=0.05), sequenced, Waiters())
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
        assert sequencing.sequence(tx, 1024).from_queue == 1000
        return time.perf_counter() - before

    assert await world.database.write(many) < 1.0, "about 15 ms on a quiet machine"


# Entries that belong to no other act


def direct(*keys: str) -> list[DirectEntry]:
    return [DirectEntry(promise_of(key, f"entry {key}".encode())) for key in keys]


class Put:
    """Entries on their way, with somebody who waits for their places."""

    def __init__(self, loop: Sequencer, waiters: Waiters, *keys: str) -> None:
        self.waiter = waiters.begin(keys, proofs=False, timeout_seconds=60, late=AssertionError, is_held=True)
        self._waiters = waiters
        self.pending = loop.put(direct(*keys), self.waiter)

    async def places(self) -> dict[str, int]:
        try:
            return {key: receipt.leaf_index for key, receipt in (await self.waiter.future).items()}
        finally:
            self._waiters.end(self.waiter)


def sequencer_of(world: LogWorld, waiters: Waiters, **settings: int) -> Sequencer:
    return Sequencer(world.database, dataclasses.replace(world.settings, **settings), Wakeup(), waiters)


async def test_direct_entries_go_behind_what_was_queued_in_one_round(world: LogWorld) -> None:
    await world.act(2)
    waiters = Waiters()
    loop = sequencer_of(world, waiters)
    puts = [Put(loop, waiters, "a", "b"), Put(loop, waiters, "c")]
    done, more = await loop.round(lambda tx: store.read_head(tx).size)
    assert (done.head.size, more) == (5, 5)
    assert [await put.places() for put in puts] == [{"a": 2, "b": 3}, {"c": 4}]
    assert [(put.pending.earlier, put.pending.is_stored) for put in puts] == [({}, True)] * 2
    stored = await world.stored()
    assert [entry.data for entry in stored[2:]] == [b"entry a", b"entry b", b"entry c"]
    assert root_from_leaves([entry.leaf_hash for entry in stored]) == done.head.root


async def test_the_same_event_again_is_answered_with_what_is_there(world: LogWorld) -> None:
    waiters = Waiters()
    loop = sequencer_of(world, waiters)
    twins = [Put(loop, waiters, "a"), Put(loop, waiters, "a")]
    await loop.round(lambda _tx: None)
    assert [await twin.places() for twin in twins] == [{"a": 0}, {"a": 0}]
    assert [twin.pending.earlier for twin in twins] == [{}, {"a": Earlier(b"entry a")}]
    later = Put(loop, waiters, "a", "b")
    await loop.drain()
    assert await later.places() == {"a": 0, "b": 1}
    assert later.pending.earlier == {"a": Earlier(b"entry a", 0)}
    assert [entry.data for entry in await world.stored()] == [b"entry a", b"entry b"]


async def test_a_round_that_fails_stores_nothing_and_says_so(world: LogWorld) -> None:
    waiters = Waiters()
    loop = sequencer_of(world, waiters)
    put = Put(loop, waiters, "a")

    def refuse(_tx: Connection) -> None:
        raise LogDamaged("no")

    with pytest.raises(LogDamaged):
        await loop.round(refuse)
    with pytest.raises(LogDamaged):
        await put.places()
    assert not put.pending.is_stored
    assert await world.stored() == []
    again = Put(loop, waiters, "a")
    await loop.drain()
    assert await again.places() == {"a": 0}


async def test_who_has_gone_is_not_stored_and_too_much_is_refused(world: LogWorld) -> None:
    waiters = Waiters()
    loop = sequencer_of(world, waiters, queue_max=2)
    gone = Put(loop, waiters, "a", "b")
    with pytest.raises(ResourceExhausted):
        Put(loop, waiters, "c")
    waiters.end(gone.waiter)
    await loop.drain()
    assert await world.stored() == []
    waiting = Put(loop, waiters, "c", "d")
    closing = Unavailable(Reason.SHUTTING_DOWN, "closing")
    loop.fail(closing)
    with pytest.raises(Unavailable):
        await waiting.places()
    with pytest.raises(Unavailable):
        Put(loop, waiters, "e")
    assert (await loop.drain()).size == 0
