"""What background work is due, and its claims.

A claim is a compare-and-set on a time in the row: of several replicas one gets it, and when that one dies another gets
it after CLAIM_LIFETIME. Nothing depends on a claim being held: what the work writes is a compare-and-set again.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.core.names import KeyName, KeyVersionName
from kms.keys.model import Key, KeyVersionState
from kms.keys.store import change_key
from kms.keys.tables import key_table, version_table

CLAIM_LIFETIME = timedelta(seconds=60)
_BATCH = 100


def rotations_due(tx: Connection, now: datetime) -> Sequence[KeyName]:
    """Keys whose next rotation is to begin, longest overdue first; without claimed ones."""
    rows = tx.execute(
        sa.select(key_table.c.tenant, key_table.c.key_id)
        .where(_rotation_due(now))
        .order_by(key_table.c.next_rotation_time)
        .limit(_BATCH)
    )
    return [KeyName(row.tenant, row.key_id) for row in rows]


def claim_rotation(tx: Connection, name: KeyName, now: datetime) -> bool:
    changed = tx.execute(
        key_table.update()
        .where(key_table.c.tenant == name.tenant, key_table.c.key_id == name.key, _rotation_due(now))
        .values(rotation_claim_time=now)
    )
    return changed.rowcount == 1


def promotions_due(tx: Connection, now: datetime) -> Sequence[KeyVersionName]:
    """Versions whose publish lead is over, oldest first."""
    return _versions(
        tx,
        sa.select(version_table)
        .where(version_table.c.state == KeyVersionState.PRE_ACTIVE, version_table.c.activate_time <= now)
        .order_by(version_table.c.activate_time),
    )


def destructions_due(tx: Connection, now: datetime) -> Sequence[KeyVersionName]:
    """Versions whose waiting period is over, oldest first; without claimed ones."""
    return _versions(tx, sa.select(version_table).where(_destruction_due(now)).order_by(version_table.c.destroy_time))


def claim_destruction(tx: Connection, key: Key, number: int, now: datetime) -> bool:
    """From here on there is no way back for the version: a restore that read the key before is refused."""
    if not change_key(tx, key, now=now):
        return False
    changed = tx.execute(
        version_table.update()
        .where(
            version_table.c.tenant == key.name.tenant,
            version_table.c.key_id == key.name.key,
            version_table.c.number == number,
            _destruction_due(now),
        )
        .values(destroy_claim_time=now)
    )
    return changed.rowcount == 1


def _rotation_due(now: datetime) -> sa.ColumnElement[bool]:
    claim = key_table.c.rotation_claim_time
    return sa.and_(
        key_table.c.next_rotation_time <= now,
        key_table.c.revoke_time.is_(None),
        sa.or_(claim.is_(None), claim <= now - CLAIM_LIFETIME),
    )


def _destruction_due(now: datetime) -> sa.ColumnElement[bool]:
    claim = version_table.c.destroy_claim_time
    return sa.and_(
        version_table.c.state == KeyVersionState.DESTROY_SCHEDULED,
        version_table.c.destroy_time <= now,
        sa.or_(claim.is_(None), claim <= now - CLAIM_LIFETIME),
    )


def _versions(tx: Connection, query: sa.Select[tuple[object, ...]]) -> Sequence[KeyVersionName]:
    return [KeyVersionName(row.tenant, row.key_id, row.number) for row in tx.execute(query.limit(_BATCH))]
