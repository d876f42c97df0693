"""Runs and picks of entries, with a bound on their bytes. Reads the table of kms.log.store."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy.engine import Connection

from kms.core.direct_sql import AmongSql, DirectSql
from kms.log import store
from kms.log.model import StoredEntry

_RUN_SIZES: Final = DirectSql("SELECT length(data) FROM tlog_entry WHERE idx >= ? AND idx < ? ORDER BY idx")
_SIZES: Final = AmongSql("SELECT idx, length(data) FROM tlog_entry WHERE idx IN (*)")
_PICKED: Final = AmongSql("SELECT idx, leaf_hash, data FROM tlog_entry WHERE idx IN (*)")


def read_run(tx: Connection, start: int, stop: int, *, bytes_max: int) -> list[StoredEntry]:
    """Of [start, stop), in order: as many as have `bytes_max` bytes together, and at least one if it is there."""
    sizes = [int(size) for (size,) in _RUN_SIZES.rows(tx, (start, stop))]
    return store.read_entries(tx, start, start + _fitting(sizes, bytes_max))


def read_picked(tx: Connection, indices: Sequence[int], *, bytes_max: int) -> list[StoredEntry]:
    """These entries in the order given, with the same bound."""
    size_of = {int(index): int(size) for index, size in _SIZES.rows(tx, (), among=indices)}
    wanted = indices[: _fitting([size_of[index] for index in indices], bytes_max)]
    rows = {int(index): (bytes(leaf), bytes(data)) for index, leaf, data in _PICKED.rows(tx, (), among=wanted)}
    return [StoredEntry(index, *rows[index]) for index in wanted]


def _fitting(sizes: Sequence[int], bytes_max: int) -> int:
    """How many of the first sizes fit."""
    total = 0
    for number, size in enumerate(sizes):
        total += size
        if total > bytes_max and number > 0:
            return number
    return len(sizes)
