"""The table of tenants; nobody else touches it. What their quotas count: counts.py."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from kms.core.database import UtcTime, metadata
from kms.core.names import TenantName
from kms.tenants.model import ChannelRules, Quotas, Tenant, TenantState

_CHUNK = 500
_quotas_json = TypeAdapter(Quotas)
_channels_json = TypeAdapter(ChannelRules)

_tenant = sa.Table(
    "tenant",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("display_name", sa.String(100), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    # JSON. NULL: the server's defaults.
    sa.Column("quotas", sa.Text),
    sa.Column("channels", sa.Text),
    sa.Column("reason", sa.String(512), nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("create_time", UtcTime, nullable=False),
    sa.Column("update_time", UtcTime, nullable=False),
    sa.Index("ix_tenant_create_time", "create_time", "tenant"),
)


def find(tx: Connection, tenant: str) -> Tenant | None:
    row = tx.execute(sa.select(_tenant).where(_tenant.c.tenant == tenant)).first()
    return None if row is None else _read(row)


def find_many(tx: Connection, tenants: Sequence[str]) -> list[Tenant | None]:
    """In the order of the ids; None for one that there is not."""
    found: dict[str, Tenant] = {}
    for start in range(0, len(tenants), _CHUNK):
        query = sa.select(_tenant).where(_tenant.c.tenant.in_(tenants[start : start + _CHUNK]))
        found.update((row.tenant, _read(row)) for row in tx.execute(query))
    return [found.get(tenant) for tenant in tenants]


def quotas_held(tx: Connection, tenant: str) -> Quotas | None:
    """Of the tenant as it stays until the transaction ends: who changes its quotas waits. None: the defaults."""
    query = sa.select(_tenant.c.quotas).where(_tenant.c.tenant == tenant).with_for_update(read=True)
    text = tx.execute(query).scalar()
    return None if text is None else _quotas_json.validate_json(text)


def quotas_of(tx: Connection, tenant: str) -> Quotas | None:
    """The same in a read transaction."""
    text = tx.execute(sa.select(_tenant.c.quotas).where(_tenant.c.tenant == tenant)).scalar()
    return None if text is None else _quotas_json.validate_json(text)


def list_tenants(tx: Connection, *, after: tuple[datetime, str] | None, limit: int) -> list[Tenant]:
    """Oldest first, those that come after that creation time and id."""
    query = sa.select(_tenant).order_by(_tenant.c.create_time, _tenant.c.tenant).limit(limit)
    if after is not None:
        moment, tenant = after
        later = sa.and_(_tenant.c.create_time == moment, _tenant.c.tenant > tenant)
        query = query.where(sa.or_(_tenant.c.create_time > moment, later))
    return [_read(row) for row in tx.execute(query)]


def insert(tx: Connection, tenant: Tenant) -> bool:
    """False when there is one with this id, and then nothing was written."""
    try:
        with tx.begin_nested():
            tx.execute(
                _tenant.insert().values(
                    tenant=tenant.name.tenant, create_time=tenant.create_time, **_changing(tenant, tenant.revision)
                )
            )
    except IntegrityError:
        return False
    return True


def save(tx: Connection, after: Tenant, *, before: Tenant) -> bool:
    """Compare and set: False when it is not as `before` any more, and then nothing was written."""
    same = sa.and_(_tenant.c.tenant == before.name.tenant, _tenant.c.revision == before.revision)
    return tx.execute(_tenant.update().where(same).values(_changing(after, before.revision + 1))).rowcount == 1


def _changing(tenant: Tenant, revision: int) -> dict[str, Any]:
    return {
        "display_name": tenant.display_name,
        "state": tenant.state,
        "quotas": None if tenant.quotas is None else _quotas_json.dump_json(tenant.quotas).decode(),
        "channels": None if tenant.channels is None else _channels_json.dump_json(tenant.channels).decode(),
        "reason": tenant.reason,
        "revision": revision,
        "update_time": tenant.update_time,
    }


def _read(row: sa.Row[Any]) -> Tenant:
    return Tenant(
        name=TenantName(row.tenant),
        display_name=row.display_name,
        state=TenantState(row.state),
        quotas=None if row.quotas is None else _quotas_json.validate_json(row.quotas),
        channels=None if row.channels is None else _channels_json.validate_json(row.channels),
        reason=row.reason,
        revision=row.revision,
        create_time=row.create_time,
        update_time=row.update_time,
    )
