"""Which of many devices may be relied on now: one statement for each few hundred, without reading whole verdicts."""

from collections.abc import Iterable
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.core.database import metadata
from kms.core.names import ChildName
from kms.devices import store  # noqa: F401 - it declares the table
from kms.devices.model import DeviceState
from kms.devices.verdict_store import verdict_table

_CHUNK: Final = 500


def appraised(tx: Connection, names: Iterable[ChildName]) -> frozenset[ChildName]:
    """Those that are attested, whose newest verdict is positive, and that were not revoked."""
    by_tenant: dict[str, list[str]] = {}
    for name in names:
        by_tenant.setdefault(name.tenant, []).append(name.id)
    found: set[ChildName] = set()
    for tenant, ids in by_tenant.items():
        for start in range(0, len(ids), _CHUNK):
            rows = tx.execute(_query(tx, tenant, ids[start : start + _CHUNK])).scalars()
            found.update(ChildName(tenant, "devices", each) for each in rows)
    return frozenset(found)


def _query(tx: Connection, tenant: str, ids: list[str]) -> sa.Select[Any]:
    device = metadata.tables["device"]
    verdict: Any = verdict_table.c.verdict  # JSON in a column of text
    document = sa.cast(verdict, sa.JSON) if tx.dialect.name == "postgresql" else sa.type_coerce(verdict, sa.JSON)
    newest = sa.and_(verdict_table.c.tenant == device.c.tenant, verdict_table.c.id == device.c.latest_verdict)
    return (
        sa.select(device.c.id)
        .join(verdict_table, newest)
        .where(device.c.tenant == tenant, device.c.id.in_(ids), device.c.state == DeviceState.ATTESTED)
        .where(device.c.verdict_revoke_time.is_(None))
        .where(document["appraised"].as_boolean())
    )
