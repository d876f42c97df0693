"""What the database knows: how far the log is, what waits, what is overdue. One read for all of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Gauge
from sqlalchemy.engine import Connection

from kms.collateral.model import CollateralKind
from kms.core.database import from_microseconds, to_microseconds

COUNT_MAX: Final = 100_000
"""What waits is counted up to here: a count must not become the load it tells of."""
_QUERIES: Final = {
    "pending": "SELECT 1 FROM tlog_queue",
    "held": "SELECT 1 FROM event_held",
    "leases": "SELECT 1 FROM lease WHERE live AND renew_time <= :now",
    "removals": "SELECT 1 FROM removal WHERE state = 'overdue'",
}
_LOG: Final = sa.text("SELECT size FROM tlog_state")
_CHECKPOINT: Final = sa.text(
    "SELECT size, sign_time FROM tlog_checkpoint WHERE note IS NOT NULL ORDER BY size DESC LIMIT 1"
)
_ROTATION: Final = sa.text('SELECT min(next_rotation_time) FROM "key" WHERE revoke_time IS NULL')
_COLLATERAL: Final = sa.text("SELECT kind, min(fetch_time) FROM collateral_item GROUP BY kind")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Counts stop at COUNT_MAX. Times are None where there is none of it."""

    log_size: int
    published_size: int
    checkpoint_time: datetime | None
    pending: int
    held: int
    leases_due: int
    removals_overdue: int
    next_rotation: datetime | None
    collateral: dict[CollateralKind, datetime]
    """Of each kind there is, when its oldest piece was fetched."""


def read_stored(tx: Connection, now: datetime) -> Stored:
    """A read of a few indexed rows and bounded counts."""
    counts = {name: _count(tx, query, now) for name, query in _QUERIES.items()}
    newest = tx.execute(_CHECKPOINT).first()
    return Stored(
        log_size=tx.execute(_LOG).scalar() or 0,
        published_size=0 if newest is None else newest[0],
        checkpoint_time=None if newest is None else _time(newest[1]),
        pending=counts["pending"],
        held=counts["held"],
        leases_due=counts["leases"],
        removals_overdue=counts["removals"],
        next_rotation=_time(tx.execute(_ROTATION).scalar()),
        collateral={CollateralKind(kind): from_microseconds(oldest) for kind, oldest in tx.execute(_COLLATERAL)},
    )


class StoredMetrics:
    """The same for every replica of one database."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, labels, registry=registry)

        self._size = gauge("hallmark_log_size", "Entries that have their place in the log.")
        self._published = gauge("hallmark_log_published_size", "Entries that the newest signed checkpoint covers.")
        self._age = gauge("hallmark_log_checkpoint_age_seconds", "Since the newest checkpoint was signed.")
        self._pending = gauge("hallmark_log_pending_entries", "Entries that are committed and wait for their place.")
        self._held = gauge("hallmark_events_held", "Events that allow something and wait for their proof.")
        self._leases = gauge("hallmark_leases_due", "Leases whose time to be renewed has come.")
        self._removals = gauge("hallmark_removals_overdue", "Removals whose deadline passed without a receipt.")
        self._rotation = gauge(
            "hallmark_key_rotation_due_seconds", "Until the next rotation that is planned; negative: it is overdue."
        )
        self._collateral = gauge(
            "hallmark_collateral_age_seconds", "Since the oldest piece of this kind was fetched.", "kind"
        )

    def tell(self, found: Stored, now: datetime) -> None:
        self._size.set(found.log_size)
        self._published.set(found.published_size)
        self._age.set(_seconds(found.checkpoint_time, now))
        self._pending.set(found.pending)
        self._held.set(found.held)
        self._leases.set(found.leases_due)
        self._removals.set(found.removals_overdue)
        self._rotation.set(-_seconds(found.next_rotation, now))
        self._collateral.clear()
        for kind, oldest in found.collateral.items():
            self._collateral.labels(kind.value).set(_seconds(oldest, now))


def _count(tx: Connection, query: str, now: datetime) -> int:
    bounded = sa.text(f"SELECT count(*) FROM ({query} LIMIT {COUNT_MAX}) AS found")  # noqa: S608 - the texts above
    values = {"now": to_microseconds(now)} if ":now" in query else {}
    return tx.execute(bounded, values).scalar() or 0


def _time(value: int | None) -> datetime | None:
    return None if value is None else from_microseconds(value)


def _seconds(moment: datetime | None, now: datetime) -> float:
    """Since then. NaN when there is none: no rule fires for what is not there."""
    return float("nan") if moment is None else (now - moment).total_seconds()
