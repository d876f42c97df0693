"""Aliases in the database."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.core.names import AliasName, KeyName
from kms.keys.changes import mark_changed
from kms.keys.model import Alias
from kms.keys.tables import alias_table


def find_alias(tx: Connection, name: AliasName) -> Alias | None:
    row = tx.execute(sa.select(alias_table).where(_this(name))).first()
    return None if row is None else _read(row)


def list_aliases(tx: Connection, tenant: str, *, after: str, limit: int) -> Sequence[Alias]:
    """By alias, beginning after `after`."""
    rows = tx.execute(
        sa.select(alias_table)
        .where(alias_table.c.tenant == tenant, alias_table.c.alias > after)
        .order_by(alias_table.c.alias)
        .limit(limit)
    )
    return [_read(row) for row in rows]


def insert_alias(tx: Connection, name: AliasName, key: KeyName, now: datetime) -> None:
    """Raises IntegrityError when another replica made it meanwhile."""
    tx.execute(
        alias_table.insert().values(tenant=name.tenant, alias=name.alias, key_id=key.key, revision=1, update_time=now)
    )
    mark_changed(tx, name.tenant)


def point_alias(tx: Connection, alias: Alias, key: KeyName, now: datetime) -> bool:
    """Compare-and-set on the revision that was read."""
    changed = tx.execute(
        alias_table.update()
        .where(_this(alias.name), alias_table.c.revision == alias.revision)
        .values(key_id=key.key, revision=alias.revision + 1, update_time=now)
    )
    return _noted(tx, alias, changed)


def delete_alias(tx: Connection, alias: Alias) -> bool:
    """Compare-and-set on the revision that was read."""
    changed = tx.execute(alias_table.delete().where(_this(alias.name), alias_table.c.revision == alias.revision))
    return _noted(tx, alias, changed)


def _noted(tx: Connection, alias: Alias, changed: sa.CursorResult[Any]) -> bool:
    if changed.rowcount != 1:
        return False
    mark_changed(tx, alias.name.tenant)
    return True


def _this(name: AliasName) -> sa.ColumnElement[bool]:
    return sa.and_(alias_table.c.tenant == name.tenant, alias_table.c.alias == name.alias)


def _read(row: sa.Row[Any]) -> Alias:
    return Alias(
        name=AliasName(row.tenant, row.alias),
        key=KeyName(row.tenant, row.key_id),
        revision=row.revision,
        update_time=row.update_time,
    )
