"""The table of artifacts and models of which something was said; nobody else touches it."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from kms.artifacts.model import COLLECTION, ArtifactStatus, ModelName
from kms.core.database import UtcTime, metadata
from kms.core.names import DigestName
from kms.events.model import Status

_CHUNK = 500

_status = sa.Table(
    "artifact_status",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("name", sa.String(512), primary_key=True),
    sa.Column("state", sa.SmallInteger, nullable=False),
    sa.Column("minimum_version", sa.BigInteger, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("update_time", UtcTime, nullable=False),
)


def find(tx: Connection, name: DigestName | ModelName) -> ArtifactStatus | None:
    """None when nothing was ever said of it: it is valid."""
    row = tx.execute(sa.select(_status).where(_named(name))).first()
    return None if row is None else _read(row)


def hold(tx: Connection, *names: DigestName | ModelName) -> None:
    """Until this transaction ends nobody says anything new of them, also where nothing was ever said and there is no
    row to lock. Look at them after this. Always the artifact before its model.
    """
    _lock(tx, sa.func.pg_advisory_xact_lock_shared, *map(str, names))


def hold_all(tx: Connection, tenant: str) -> None:
    """As `hold`, for all artifacts of the tenant, by one lock: for batches of thousands, which PostgreSQL's table of
    locks has no room for.
    """
    _lock(tx, sa.func.pg_advisory_xact_lock_shared, _all_of(tenant))


def blocked(tx: Connection, tenant: str, digests: Collection[str]) -> dict[str, Status]:
    """Those of the artifacts (SHA-256, hex) that may not be used: digest -> INVALID or SUSPENDED."""
    found, wanted = dict[str, Status](), [str(DigestName(tenant, COLLECTION, digest)) for digest in digests]
    for start in range(0, len(wanted), _CHUNK):
        some = _status.c.name.in_(wanted[start : start + _CHUNK])
        query = sa.select(_status.c.name, _status.c.state).where(
            _status.c.tenant == tenant, some, _status.c.state != int(Status.VALID)
        )
        found |= {row.name.rpartition("/")[2]: Status(row.state) for row in tx.execute(query)}
    return found


def list_statuses(tx: Connection, tenant: str, *, after: str, limit: int) -> Sequence[ArtifactStatus]:
    """Those whose name comes after `after`, in the order of their names: artifacts, then models."""
    query = sa.select(_status).where(_status.c.tenant == tenant, _status.c.name > after)
    return [_read(row) for row in tx.execute(query.order_by(_status.c.name).limit(limit))]


def save(tx: Connection, status: ArtifactStatus, *, before: int) -> bool:
    """Compare and set: False when the revision is not `before` (0: none) any more, and then nothing was written."""
    _lock_for_change(tx, status.name)
    values: dict[str, Any] = {
        "state": int(status.state),
        "minimum_version": status.minimum_version,
        "revision": status.revision,
        "update_time": status.update_time,
    }
    if before:
        same = sa.and_(_named(status.name), _status.c.revision == before)
        return tx.execute(_status.update().where(same).values(values)).rowcount == 1
    try:
        with tx.begin_nested():
            tx.execute(_status.insert().values(tenant=status.name.tenant, name=str(status.name), **values))
    except IntegrityError:
        return False
    return True


def set_revoked(tx: Connection, name: DigestName, now: datetime) -> None:
    """For ever, whether anything was said of it before or not."""
    _lock_for_change(tx, name)
    values = {"state": int(Status.INVALID), "revision": _status.c.revision + 1, "update_time": now}
    if tx.execute(_status.update().where(_named(name)).values(values)).rowcount == 0:
        first = {"minimum_version": 0, "revision": 1, "state": int(Status.INVALID), "update_time": now}
        try:
            with tx.begin_nested():
                tx.execute(_status.insert().values(tenant=name.tenant, name=str(name), **first))
        except IntegrityError:  # another replica suspends it at this moment
            tx.execute(_status.update().where(_named(name)).values(values))


def _lock_for_change(tx: Connection, name: DigestName | ModelName) -> None:
    _lock(tx, sa.func.pg_advisory_xact_lock, str(name), _all_of(name.tenant))


def _all_of(tenant: str) -> str:
    return f"tenants/{tenant}/{COLLECTION}"


def _lock(tx: Connection, function: Any, *names: str) -> None:
    """SQLite has one writer at a time anyway."""
    if tx.dialect.name == "postgresql":
        tx.execute(sa.select(*(function(sa.func.hashtextextended(name, 0)) for name in names)))


def _named(name: DigestName | ModelName) -> sa.ColumnElement[bool]:
    return sa.and_(_status.c.tenant == name.tenant, _status.c.name == str(name))


def _read(row: sa.Row[Any]) -> ArtifactStatus:
    is_artifact = row.name.split("/")[2] == COLLECTION
    return ArtifactStatus(
        name=DigestName.parse(row.name, COLLECTION) if is_artifact else ModelName.parse(row.name),
        state=Status(row.state),
        minimum_version=row.minimum_version,
        revision=row.revision,
        update_time=row.update_time,
    )
