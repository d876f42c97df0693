"""What rules may ask of keys, read for many names at once."""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.core.names import AliasName, KeyName
from kms.core.resources import ResourceFacts, Sensitivity
from kms.keys.algorithms import algorithm_titled
from kms.keys.tables import alias_table, key_table

Name: TypeAlias = KeyName | AliasName
_COLUMNS: Final[tuple[sa.ColumnElement[Any], ...]] = (
    key_table.c.tenant,
    key_table.c.key_id,
    key_table.c.purpose,
    key_table.c.algorithm,
    key_table.c.sensitivity,
    key_table.c.labels,
)


def find_facts(tx: Connection, names: Sequence[Name]) -> list[ResourceFacts | None]:
    """In the order of the names; None where there is no such key or alias."""
    found: dict[Name, ResourceFacts] = {}
    for tenant in {name.tenant for name in names}:
        found |= _keys(tx, tenant, [name.key for name in names if isinstance(name, KeyName) and name.tenant == tenant])
        aliases = [name.alias for name in names if isinstance(name, AliasName) and name.tenant == tenant]
        found |= _aliased(tx, tenant, aliases)
    return [found.get(name) for name in names]


def _keys(tx: Connection, tenant: str, ids: list[str]) -> dict[Name, ResourceFacts]:
    if not ids:
        return {}
    wanted = sa.select(*_COLUMNS).where(key_table.c.tenant == tenant, key_table.c.key_id.in_(ids))
    return {KeyName(tenant, row.key_id): _facts(row) for row in tx.execute(wanted)}


def _aliased(tx: Connection, tenant: str, aliases: list[str]) -> dict[Name, ResourceFacts]:
    if not aliases:
        return {}
    of_key = sa.and_(alias_table.c.tenant == key_table.c.tenant, alias_table.c.key_id == key_table.c.key_id)
    wanted = (
        sa.select(alias_table.c.alias, *_COLUMNS)
        .join(key_table, of_key)
        .where(alias_table.c.tenant == tenant, alias_table.c.alias.in_(aliases))
    )
    return {AliasName(tenant, row.alias): _facts(row) for row in tx.execute(wanted)}


def _facts(row: sa.Row[Any]) -> ResourceFacts:
    return ResourceFacts(
        name=str(KeyName(row.tenant, row.key_id)),
        tenant=row.tenant,
        kind="keys",
        sensitivity=Sensitivity[row.sensitivity.upper()],
        purpose=row.purpose.upper(),
        algorithm=algorithm_titled(row.algorithm).name,
        labels=row.labels,
    )
