"""The table of sessions; nobody else touches it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.audit.adding import AddMany
from kms.audit.model import CertificateFacts, Session
from kms.audit.safety import of_group
from kms.audit.tables import session_table as _session
from kms.core.database import to_microseconds

_ADD: Final = AddMany(
    "session",
    (
        "id", "tenant", "caller", "authentication", "tls_version", "tls_group", "post_quantum", "certificate_key",
        "certificate_signature", "start_time", "last_time", "calls", "refused", "bytes",
    ),
    key=("id",),
    sums=("calls", "refused", "bytes"),
    latest=("last_time",),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended, newest first."""

    start_time: datetime
    id: str


def add(tx: Connection, rows: Sequence[Session]) -> None:
    """Counts are added to what is there."""
    _ADD(tx, [_row(session) for session in rows])


def listing(
    tx: Connection, tenant: str | None, *, classical_only: bool, after: Place | None, limit: int
) -> list[Session]:
    """Newest first; of all tenants where none is named."""
    query = sa.select(_session)
    if tenant is not None:
        query = query.where(_session.c.tenant == tenant)
    if classical_only:
        query = query.where(_session.c.post_quantum == sa.false())
    if after is not None:
        older = sa.and_(_session.c.start_time == after.start_time, _session.c.id < after.id)
        query = query.where(sa.or_(_session.c.start_time < after.start_time, older))
    rows = tx.execute(query.order_by(_session.c.start_time.desc(), _session.c.id.desc()).limit(limit))
    return [_read(row) for row in rows]


def counts(
    tx: Connection, tenant: str | None, columns: Sequence[str], *, since: datetime, until: datetime
) -> list[tuple[tuple[str, ...], int]]:
    """How many sessions lived in [since, until), by the values of some columns."""
    shown = [_session.c[name] for name in columns]
    query = sa.select(*shown, sa.func.count()).where(_session.c.last_time >= since, _session.c.start_time < until)
    if tenant is not None:
        query = query.where(_session.c.tenant == tenant)
    return [(tuple(row[:-1]), int(row[-1])) for row in tx.execute(query.group_by(*shown).order_by(*shown))]


def remove(tx: Connection, *, before: datetime, limit: int) -> int:
    """At most so many of those that ended before. How many went."""
    old = sa.select(_session.c.id).where(_session.c.last_time < before).limit(limit)
    return tx.execute(_session.delete().where(_session.c.id.in_(old))).rowcount


def end_of_surplus(tx: Connection, kept: int) -> datetime | None:
    """What ended before this is more than the newest `kept`; None while there are not so many."""
    query = sa.select(_session.c.last_time).order_by(_session.c.last_time.desc()).offset(kept - 1).limit(1)
    return tx.execute(query).scalar()


def _row(session: Session) -> tuple[Any, ...]:
    return (
        session.id,
        session.tenant,
        session.caller,
        session.authentication,
        session.tls_version,
        session.tls_group,
        of_group(session.tls_version, session.tls_group).is_covered,
        session.certificate.key,
        session.certificate.signature,
        to_microseconds(session.start_time),
        to_microseconds(session.last_time),
        session.calls,
        session.refused,
        session.bytes,
    )


def _read(row: sa.Row[Any]) -> Session:
    return Session(
        id=row.id,
        tenant=row.tenant,
        caller=row.caller,
        authentication=row.authentication,
        tls_version=row.tls_version,
        tls_group=row.tls_group,
        certificate=CertificateFacts(row.certificate_key, row.certificate_signature),
        start_time=row.start_time,
        last_time=row.last_time,
        calls=row.calls,
        refused=row.refused,
        bytes=row.bytes,
    )
