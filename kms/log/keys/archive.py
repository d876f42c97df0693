"""Logs that were closed: their rows out of the way of the live log, and what is still asked of them.

tlog_closed              one row a log, by number from 1: where it ended, and its final signed checkpoint
tlog_closed_entry        its entries: an event that is in a closed log is never recorded again
tlog_closed_tile         its tiles, for proofs against the final checkpoint
tlog_closed_checkpoint   every checkpoint it signed
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hallmark_tlog.canonical import HASH_SIZE
from hallmark_tlog.errors import InclusionError, MissingResource, TlogError
from hallmark_tlog.fetch import Fetch
from hallmark_tlog.merkle import verify_inclusion
from hallmark_tlog.proof import TlogProof
from hallmark_tlog.prove import inclusion_proof
from hallmark_tlog.reader import TileReader
from hallmark_tlog.tiles import parse_tile_path
from kms.core.database import UtcTime, metadata
from kms.core.direct_sql import AmongSql, DirectSql
from kms.log.errors import LogDamaged
from kms.log.model import InclusionProof, StoredEntry, TreeHead

_BigId = sa.BigInteger().with_variant(sa.Integer, "sqlite")

_closed = sa.Table(
    "tlog_closed",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("origin", sa.String(255), nullable=False, unique=True),
    sa.Column("prefix", sa.String(64), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("root", sa.LargeBinary(32), nullable=False),
    sa.Column("note", sa.LargeBinary, nullable=False),
    sa.Column("close_time", UtcTime, nullable=False),
)
_entry = sa.Table(
    "tlog_closed_entry",
    metadata,
    sa.Column("log", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("idx", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("leaf_hash", sa.LargeBinary(32), nullable=False),
    sa.Column("event_key", sa.String(64), nullable=False, unique=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
)
_tile = sa.Table(
    "tlog_closed_tile",
    metadata,
    sa.Column("log", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("level", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("idx", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("hashes", sa.LargeBinary, nullable=False),
)
_checkpoint = sa.Table(
    "tlog_closed_checkpoint",
    metadata,
    sa.Column("log", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("root", sa.LargeBinary(32), nullable=False),
    sa.Column("note", sa.LargeBinary),
    sa.Column("sign_time", UtcTime),
    sa.Column("cosignatures", sa.LargeBinary),
)

_FOUND: Final = AmongSql("SELECT event_key FROM tlog_closed_entry WHERE event_key IN (*)")
_MOVED: Final = {
    "tlog_entry": ("tlog_closed_entry", "idx, leaf_hash, event_key, data"),
    "tlog_tile": ("tlog_closed_tile", "level, idx, hashes"),
    "tlog_checkpoint": ("tlog_closed_checkpoint", "size, root, note, sign_time, cosignatures"),
}


@dataclass(frozen=True, slots=True)
class ClosedLog:
    """`prefix`: where its files lie below the public folder, empty or ending in a slash. `note` with cosignatures."""

    number: int
    origin: str
    prefix: str
    head: TreeHead
    note: bytes
    close_time: datetime


def closed_logs(tx: Connection) -> list[ClosedLog]:
    """Oldest first."""
    return [_read(row) for row in tx.execute(sa.select(_closed).order_by(_closed.c.number))]


def find_final(tx: Connection, origin: str) -> TreeHead | None:
    """Where a closed log ended; None for another."""
    row = tx.execute(sa.select(_closed.c.size, _closed.c.root).where(_closed.c.origin == origin)).first()
    return None if row is None else TreeHead(row.size, bytes(row.root))


def move(tx: Connection, log: ClosedLog) -> None:
    """Takes every entry, tile and checkpoint of the live log into the archive. The state row is the caller's."""
    tx.execute(
        _closed.insert().values(
            number=log.number,
            origin=log.origin,
            prefix=log.prefix,
            size=log.head.size,
            root=log.head.root,
            note=log.note,
            close_time=log.close_time,
        )
    )
    for live, (closed, columns) in _MOVED.items():
        DirectSql(f"INSERT INTO {closed} (log, {columns}) SELECT {log.number}, {columns} FROM {live}").change(tx)  # noqa: S608
        DirectSql(f"DELETE FROM {live}").change(tx)  # noqa: S608 - names of ours
    DirectSql("DELETE FROM tlog_search").change(tx)  # made anew from the entries of the log that begins


def find_keys(tx: Connection, event_keys: Sequence[str]) -> list[str]:
    """Those that are in a closed log."""
    return [key for (key,) in _FOUND.rows(tx, (), among=event_keys)]


def find_proof(tx: Connection, event_key: str) -> InclusionProof | None:
    """Of an entry of a closed log, in its final tree. The vkeys are those of its own origin.

    None too for what a log holds that was closed after a rollback, where the final tree does not prove it.
    """
    row = tx.execute(sa.select(_entry).where(_entry.c.event_key == event_key)).first()
    if row is None:
        return None
    log = _read(tx.execute(sa.select(_closed).where(_closed.c.number == row.log)).one())
    if row.idx >= log.head.size:
        return None
    try:
        read_hash = TileReader(_fetch(tx, log), log.head.size).read_hash
        path = tuple(inclusion_proof(row.idx, log.head.size, read_hash))
    except MissingResource:  # after a rollback: the tree that was shown is larger than what was left of it
        return None
    except TlogError as error:
        raise LogDamaged(f"the tiles of the closed log {log.origin!r} cannot be read: {error}") from error
    try:
        verify_inclusion(row.idx, log.head.size, bytes(row.leaf_hash), path, log.head.root)
    except InclusionError:  # after a rollback: it is of another tree than the one that was shown
        return None
    return InclusionProof(
        entry=StoredEntry(row.idx, bytes(row.leaf_hash), bytes(row.data)),
        tree_size=log.head.size,
        hashes=path,
        tlog_proof=bytes(TlogProof(row.idx, path, log.note)),
    )


def _fetch(tx: Connection, log: ClosedLog) -> Fetch:
    """Tiles of hashes by their public paths."""

    def fetch(path: str) -> bytes:
        tile = parse_tile_path(path)
        query = sa.select(_tile.c.hashes).where(
            _tile.c.log == log.number, _tile.c.level == tile.level, _tile.c.idx == tile.index
        )
        hashes = tx.execute(query).scalar()
        if hashes is None or len(hashes) < tile.width * HASH_SIZE:
            raise MissingResource(path)
        return bytes(hashes[: tile.width * HASH_SIZE])

    return fetch


def _read(row: sa.Row[tuple[object, ...]]) -> ClosedLog:
    return ClosedLog(
        row.number, row.origin, row.prefix, TreeHead(row.size, bytes(row.root)), bytes(row.note), row.close_time
    )
