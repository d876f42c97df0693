"""How many bytes each caller moved over classical sessions, by the hour: what replicas tell each other."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.core.database import metadata
from kms.server.channel_account import HOURS_COUNTED, ByHour

_CHUNK: Final = 500

classical_use = sa.Table(
    "classical_use",
    metadata,
    sa.Column("caller", sa.String(512), primary_key=True),  # SPIFFE ID
    sa.Column("hour", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Index("ix_classical_use_hour", "hour"),
)

_ADD: Final = sa.text(
    "INSERT INTO classical_use (caller, hour, bytes) VALUES (:caller, :hour, :bytes)"
    " ON CONFLICT (caller, hour) DO UPDATE SET bytes = classical_use.bytes + excluded.bytes"
)
"""SQLite and PostgreSQL alike."""


def add_use(tx: Connection, uses: Mapping[str, ByHour]) -> None:
    """In the order of the callers, so that two replicas never wait for each other in a ring."""
    rows = [
        {"caller": caller, "hour": hour, "bytes": moved}
        for caller, by_hour in sorted(uses.items())
        for hour, moved in sorted(by_hour.items())
    ]
    if rows:
        tx.execute(_ADD, rows)


def read_use(tx: Connection, callers: Sequence[str], hour: int) -> list[ByHour]:
    """In the order of the callers: what counts in this hour."""
    found: dict[str, dict[int, int]] = defaultdict(dict)
    for start in range(0, len(callers), _CHUNK):
        wanted = sa.select(classical_use).where(
            classical_use.c.caller.in_(callers[start : start + _CHUNK]), classical_use.c.hour > hour - HOURS_COUNTED
        )
        for row in tx.execute(wanted):
            found[row.caller][row.hour] = row.bytes
    return [found[caller] for caller in callers]


def prune_use(tx: Connection, hour: int) -> None:
    """What counts no more in this hour."""
    tx.execute(classical_use.delete().where(classical_use.c.hour <= hour - HOURS_COUNTED))
