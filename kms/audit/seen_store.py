"""The table of the calls that were seen; nobody else touches it."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.audit.adding import AddMany
from kms.audit.model import SeenCall, SeenKind
from kms.audit.recorder import SeenRow
from kms.audit.tables import seen_table as _seen
from kms.core.database import to_microseconds

_KIND_BYTES: Final = 16
_COLUMNS: Final = (
    "tenant", "kind", "hour", "caller", "action", "resource", "network", "tls_group", "allowed", "count", "last_time",
)  # fmt: skip
_ADD: Final = AddMany("call_seen", _COLUMNS, key=("tenant", "kind", "hour"), sums=("count",), latest=("last_time",))


def add(tx: Connection, rows: Sequence[SeenRow]) -> None:
    """Counts are added to what is there."""
    _ADD(tx, sorted(_row(row) for row in rows))


def kinds(tx: Connection, tenant: str, *, after: str, limit: int) -> list[tuple[str, SeenCall]]:
    """Kinds of calls with their mark, in the order of marks, summed over all hours that are kept."""
    alike = [_seen.c[name] for name in ("kind", "caller", "action", "resource", "network", "tls_group", "allowed")]
    query = (
        sa.select(*alike, sa.func.sum(_seen.c.count).label("total"), sa.func.max(_seen.c.last_time).label("latest"))
        .where(_seen.c.tenant == tenant, _seen.c.kind > after)
        .group_by(*alike)
        .order_by(_seen.c.kind)
        .limit(limit)
    )
    return [(row.kind, _read(tenant, row)) for row in tx.execute(query).all()]


def remove(tx: Connection, *, before: datetime, limit: int) -> int:
    """At most about so many rows of hours before. How many went."""
    hour = tx.execute(sa.select(sa.func.min(_seen.c.hour)).where(_seen.c.hour < before)).scalar()
    if hour is None:
        return 0
    first = sa.select(_seen.c.kind).where(_seen.c.hour == hour).order_by(_seen.c.kind).limit(limit)
    return tx.execute(_seen.delete().where(_seen.c.hour == hour, _seen.c.kind.in_(first))).rowcount


def _row(row: SeenRow) -> tuple[Any, ...]:
    kind = row.kind
    return (
        kind.tenant,
        _mark(kind),
        to_microseconds(row.hour),
        kind.caller,
        kind.action,
        kind.resource,
        kind.network,
        kind.tls_group,
        kind.allowed,
        row.calls,
        to_microseconds(row.last_time),
    )


def _mark(kind: SeenKind) -> str:
    """Of all that makes a kind, in hex. No member holds a line feed: they are names and addresses."""
    parts = (kind.tenant, kind.caller, kind.action, kind.resource, kind.network, kind.tls_group, str(kind.allowed))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[: 2 * _KIND_BYTES]


def _read(tenant: str, row: Any) -> SeenCall:
    kind = SeenKind(tenant, row.caller, row.action, row.resource, row.network, row.tls_group, bool(row.allowed))
    return SeenCall(kind, int(row.total), row.latest)
