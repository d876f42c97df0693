"""Tables of the log and everything that is asked of them; nobody else touches them.

tlog_queue        the outbox: written in the transaction of the act, emptied by the sequencer
tlog_entry        what is in the log; `idx` is dense and begins at 0
tlog_tile         one row a tile, growing in place; a partial tile of width W is its first 32 * W bytes
tlog_state        one row: how far the sequencer is. Compare-and-set on it is what keeps two sequencers apart
tlog_checkpoint   one row a size, so one root a size, for ever. `note` is NULL between the intent and the signature
tlog_key          the keys that sign checkpoints, by algorithm and number; never deleted: old notes need them
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hallmark_tlog.merkle import EMPTY_ROOT
from kms.core.database import UtcTime, metadata
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
)
_checkpoint = sa.Table(
    "tlog_checkpoint",
    metadata,
    sa.Column("size", _BigId, primary_key=True, autoincrement=False),
    sa.Column("root", sa.LargeBinary(32), nullable=False),
    sa.Column("note", sa.LargeBinary),
    sa.Column("sign_time", UtcTime),
)
_key = sa.Table(
    "tlog_key",
    metadata,
    sa.Column("algorithm", sa.String(16), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("material", sa.LargeBinary, nullable=False),
    sa.Column("create_time", UtcTime, nullable=False),
)


@dataclass(frozen=True, slots=True)
class QueuedEntry:
    id: int
    event_key: str
    data: bytes


# The queue

_ENQUEUE = InsertMany("tlog_queue", ("event_key", "data"))
_SEQUENCED = AmongSql("SELECT event_key FROM tlog_entry WHERE event_key IN (*)")
_QUEUE_ENDS = DirectSql("SELECT (SELECT max(id) FROM tlog_queue), (SELECT min(id) FROM tlog_queue)")
_QUEUED = DirectSql("SELECT id, event_key, data FROM tlog_queue ORDER BY id LIMIT ?")
_DEQUEUE = AmongSql("DELETE FROM tlog_queue WHERE id IN (*)")
_INSERT_ENTRIES = InsertMany("tlog_entry", ("idx", "leaf_hash", "event_key", "data"))


def enqueue(tx: Connection, entries: Sequence[tuple[str, bytes]]) -> int:
    """Puts (event_key, data) of acts into the queue. Returns how long it is now, at most. Raises EventRecordedTwice.

    Insert first, then look among the entries: the sequencer may move the same key from queue to entries while we wait
    for its commit, and a look before that would find the key in neither (PostgreSQL, READ COMMITTED).
    """
    wanted = [event_key for event_key, _ in entries]
    try:
        _ENQUEUE(tx, entries)
    except sa.exc.IntegrityError:
        raise EventRecordedTwice(wanted) from None
    if sequenced := _SEQUENCED.rows(tx, (), among=wanted):
        raise EventRecordedTwice([event_key for (event_key,) in sequenced])
    ((newest, oldest),) = _QUEUE_ENDS.rows(tx)
    return int(newest) - int(oldest) + 1


def queued(tx: Connection, limit: int) -> list[QueuedEntry]:
    """The oldest entries of the queue."""
    return [QueuedEntry(number, key, bytes(data)) for number, key, data in _QUEUED.rows(tx, (limit,))]


def dequeue(tx: Connection, entries: Sequence[QueuedEntry]) -> None:
    """By their numbers: a lower one may have been committed by somebody else since `queued` looked."""
    _DEQUEUE.change(tx, (), among=[item.id for item in entries])


def is_queue_empty(tx: Connection) -> bool:
    return tx.execute(sa.select(_queue.c.id).limit(1)).first() is None


# Entries


def insert_entries(tx: Connection, start: int, entries: Sequence[QueuedEntry], leaf_hashes: Sequence[bytes]) -> None:
    rows = enumerate(zip(entries, leaf_hashes, strict=True), start)
    _INSERT_ENTRIES(tx, [(index, leaf, item.event_key, item.data) for index, (item, leaf) in rows])


def read_entries(tx: Connection, start: int, stop: int) -> list[StoredEntry]:
    """Those of [start, stop) that are there, in order."""
    rows = tx.execute(
        sa.select(_entry.c.idx, _entry.c.leaf_hash, _entry.c.data)
        .where(_entry.c.idx >= start, _entry.c.idx < stop)
        .order_by(_entry.c.idx)
    )
    return [StoredEntry(row.idx, row.leaf_hash, row.data) for row in rows]


def find_index(tx: Connection, event_key: str) -> int | None:
    return tx.execute(sa.select(_entry.c.idx).where(_entry.c.event_key == event_key)).scalar()


def find_indices(tx: Connection, event_keys: Sequence[str]) -> dict[str, int]:
    """Index by event key, for those that are sequenced. At most some hundred keys at a time."""
    rows = tx.execute(sa.select(_entry.c.event_key, _entry.c.idx).where(_entry.c.event_key.in_(event_keys)))
    return {row.event_key: row.idx for row in rows}


def entry_count(tx: Connection) -> int:
    """One more than the highest index."""
    highest = tx.execute(sa.select(sa.func.max(_entry.c.idx))).scalar()
    return 0 if highest is None else highest + 1


# Tiles


def read_tile(tx: Connection, level: int, index: int) -> bytes | None:
    return tx.execute(sa.select(_tile.c.hashes).where(_tile.c.level == level, _tile.c.idx == index)).scalar()


def insert_tiles(tx: Connection, tiles: dict[tuple[int, int], bytes]) -> None:
    """New tiles: hashes by (level, index)."""
    tx.execute(
        _tile.insert(),
        [{"level": level, "idx": index, "hashes": hashes} for (level, index), hashes in tiles.items()],
    )


def grow_tile(tx: Connection, level: int, index: int, hashes: bytes) -> None:
    tx.execute(_tile.update().where(_tile.c.level == level, _tile.c.idx == index).values(hashes=hashes))


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
    query = sa.select(_state.c.size, _state.c.root)
    row = tx.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise LogDamaged("its state row is gone")
    return TreeHead(row.size, row.root)


def advance(tx: Connection, old: TreeHead, new: TreeHead) -> bool:
    """Compare-and-set: False when the log is not at `old` any more."""
    changed = tx.execute(
        _state.update().where(_state.c.size == old.size, _state.c.root == old.root).values(size=new.size, root=new.root)
    )
    return changed.rowcount == 1


# Checkpoints


def latest_checkpoint(tx: Connection) -> CheckpointRecord | None:
    """The largest, signed or not."""
    return _checkpoint_record(tx.execute(sa.select(_checkpoint).order_by(_checkpoint.c.size.desc()).limit(1)).first())


def checkpoint_sizes(tx: Connection, after: int, through: int) -> list[int]:
    """Sizes in (after, through] that a checkpoint was intended for, rising."""
    query = sa.select(_checkpoint.c.size).where(_checkpoint.c.size > after, _checkpoint.c.size <= through)
    return list(tx.execute(query.order_by(_checkpoint.c.size)).scalars())


def insert_intent(tx: Connection, head: TreeHead) -> CheckpointRecord:
    """Raises LogForked when the size has a row already: the caller has looked, under the lock of the state."""
    try:
        tx.execute(_checkpoint.insert().values(size=head.size, root=head.root))
    except sa.exc.IntegrityError:
        raise LogForked(f"size {head.size} was to be signed before") from None
    return CheckpointRecord(head, None, None)


def store_note(tx: Connection, head: TreeHead, note: bytes, sign_time: datetime) -> None:
    """Raises LogForked when the row of this size holds another root."""
    changed = tx.execute(
        _checkpoint.update()
        .where(_checkpoint.c.size == head.size, _checkpoint.c.root == head.root)
        .values(note=note, sign_time=sign_time)
    )
    if changed.rowcount != 1:
        raise LogForked(f"the intent to sign size {head.size} is gone or has another root")


def _checkpoint_record(row: sa.Row[tuple[object, ...]] | None) -> CheckpointRecord | None:
    return None if row is None else CheckpointRecord(TreeHead(row.size, row.root), row.note, row.sign_time)


# Keys


def read_key(tx: Connection, algorithm: str, number: int) -> bytes | None:
    """The key's material."""
    return tx.execute(sa.select(_key.c.material).where(_key.c.algorithm == algorithm, _key.c.number == number)).scalar()


def insert_key(tx: Connection, algorithm: str, number: int, material: bytes, now: datetime) -> None:
    tx.execute(_key.insert().values(algorithm=algorithm, number=number, material=material, create_time=now))


def replace_key(tx: Connection, algorithm: str, number: int, *, old: bytes, new: bytes) -> bool:
    """The same key sealed anew. Compare-and-set on the material that was read."""
    this = sa.and_(_key.c.algorithm == algorithm, _key.c.number == number, _key.c.material == old)
    return tx.execute(_key.update().where(this).values(material=new)).rowcount == 1
