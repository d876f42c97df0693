"""What one sequencing transaction does with direct entries; the tree itself is in test_sequencer."""

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hallmark_tlog.merkle import EMPTY_ROOT, leaf_hash, root_from_leaves, verify_inclusion
from hallmark_tlog.proof import parse_proof
from kms.core.errors import Aborted
from kms.log import store
from kms.log.entries import openings_store
from kms.log.errors import LogDamaged
from kms.log.keys import archive
from kms.log.keys.archive import ClosedLog
from kms.log.model import TreeHead, promise_of
from kms.log.rounds import sequencing
from kms.log.rounds.sequencing import DirectEntry, Earlier
from support.log_world import ORIGIN, LogWorld


def direct(key: str, *, salt: bytes | None = None) -> DirectEntry:
    salts = {} if salt is None else {"who": salt}
    rows = openings_store.openings(key, salts, tenant="default", person="p-1")
    return DirectEntry(promise_of(key, f"entry {key}".encode()), rows)


async def openings(world: LogWorld) -> int:
    found: int = await world.read(lambda tx: tx.execute(sa.text("SELECT count(*) FROM tlog_opening")).scalar_one())
    return found


async def test_entries_and_their_salts_are_stored_together(world: LogWorld) -> None:
    entries = [direct("a", salt=b"a" * 32), direct("b"), direct("c", salt=b"c" * 32)]
    done = await world.database.write(lambda tx: sequencing.sequence(tx, 10, entries))
    assert (done.start, done.event_keys, done.earlier, done.from_queue) == (0, ["a", "b", "c"], {}, 0)
    stored = await world.stored()
    assert done.head == TreeHead(3, root_from_leaves([entry.leaf_hash for entry in stored]))
    salts = await world.read(lambda tx: openings_store.find_salts(tx, "default", ["a", "b", "c"]))
    assert salts == {"a": {"who": b"a" * 32}, "c": {"who": b"c" * 32}}


async def test_what_is_there_stays_as_it_is_with_its_salts(world: LogWorld) -> None:
    await world.database.write(lambda tx: sequencing.sequence(tx, 10, [direct("a", salt=b"a" * 32)]))
    again = [direct("a", salt=b"z" * 32), direct("b")]
    done = await world.database.write(lambda tx: sequencing.sequence(tx, 10, again))
    assert done.earlier == {"a": Earlier(b"entry a", 0)}
    assert (done.start, done.event_keys) == (1, ["b"])
    assert await world.read(lambda tx: openings_store.find_salts(tx, "default", ["a"])) == {"a": {"who": b"a" * 32}}
    nothing_new = await world.database.write(lambda tx: sequencing.sequence(tx, 10, again))
    assert not nothing_new.event_keys
    assert nothing_new.head == done.head
    assert set(nothing_new.earlier) == {"a", "b"}


async def close_log(world: LogWorld, head: TreeHead) -> None:
    """Moves everything into the archive, as of a log that ended there; an empty one begins."""
    closed = ClosedLog(1, ORIGIN, "", head, b"the final note", world.clock.now())

    def close(tx: Connection) -> None:
        archive.move(tx, closed)
        assert store.advance(tx, store.read_head(tx), TreeHead(0, EMPTY_ROOT))

    await world.database.write(close)


async def test_an_entry_of_a_closed_log_keeps_its_place_and_proof_there(world: LogWorld) -> None:
    old = await world.database.write(lambda tx: sequencing.sequence(tx, 10, [direct("x"), direct("a")]))
    await close_log(world, old.head)
    done = await world.database.write(lambda tx: sequencing.sequence(tx, 10, [direct("a", salt=b"a" * 32)]))
    found = done.earlier["a"]
    assert (found.data, found.index) == (b"entry a", None)
    assert found.receipt is not None
    assert found.receipt.leaf_index == 1
    proof = parse_proof(found.receipt.tlog_proof or b"")
    assert proof.checkpoint == b"the final note"
    verify_inclusion(1, 2, leaf_hash(b"entry a"), proof.path, old.head.root)
    assert (done.head.size, await openings(world)) == (0, 0)


async def test_what_a_rollback_took_from_a_closed_log_may_be_appended_again(world: LogWorld) -> None:
    first = await world.database.write(lambda tx: sequencing.sequence(tx, 10, [direct("x")]))
    await world.database.write(lambda tx: sequencing.sequence(tx, 10, [direct("a")]))
    await close_log(world, first.head)  # what was shown ended before it
    done = await world.database.write(lambda tx: sequencing.sequence(tx, 10, [direct("x"), direct("a")]))
    assert (list(done.earlier), done.event_keys) == (["x"], ["a"])


async def test_who_loses_the_race_stores_neither_entries_nor_salts(
    world: LogWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "advance", lambda *_: False)
    with pytest.raises(Aborted):
        await world.database.write(lambda tx: sequencing.sequence(tx, 10, [direct("a", salt=b"a" * 32)]))
    assert (await world.stored(), await openings(world)) == ([], 0)


async def test_nothing_is_put_behind_a_tree_that_contradicts_itself(world: LogWorld) -> None:
    await world.database.write(lambda tx: sequencing.sequence(tx, 10, [direct("a")]))
    await world.database.write(lambda tx: tx.execute(sa.text("UPDATE tlog_tile SET hashes = zeroblob(32)")))
    with pytest.raises(LogDamaged):
        await world.database.write(lambda tx: sequencing.sequence(tx, 10, [direct("b", salt=b"b" * 32)]))
    known = await world.database.write(lambda tx: sequencing.sequence(tx, 10, [direct("a")]))
    assert known.earlier == {"a": Earlier(b"entry a", 0)}, "nothing to store, nothing to build on"
    assert (len(await world.stored()), await openings(world)) == (1, 0)


async def test_a_thousand_keys_are_looked_up_at_once(world: LogWorld) -> None:
    many = [direct(f"key-{number}") for number in range(1500)]
    await world.database.write(lambda tx: sequencing.sequence(tx, 10, many))
    done = await world.database.write(lambda tx: sequencing.sequence(tx, 10, [*many, direct("new")]))
    assert (len(done.earlier), done.event_keys) == (1500, ["new"])
    assert done.earlier["key-1499"] == Earlier(b"entry key-1499", 1499)
