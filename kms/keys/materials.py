"""Sealed material by itself: for the jobs that seal it anew or erase it."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.core.names import KeyVersionName
from kms.keys.model import KeyPurpose
from kms.keys.tables import key_table, version_table


def materials_after(
    tx: Connection, after: KeyVersionName | None, limit: int
) -> Sequence[tuple[KeyVersionName, KeyPurpose, bytes]]:
    """Name, purpose and material of every version that still has one, in the order of names."""
    same_key = sa.and_(key_table.c.tenant == version_table.c.tenant, key_table.c.key_id == version_table.c.key_id)
    place = (version_table.c.tenant, version_table.c.key_id, version_table.c.number)
    query = (
        sa.select(*place, version_table.c.material, key_table.c.purpose)
        .join(key_table, same_key)
        .where(version_table.c.material.is_not(None))
        .order_by(*place)
        .limit(limit)
    )
    if after is not None:
        query = query.where(sa.tuple_(*place) > sa.tuple_(after.tenant, after.key, after.version))
    return [
        (KeyVersionName(row.tenant, row.key_id, row.number), KeyPurpose(row.purpose), row.material)
        for row in tx.execute(query)
    ]


def replace_material(tx: Connection, name: KeyVersionName, *, old: bytes, new: bytes) -> bool:
    """The same key sealed anew. Compare-and-set on the bytes that were read; nothing that callers see changes."""
    changed = tx.execute(
        version_table.update().where(*_this(name), version_table.c.material == old).values(material=new)
    )
    return changed.rowcount == 1


def erase_material(tx: Connection, name: KeyVersionName, *, public_key: bytes) -> None:
    """The sealed private half is gone from the row, the public key stays in it."""
    tx.execute(version_table.update().where(*_this(name)).values(material=None, public_key=public_key))


def _this(name: KeyVersionName) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        version_table.c.tenant == name.tenant,
        version_table.c.key_id == name.key,
        version_table.c.number == name.version,
    )
