"""The table of devices that are, or were, overdue: what is still to be done about each. Nobody else touches it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.core.names import ChildName
from kms.events.store import insert_if_first
from kms.removal.tables import overdue_device

AT_ONCE_MAX: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class OverdueDevice:
    """`told`: its feed says that it is not compliant. `revision` counts what happened to it."""

    device: ChildName
    told: bool
    revision: int


def note(tx: Connection, device: ChildName) -> None:
    """Something about what it owes has changed: somebody has to look."""
    values = {"pending": True, "revision": overdue_device.c.revision + 1}
    if tx.execute(overdue_device.update().where(_is(device)).values(values)).rowcount == 0:
        first = {"tenant": device.tenant, "device": device.id, "revision": 0, "told": False, "pending": True}
        insert_if_first(tx, overdue_device.insert().values(first))
        tx.execute(overdue_device.update().where(_is(device)).values(values))


def pending(tx: Connection) -> Sequence[OverdueDevice]:
    """Of all tenants, at most 64."""
    query = sa.select(overdue_device).where(overdue_device.c.pending == sa.true())
    query = query.order_by(overdue_device.c.tenant, overdue_device.c.device).limit(AT_ONCE_MAX)
    return [_read(row) for row in tx.execute(query)]


def set_told(tx: Connection, before: OverdueDevice, *, told: bool) -> bool:
    """False when something happened since: then whoever looks next decides anew. It stays pending."""
    values = {"told": told, "revision": before.revision + 1}
    return tx.execute(overdue_device.update().where(_is_still(before)).values(values)).rowcount == 1


def set_done(tx: Connection, seen: OverdueDevice, *, forget: bool) -> None:
    """Nothing is left to do, unless something happened since. `forget`: it owes nothing any more."""
    if forget:
        tx.execute(overdue_device.delete().where(_is_still(seen)))
    else:
        tx.execute(overdue_device.update().where(_is_still(seen)).values(pending=False))


def find(tx: Connection, device: ChildName) -> OverdueDevice | None:
    row = tx.execute(sa.select(overdue_device).where(_is(device))).first()
    return None if row is None else _read(row)


def _is(device: ChildName) -> sa.ColumnElement[bool]:
    return sa.and_(overdue_device.c.tenant == device.tenant, overdue_device.c.device == device.id)


def _is_still(seen: OverdueDevice) -> sa.ColumnElement[bool]:
    return sa.and_(_is(seen.device), overdue_device.c.revision == seen.revision)


def _read(row: sa.Row[Any]) -> OverdueDevice:
    return OverdueDevice(device=ChildName(row.tenant, "devices", row.device), told=row.told, revision=row.revision)
