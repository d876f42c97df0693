"""Tables of the log and everything that is asked of them; nobody else touches them.

tlog_queue        the outbox: written in the transaction of the act, emptied by the sequencer
tlog_entry        what is in the log; `idx` is dense and begins at 0
tlog_tile         one row a tile, growing in place; a partial tile of width W is its first 32 * W bytes
tlog_state        one row: how far the sequencer is. Compare-and-set on it is what keeps two sequencers apart
tlog_checkpoint   one row a size, so one root a size, for ever. `note` is NULL between the intent and the signature;
                  `cosignatures` are the lines of witnesses, which come later
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hallmark_tlog.merkle import EMPTY_ROOT
from kms.core.database import UtcTime, from_microseconds, metadata, to_microseconds
from kms.core.direct_sql import AmongSql, DirectSql, InsertMany
from kms.log.errors import EventRecordedTwice, LogDamaged, LogForked, OriginChanged
from kms.log.model import CheckpointRecord, StoredEntry, TreeHead

_BigId = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # SQLite counts up only INTEGER PRIMARY KEY by itself

_queue = sa.Table(
    "tlog_queue",
    metadata,
    sa.Column("id", _BigId, primary_key=True, autoincrement=True),
    sa.Column("event_key", sa.String(64), nullable=False, unique=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
)
_entry = sa.Table(
    "tlog_entry",
    metadata,
    sa.Column("idx", _BigId, primary_key=True, autoincrement=False),
    sa.Column("leaf_hash", sa.LargeBinary(32), nullable=False),
    sa.Column("event_key", sa.String(64), nullable=False, unique=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
)
_tile = sa.Table(
    "tlog_tile",
    metadata,
    sa.Column("level", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("idx", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("hashes", sa.LargeBinary, nullable=False),
)
_state = sa.Table(
    "tlog_state",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("origin", sa.String(255), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("root", sa.LargeBinary(32), nullable=False),
    sa.Column("prefix", sa.String(64), nullable=False, server_default=""),
    sa.Column("closing_event", sa.String(64)),
)
_checkpoint = sa.Table(
    "tlog_checkpoint",
    metadata,
    sa.Column("size", _BigId, primary_key=True, autoincrement=False),
    sa.Column("root", sa.LargeBinary(32), nullable=False),
    sa.Column("note", sa.LargeBinary),
    sa.Column("sign_time", UtcTime),
    sa.Column("cosignatures", sa.LargeBinary),
)


@dataclass(frozen=True, slots=True)
class QueuedEntry:
    id: int
    event_key: str
    data: bytes


# The queue

_ENQUEUE = InsertMany("tlog_queue", ("event_key", "data"))
_SEQUENCED = AmongSql(
    "SELECT event_key FROM (SELECT event_key FROM tlog_entry UNION ALL SELECT event_key FROM tlog_closed_entry) "
    "AS known WHERE event_key IN (*)"
)
_INDICES = AmongSql("SELECT event_key, idx FROM tlog_entry WHERE event_key IN (*)")
_FOUND = AmongSql("SELECT event_key, idx, data FROM tlog_entry WHERE event_key IN (*)")
_QUEUE_ENDS = DirectSql("SELECT (SELECT max(id) FROM tlog_queue), (SELECT min(id) FROM tlog_queue)")
_QUEUED = DirectSql("SELECT id, event_key, data FROM tlog_queue ORDER BY id LIMIT ?")
_DEQUEUE = AmongSql("DELETE FROM tlog_queue WHERE id IN (*)")
_ENTRIES = DirectSql("SELECT idx, leaf_hash, data FROM tlog_entry WHERE idx >= ? AND idx < ? ORDER BY idx")
_READ_TILE = DirectSql("SELECT hashes FROM tlog_tile WHERE level = ? AND idx = ?")
_GROW_TILE = DirectSql("UPDATE tlog_tile SET hashes = ? WHERE level = ? AND idx = ?")
_INSERT_TILES = InsertMany("tlog_tile", ("level", "idx", "hashes"))
_READ_HEAD = DirectSql("SELECT size, root FROM tlog_state")
_LOCK_HEAD = DirectSql("SELECT size, root FROM tlog_state", lock="FOR UPDATE")
_ADVANCE = DirectSql("UPDATE tlog_state SET size = ?, root = ? WHERE size = ? AND root = ?")
_LATEST = DirectSql("SELECT size, root, note, sign_time, cosignatures FROM tlog_checkpoint ORDER BY size DESC LIMIT 1")
_NEWEST_NOTE = DirectSql("SELECT note FROM tlog_checkpoint WHERE note IS NOT NULL ORDER BY size DESC LIMIT 1")
_SIZES = DirectSql("SELECT size FROM tlog_checkpoint WHERE size > ? AND size <= ? ORDER BY size")
_INSERT_INTENT = InsertMany("tlog_checkpoint", ("size", "root"))
_LOCK_NOTE = DirectSql("SELECT note FROM tlog_checkpoint WHERE size = ? AND root = ?", lock="FOR UPDATE")
_STORE_NOTE = DirectSql("UPDATE tlog_checkpoint SET note = ?, sign_time = ? WHERE size = ? AND root = ?")
_INSERT_ENTRIES = InsertMany("tlog_entry", ("idx", "leaf_hash", "event_key", "data"))


def enqueue(tx: Connection, entries: Sequence[tuple[str, bytes]]) -> int:
    """Puts (event_key, data) of acts into the queue. Returns how long it is now, at most. Raises EventRecordedTwice.

    Insert first, then look among the entries: the sequencer may move the same key from queue to entries while we wait
    for its commit, and a look before that would find the key in neither (PostgreSQL, READ COMMITTED). Entries of logs
    that were closed count too.
    """
    wanted = [event_key for event_key, _ in entries]
    try:
        _ENQUEUE(tx, entries)
    except sa.exc.IntegrityError:
        raise EventRecordedTwice(wanted) from None
    if sequenced := _SEQUENCED.rows(tx, (), among=wanted):
        raise EventRecordedTwice([event_key for (event_key,) in sequenced])
    return _queue_length(tx)


def queued(tx: Connection, limit: int) -> list[QueuedEntry]:
    """The oldest entries of the queue."""
    return [QueuedEntry(number, key, bytes(data)) for number, key, data in _QUEUED.rows(tx, (limit,))]


def _queue_length(tx: Connection) -> int:
    """At most: other transactions may have taken numbers and given up."""
    ((newest, oldest),) = _QUEUE_ENDS.rows(tx)
    return 0 if newest is None else int(newest) - int(oldest) + 1


def dequeue(tx: Connection, entries: Sequence[QueuedEntry]) -> None:
    """By their numbers: a lower one may have been committed by somebody else since `queued` looked."""
    _DEQUEUE.change(tx, (), among=[item.id for item in entries])


def is_queue_empty(tx: Connection) -> bool:
    return tx.execute(sa.select(_queue.c.id).limit(1)).first() is None


# Entries


def insert_entries(tx: Connection, start: int, entries: Sequence[tuple[str, bytes, bytes]]) -> None:
    """(event key, leaf hash, data) of each, in order, from index `start` on."""
    _INSERT_ENTRIES(tx, [(index, leaf, key, data) for index, (key, leaf, data) in enumerate(entries, start)])


def read_entries(tx: Connection, start: int, stop: int) -> list[StoredEntry]:
    """Those of [start, stop) that are there, in order."""
    return [StoredEntry(index, leaf, data) for index, leaf, data in _ENTRIES.rows(tx, (start, stop))]


def find_index(tx: Connection, event_key: str) -> int | None:
    return tx.execute(sa.select(_entry.c.idx).where(_entry.c.event_key == event_key)).scalar()


def find_indices(tx: Connection, event_keys: Sequence[str]) -> dict[str, int]:
    """Index by event key, for those that are sequenced."""
    return dict(_INDICES.rows(tx, (), among=event_keys))


def find_entries(tx: Connection, event_keys: Sequence[str]) -> list[tuple[str, int, bytes]]:
    """(event key, index, data) of those that are sequenced."""
    return [(key, index, bytes(data)) for key, index, data in _FOUND.rows(tx, (), among=event_keys)]


def entry_count(tx: Connection) -> int:
    """One more than the highest index."""
    highest = tx.execute(sa.select(sa.func.max(_entry.c.idx))).scalar()
    return 0 if highest is None else highest + 1


# Tiles


def read_tile(tx: Connection, level: int, index: int) -> bytes | None:
    found = _READ_TILE.rows(tx, (level, index))
    return found[0][0] if found else None


def insert_tiles(tx: Connection, tiles: dict[tuple[int, int], bytes]) -> None:
    """New tiles: hashes by (level, index)."""
    _INSERT_TILES(tx, [(level, index, hashes) for (level, index), hashes in tiles.items()])


def grow_tile(tx: Connection, level: int, index: int, hashes: bytes) -> None:
    _GROW_TILE.change(tx, (hashes, level, index))


# State


def ensure_state(tx: Connection, origin: str) -> TreeHead:
    """Begins an empty log if there is none. Raises OriginChanged."""
    query = sa.select(_state.c.origin, _state.c.size, _state.c.root)
    row = tx.execute(query).first()
    if row is None:
        with contextlib.suppress(sa.exc.IntegrityError), tx.begin_nested():  # another replica may begin it just now
            tx.execute(_state.insert().values(id=0, origin=origin, size=0, root=EMPTY_ROOT))
        row = tx.execute(query).one()
    if row.origin != origin:
        raise OriginChanged(row.origin, origin)
    return TreeHead(row.size, row.root)


def find_origin(tx: Connection) -> str | None:
    """None before the log began."""
    return tx.execute(sa.select(_state.c.origin)).scalar()


def read_head(tx: Connection, *, lock: bool = False) -> TreeHead:
    """With `lock` nobody else passes here before this transaction ends (PostgreSQL; SQLite has one writer anyway)."""
    found = (_LOCK_HEAD if lock else _READ_HEAD).rows(tx)
    if not found:
        raise LogDamaged("its state row is gone")
    return TreeHead(*found[0])


def advance(tx: Connection, old: TreeHead, new: TreeHead) -> bool:
    """Compare-and-set: False when the log is not at `old` any more."""
    return _ADVANCE.change(tx, (new.size, new.root, old.size, old.root)) == 1


# Checkpoints


def latest_checkpoint(tx: Connection) -> CheckpointRecord | None:
    """The largest, signed or not."""
    found = _LATEST.rows(tx)
    return _checkpoint_record(*found[0]) if found else None


def newest_note(tx: Connection) -> bytes | None:
    """Of the largest size that was signed."""
    found = _NEWEST_NOTE.rows(tx)
    return found[0][0] if found else None


def checkpoint_sizes(tx: Connection, after: int, through: int) -> list[int]:
    """Sizes in (after, through] that a checkpoint was intended for, rising."""
    return [size for (size,) in _SIZES.rows(tx, (after, through))]


def insert_intent(tx: Connection, head: TreeHead) -> CheckpointRecord:
    """Raises LogForked when the size has a row already: the caller has looked, under the lock of the state."""
    try:
        _INSERT_INTENT(tx, [(head.size, head.root)])
    except sa.exc.IntegrityError:
        raise LogForked(f"size {head.size} was to be signed before") from None
    return CheckpointRecord(head, None, None)


def lock_note(tx: Connection, head: TreeHead) -> bytes | None:
    """Of this size and root; None before it is signed. Raises LogForked when the row is gone or has another root."""
    found = _LOCK_NOTE.rows(tx, (head.size, head.root))
    if not found:
        raise LogForked(f"the intent to sign size {head.size} is gone or has another root")
    note: bytes | None = found[0][0]
    return note


def store_note(tx: Connection, head: TreeHead, note: bytes, sign_time: datetime) -> None:
    """Raises LogForked when the row of this size holds another root."""
    if _STORE_NOTE.change(tx, (note, to_microseconds(sign_time), head.size, head.root)) != 1:
        raise LogForked(f"the intent to sign size {head.size} is gone or has another root")


def read_cosignatures(tx: Connection, head: TreeHead) -> bytes:
    """Of this size and root, empty before there are any. Whoever changes them waits here for the others (PostgreSQL).

    Raises LogForked when there is no such row.
    """
    this = sa.and_(_checkpoint.c.size == head.size, _checkpoint.c.root == head.root)
    row = tx.execute(sa.select(_checkpoint.c.cosignatures).where(this).with_for_update()).first()
    if row is None:
        raise LogForked(f"the intent to sign size {head.size} is gone or has another root")
    return row.cosignatures or b""


def store_cosignatures(tx: Connection, head: TreeHead, lines: bytes) -> None:
    """Signature lines as they follow those of the note. Read them in the same transaction first."""
    tx.execute(_checkpoint.update().where(_checkpoint.c.size == head.size).values(cosignatures=lines))


def _checkpoint_record(
    size: int, root: bytes, note: bytes | None, sign_time: int | None, cosignatures: bytes | None
) -> CheckpointRecord:
    moment = None if sign_time is None else from_microseconds(sign_time)
    return CheckpointRecord(TreeHead(size, root), note, moment, cosignatures or b"")
