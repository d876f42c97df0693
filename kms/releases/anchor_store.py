"""Where the audit chains of devices were last anchored."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.core.names import ChildName
from kms.events.store import insert_if_first
from kms.releases.model import DIGEST_BYTES, AuditAnchor
from kms.releases.tables import device_audit_anchor

_NOTHING = bytes(DIGEST_BYTES)


def lock(tx: Connection, device: ChildName, now: datetime) -> AuditAnchor:
    """Size 0 before the first; nobody else anchors for the device before the commit."""
    query = sa.select(device_audit_anchor).where(_named(device)).with_for_update()
    row = tx.execute(query).first()
    if row is None:
        first: Mapping[str, Any] = {"size": 0, "head": _NOTHING, "refused_size": 0, "refused_head": _NOTHING}
        insert_if_first(
            tx, device_audit_anchor.insert().values(tenant=device.tenant, device=device.id, anchor_time=now, **first)
        )
        row = tx.execute(query).one()
    return AuditAnchor(device=device, size=row.size, head=row.head, anchor_time=row.anchor_time)


def save(tx: Connection, anchor: AuditAnchor) -> None:
    """After `lock`."""
    values = {"size": anchor.size, "head": anchor.head, "anchor_time": anchor.anchor_time}
    tx.execute(device_audit_anchor.update().where(_named(anchor.device)).values(values))


def note_refused(tx: Connection, device: ChildName, size: int, head: bytes) -> bool:
    """After `lock`. False when exactly this was refused last: it is in the log already."""
    is_new = sa.or_(device_audit_anchor.c.refused_size != size, device_audit_anchor.c.refused_head != head)
    values = {"refused_size": size, "refused_head": head}
    return tx.execute(device_audit_anchor.update().where(_named(device), is_new).values(values)).rowcount == 1


def _named(device: ChildName) -> sa.ColumnElement[bool]:
    return sa.and_(device_audit_anchor.c.tenant == device.tenant, device_audit_anchor.c.device == device.id)
