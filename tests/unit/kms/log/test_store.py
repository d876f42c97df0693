import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hallmark_tlog.merkle import EMPTY_ROOT
from kms.log import store
from kms.log.errors import EventRecordedTwice, LogDamaged, LogForked, OriginChanged
from kms.log.model import TreeHead
from kms.log.rounds import sequencing
from support.clock import START
from support.log_world import ORIGIN, LogWorld


def enqueue(tx: Connection, *keys: str) -> int:
    return store.enqueue(tx, [(key, key.encode()) for key in keys])


async def test_the_queue_says_how_long_it_is(world: LogWorld) -> None:
    assert await world.database.write(lambda tx: enqueue(tx, "a", "b", "c")) == 3
    assert await world.database.write(lambda tx: enqueue(tx, "d")) == 4
    await world.database.write(lambda tx: sequencing.sequence(tx, 2))
    assert await world.database.write(lambda tx: enqueue(tx, "e")) == 3
    await world.database.write(lambda tx: sequencing.sequence(tx, 100))
    assert await world.read(store.is_queue_empty)
    assert await world.database.write(lambda tx: enqueue(tx, "f")) == 1


async def test_an_event_key_is_unique_in_the_queue(world: LogWorld) -> None:
    await world.database.write(lambda tx: enqueue(tx, "a"))
    with pytest.raises(EventRecordedTwice):
        await world.database.write(lambda tx: enqueue(tx, "b", "a"))
    assert [item.event_key for item in await world.read(lambda tx: store.queued(tx, 10))] == ["a"], "b went with it"


async def test_an_event_key_is_unique_for_ever(world: LogWorld) -> None:
    await world.database.write(lambda tx: enqueue(tx, "a"))
    await world.database.write(lambda tx: sequencing.sequence(tx, 10))
    with pytest.raises(EventRecordedTwice):
        await world.database.write(lambda tx: enqueue(tx, "a"))
    assert await world.read(store.is_queue_empty)


async def test_only_the_rows_seen_leave_the_queue(world: LogWorld) -> None:
    # On PostgreSQL a lower number can be committed after a higher one was taken.
    await world.database.write(lambda tx: enqueue(tx, "a", "b", "c"))
    taken = [item for item in await world.read(lambda tx: store.queued(tx, 10)) if item.event_key != "b"]
    await world.database.write(lambda tx: store.dequeue(tx, taken))
    assert [item.event_key for item in await world.read(lambda tx: store.queued(tx, 10))] == ["b"]


async def test_compare_and_set_moves_only_from_where_it_is(world: LogWorld) -> None:
    begin, next_head = TreeHead(0, EMPTY_ROOT), TreeHead(1, b"1" * 32)
    wrong_root, wrong_size = TreeHead(0, b"2" * 32), TreeHead(1, EMPTY_ROOT)
    for stale in (wrong_root, wrong_size):
        assert not await world.database.write(lambda tx, stale=stale: store.advance(tx, stale, next_head))
    assert await world.database.write(lambda tx: store.advance(tx, begin, next_head))
    assert not await world.database.write(lambda tx: store.advance(tx, begin, TreeHead(1, b"3" * 32)))
    assert await world.read(store.read_head) == next_head


async def test_an_origin_never_changes(world: LogWorld) -> None:
    assert await world.database.write(lambda tx: store.ensure_state(tx, ORIGIN)) == TreeHead(0, EMPTY_ROOT)
    with pytest.raises(OriginChanged, match=r"other\.example"):
        await world.database.write(lambda tx: store.ensure_state(tx, "other.example/log"))


async def test_a_log_without_state_is_damaged(bare_world: LogWorld) -> None:
    with pytest.raises(LogDamaged):
        await bare_world.read(store.read_head)


async def test_a_size_is_intended_once_and_signed_with_its_root(world: LogWorld) -> None:
    head, other = TreeHead(5, b"5" * 32), TreeHead(5, b"6" * 32)
    await world.database.write(lambda tx: store.insert_intent(tx, head))
    for again in (head, other):
        with pytest.raises(LogForked):
            await world.database.write(lambda tx, again=again: store.insert_intent(tx, again))
    for unknown in (other, TreeHead(6, b"5" * 32)):
        with pytest.raises(LogForked):
            await world.database.write(lambda tx, head=unknown: store.store_note(tx, head, b"note", START))
    await world.database.write(lambda tx: store.store_note(tx, head, b"note", START))
    record = await world.read(store.latest_checkpoint)
    assert record is not None
    assert (record.head, record.note, record.sign_time) == (head, b"note", START)


async def test_indices_are_found_by_key(world: LogWorld) -> None:
    await world.database.write(lambda tx: enqueue(tx, "a", "b", "c"))
    await world.database.write(lambda tx: sequencing.sequence(tx, 2))
    assert await world.read(lambda tx: store.find_indices(tx, ["c", "b", "a", "x"])) == {"a": 0, "b": 1}
    assert await world.read(lambda tx: store.find_index(tx, "b")) == 1
    assert await world.read(lambda tx: store.find_index(tx, "c")) is None
    assert await world.read(store.entry_count) == 2


async def test_the_database_itself_refuses_a_second_root_for_a_size(world: LogWorld) -> None:
    insert = sa.text("INSERT INTO tlog_checkpoint (size, root) VALUES (7, :root)")
    await world.database.write(lambda tx: tx.execute(insert, {"root": b"1" * 32}))
    with pytest.raises(sa.exc.IntegrityError):
        await world.database.write(lambda tx: tx.execute(insert, {"root": b"2" * 32}))
