"""How many keys a tenant may have: asked where one is made."""

from typing import Protocol

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.keys.model import KeyVersionState
from kms.keys.tables import key_table, version_table


class KeyQuota(Protocol):
    """Both raise ResourceExhausted/QUOTA_EXCEEDED."""

    def check(self, tx: Connection, tenant: str) -> None:
        """Before the HSM makes a key pair. Writes nothing, may let one pass that `take` refuses."""

    def take(self, tx: Connection, tenant: str) -> None:
        """In the write transaction that makes the key, before it does: two replicas never make one too many."""


class NoQuota:
    """As many as they like."""

    def check(self, tx: Connection, tenant: str) -> None:
        """There is always room."""

    def take(self, tx: Connection, tenant: str) -> None:
        """There is always room."""


def count_keys(tx: Connection, tenant: str) -> int:
    """Those with a version that is not destroyed."""
    version = sa.select(version_table.c.number).where(
        version_table.c.tenant == key_table.c.tenant,
        version_table.c.key_id == key_table.c.key_id,
        version_table.c.state != KeyVersionState.DESTROYED,
    )
    query = sa.select(sa.func.count()).select_from(key_table).where(key_table.c.tenant == tenant, version.exists())
    return int(tx.execute(query).scalar_one())
