"""What `fsck` alone asks of the log's tables: everything, in order, read only. See `store` and `archive` for them.

The log that grows and each closed one have tables of the same shape; those of closed logs have a number in front.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.core.database import metadata
from kms.log import store  # noqa: F401 - they define the tables
from kms.log.keys import archive  # noqa: F401 - they define the tables
from kms.log.model import TreeHead

_CHECKPOINTS_AT_ONCE: Final = 256


class EntryRow(NamedTuple):
    """A tuple, because there is one for every entry of the log."""

    number: int
    leaf_hash: bytes
    event_key: str
    data: bytes


@dataclass(frozen=True, slots=True)
class CheckpointRow:
    """`note` is None between the intent and the signature; `cosignatures` are further lines of it."""

    head: TreeHead
    note: bytes | None
    cosignatures: bytes


@dataclass(frozen=True, slots=True)
class LogRows:
    """One log of the database. `closed` is its number among the closed ones, None for the one that grows.

    `folder`: where its files lie below the public folder, empty or ending in a slash.
    """

    origin: str
    head: TreeHead
    folder: str
    closed: int | None = None

    def entries(self, tx: Connection, start: int, stop: int) -> list[EntryRow]:
        table = self._table("entry")
        query = sa.select(table.c.idx, table.c.leaf_hash, table.c.event_key, table.c.data)
        query = self._mine(query, table).where(table.c.idx >= start, table.c.idx < stop).order_by(table.c.idx)
        return [EntryRow(*row) for row in tx.execute(query)]

    def entries_outside(self, tx: Connection) -> list[int]:
        """Some indices below 0 or at and behind the end, which no entry may have."""
        table = self._table("entry")
        query = self._mine(sa.select(table.c.idx), table)
        query = query.where(sa.or_(table.c.idx < 0, table.c.idx >= self.head.size)).order_by(table.c.idx).limit(10)
        return list(tx.execute(query).scalars())

    def tile(self, tx: Connection, level: int, index: int) -> bytes | None:
        table = self._table("tile")
        query = self._mine(sa.select(table.c.hashes), table).where(table.c.level == level, table.c.idx == index)
        found = tx.execute(query).scalar()
        return None if found is None else bytes(found)

    def tile_counts(self, tx: Connection) -> dict[int, int]:
        """How many tiles there are, by level."""
        table = self._table("tile")
        query = self._mine(sa.select(table.c.level, sa.func.count()), table).group_by(table.c.level)
        return {row[0]: row[1] for row in tx.execute(query)}

    def checkpoints(self, tx: Connection) -> Iterator[CheckpointRow]:
        """By size, rising."""
        table = self._table("checkpoint")
        after = -1
        while True:
            query = self._mine(sa.select(table), table).where(table.c.size > after)
            rows = tx.execute(query.order_by(table.c.size).limit(_CHECKPOINTS_AT_ONCE)).all()
            yield from map(_checkpoint_row, rows)
            if len(rows) < _CHECKPOINTS_AT_ONCE:
                return
            after = rows[-1].size

    def checkpoint(self, tx: Connection, size: int) -> CheckpointRow | None:
        table = self._table("checkpoint")
        row = tx.execute(self._mine(sa.select(table), table).where(table.c.size == size)).first()
        return None if row is None else _checkpoint_row(row)

    def _table(self, kind: str) -> sa.Table:
        return metadata.tables[f"tlog_{kind}" if self.closed is None else f"tlog_closed_{kind}"]

    def _mine(self, query: sa.Select[Any], table: sa.Table) -> sa.Select[Any]:
        return query if self.closed is None else query.where(table.c.log == self.closed)


def _checkpoint_row(row: sa.Row[Any]) -> CheckpointRow:
    note = None if row.note is None else bytes(row.note)
    return CheckpointRow(TreeHead(row.size, bytes(row.root)), note, bytes(row.cosignatures or b""))


def logs_in(tx: Connection) -> list[LogRows]:
    """Closed ones first, then the one that grows. Empty before there is one."""
    closed, state = metadata.tables["tlog_closed"], metadata.tables["tlog_state"]
    found = [
        LogRows(row.origin, TreeHead(row.size, bytes(row.root)), row.prefix, row.number)
        for row in tx.execute(sa.select(closed).order_by(closed.c.number))
    ]
    rows = tx.execute(sa.select(state))
    return found + [LogRows(row.origin, TreeHead(row.size, bytes(row.root)), row.prefix) for row in rows]


def queued_and_sequenced(tx: Connection) -> list[str]:
    """Some event keys that are both in the queue and among the entries."""
    queue, entry = metadata.tables["tlog_queue"], metadata.tables["tlog_entry"]
    query = sa.select(queue.c.event_key).join(entry, entry.c.event_key == queue.c.event_key).limit(100)
    return list(tx.execute(query).scalars())
