"""Table of grants; nobody else touches it. A grant changes once at most: when it is taken back."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.access.grants import COLLECTION, Grant
from kms.core.database import UtcTime, metadata
from kms.core.errors import not_found
from kms.core.names import ChildName

_grant = sa.Table(
    "access_grant",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("principal", sa.String(512), nullable=False),
    sa.Column("terms", sa.LargeBinary, nullable=False),  # JSON: actions, resources, condition, reason
    sa.Column("grantor", sa.String(512), nullable=False),
    sa.Column("create_time", UtcTime, nullable=False),
    sa.Column("expire_time", UtcTime, nullable=False),
    sa.Column("revoke_time", UtcTime),
    sa.Index("ix_access_grant_live", "tenant", "expire_time"),
)


def insert(tx: Connection, grant: Grant) -> None:
    """Its name is new."""
    terms = {
        "actions": grant.actions,
        "resources": grant.resources,
        "condition": grant.condition,
        "reason": grant.reason,
    }
    row = {
        "tenant": grant.name.tenant,
        "id": grant.name.id,
        "principal": grant.principal,
        "terms": json.dumps(terms).encode(),
        "grantor": grant.grantor,
        "create_time": grant.create_time,
        "expire_time": grant.expire_time,
    }
    tx.execute(_grant.insert().values(row))


def get(tx: Connection, name: ChildName) -> Grant:
    """Raises the uniform not-found."""
    row = tx.execute(sa.select(_grant).where(_grant.c.tenant == name.tenant, _grant.c.id == name.id)).first()
    if row is None:
        raise not_found(str(name))
    return _read(row)


def set_revoked(tx: Connection, name: ChildName, now: datetime) -> None:
    ours = sa.and_(_grant.c.tenant == name.tenant, _grant.c.id == name.id, _grant.c.revoke_time.is_(None))
    tx.execute(_grant.update().where(ours).values(revoke_time=now))


def in_force(tx: Connection, tenant: str, now: datetime) -> list[Grant]:
    """Oldest first."""
    query = sa.select(_grant).where(_grant.c.tenant == tenant, _live(now)).order_by(_grant.c.id)
    return [_read(row) for row in tx.execute(query)]


def newest(
    tx: Connection, tenant: str, *, before: str, limit: int, principal: str, live_at: datetime | None
) -> Sequence[Grant]:
    """Newest first, after the id `before`. `principal`: of that one only, unless empty. `live_at`: in force then."""
    query = sa.select(_grant).where(_grant.c.tenant == tenant).order_by(_grant.c.id.desc()).limit(limit)
    if before:
        query = query.where(_grant.c.id < before)
    if principal:
        query = query.where(_grant.c.principal == principal)
    if live_at is not None:
        query = query.where(_live(live_at))
    return [_read(row) for row in tx.execute(query)]


def _live(now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(_grant.c.expire_time > now, _grant.c.revoke_time.is_(None))


def _read(row: Any) -> Grant:
    terms = json.loads(row.terms)
    return Grant(
        name=ChildName(row.tenant, COLLECTION, row.id),
        principal=row.principal,
        actions=tuple(terms["actions"]),
        resources=tuple(terms["resources"]),
        condition=terms["condition"],
        reason=terms["reason"],
        create_time=row.create_time,
        expire_time=row.expire_time,
        grantor=row.grantor,
        revoke_time=row.revoke_time,
    )
