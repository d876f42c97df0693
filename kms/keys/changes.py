"""The count of changes of a tenant's keys: how the maker of trust bundles learns that its bundle is out of date."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from kms.keys.tables import change_table


def mark_changed(tx: Connection, tenant: str) -> None:
    """In the transaction of the change."""
    chosen = change_table.c.tenant == tenant
    grown = change_table.update().where(chosen).values(changes=change_table.c.changes + 1)
    if tx.execute(grown).rowcount:
        return
    try:
        with tx.begin_nested():
            tx.execute(change_table.insert().values(tenant=tenant, changes=1))
    except IntegrityError:  # another replica was first
        tx.execute(grown)


def changes_of(tx: Connection, tenant: str) -> int:
    """0 for a tenant without keys."""
    found = tx.execute(sa.select(change_table.c.changes).where(change_table.c.tenant == tenant)).scalar()
    return int(found or 0)


def changes_by_tenant(tx: Connection) -> dict[str, int]:
    """Every tenant that ever had a key."""
    return {row.tenant: row.changes for row in tx.execute(sa.select(change_table))}
