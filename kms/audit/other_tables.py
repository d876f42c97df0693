"""What the report counts in tables of other features: read only, and by their columns alone.

tests/unit/kms/audit holds every one of these against rows that the features themselves wrote.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.core.database import from_microseconds, to_microseconds
from kms.core.direct_sql import DirectSql
from kms.core.names import KeyName
from kms.devices.model import DeviceState
from kms.keys.entries import EVENT_TYPE as SIGNATURE_CREATED
from kms.keys.model import SYSTEM_TENANT, KeyVersionState
from kms.keys.tables import key_table, version_table

_ED25519: Final = -8
"""COSE algorithm EdDSA (RFC 9053, section 2.2): of keys that sign receipts."""
_DESTROYED: Final = KeyVersionState.DESTROYED.value
_INDEXED: Final = DirectSql("SELECT max(idx) FROM tlog_search")
_BY_HOUR: Final = DirectSql(
    "SELECT tenant, subject, event_time / 3600000000, count(*) FROM tlog_search "
    "WHERE idx >= ? AND idx < ? AND event_type = ? GROUP BY tenant, subject, event_time / 3600000000"
)
_CHECKPOINTS: Final = DirectSql("SELECT count(*) FROM tlog_checkpoint WHERE sign_time >= ? AND sign_time < ?")
_RECEIPT_KEYS: Final = DirectSql("SELECT count(*) FROM tlog_receipt_key WHERE algorithm = ?")
_HOUR_MICROSECONDS: Final = 3_600_000_000

_device = sa.table("device", sa.column("tenant"), sa.column("state"))
_approval = sa.table("proposal_approval", sa.column("tenant"), sa.column("approve_time"))


def indexed_size(tx: Connection) -> int:
    """Entries below this index can be found by type."""
    ((highest,),) = _INDEXED.rows(tx)
    return 0 if highest is None else int(highest) + 1


def signatures_by_hour(tx: Connection, start: int, stop: int) -> list[tuple[str, str, datetime, int]]:
    """(tenant, key version, hour, how many) among the entries [start, stop) of the log."""
    rows = _BY_HOUR.rows(tx, (start, stop, SIGNATURE_CREATED))
    return [(tenant, name, from_microseconds(hour * _HOUR_MICROSECONDS), int(n)) for tenant, name, hour, n in rows]


def key_algorithm(tx: Connection, name: KeyName) -> str | None:
    """Title of its algorithm; None when there is no such key."""
    query = sa.select(key_table.c.algorithm).where(key_table.c.tenant == name.tenant, key_table.c.key_id == name.key)
    found: str | None = tx.execute(query).scalar()
    return found


def key_versions(tx: Connection, tenant: str | None) -> dict[str, int]:
    """Versions whose key there still is, by algorithm. Of all tenants, the service itself too, where none is named."""
    same = sa.and_(key_table.c.tenant == version_table.c.tenant, key_table.c.key_id == version_table.c.key_id)
    query = sa.select(key_table.c.algorithm, sa.func.count()).select_from(version_table.join(key_table, same))
    query = query.where(version_table.c.state != _DESTROYED)
    return _by_name(tx.execute(_of(query, version_table.c.tenant, tenant).group_by(key_table.c.algorithm)).all())


def service_key_versions(tx: Connection) -> dict[str, int]:
    """The service's own, as `key_versions`."""
    return key_versions(tx, SYSTEM_TENANT)


def devices(tx: Connection, tenant: str | None) -> int:
    """Attested ones that were not revoked."""
    query = sa.select(sa.func.count()).select_from(_device).where(_device.c.state == DeviceState.ATTESTED.value)
    return int(tx.execute(_of(query, _device.c.tenant, tenant)).scalar_one())


def approvals(tx: Connection, tenant: str | None, *, since: datetime, until: datetime) -> int:
    """Given in [since, until)."""
    given = _approval.c.approve_time
    query = sa.select(sa.func.count()).select_from(_approval)
    query = query.where(given >= to_microseconds(since), given < to_microseconds(until))
    return int(tx.execute(_of(query, _approval.c.tenant, tenant)).scalar_one())


def checkpoints(tx: Connection, *, since: datetime, until: datetime) -> int:
    """Of the log that is written now, signed in [since, until)."""
    ((count,),) = _CHECKPOINTS.rows(tx, (to_microseconds(since), to_microseconds(until)))
    return int(count)


def classical_receipt_keys(tx: Connection) -> int:
    """Ed25519 keys that sign COSE receipts."""
    ((count,),) = _RECEIPT_KEYS.rows(tx, (_ED25519,))
    return int(count)


def _of(query: "sa.Select[Any]", column: "sa.ColumnElement[Any]", tenant: str | None) -> "sa.Select[Any]":
    return query if tenant is None else query.where(column == tenant)


def _by_name(rows: Sequence[Any]) -> dict[str, int]:
    return {name: int(count) for name, count in rows}
