"""What background work is due, and its claims.

A claim is a compare-and-set on a time in the row: of several replicas one gets it, and when that one dies another gets
it after CLAIM_LIFETIME. Nothing depends on a claim being held: what the work writes is a compare-and-set again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.core.clock import CLOCK_SKEW_MAX, is_ahead
from kms.core.database import to_microseconds
from kms.core.names import KeyName, KeyVersionName
from kms.keys.model import Key, KeyVersion, KeyVersionState
from kms.keys.store import change_key
from kms.keys.tables import key_table, version_table

CLAIM_LIFETIME = timedelta(seconds=60)
_BATCH = 100
_of_its_key = sa.and_(
    key_table.c.tenant == version_table.c.tenant,
    key_table.c.key_id == version_table.c.key_id,
)


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


def rotations_ahead(tx: Connection, now: datetime) -> Sequence[KeyName]:
    """Keys whose next rotation is further away than their period is long: planned while a clock was ahead.

    Without those of which a version waits: it begins later than now, and the period counts from there.
    """
    planned = sa.type_coerce(key_table.c.next_rotation_time, sa.BigInteger)
    waiting = sa.exists().where(_of_its_key, version_table.c.state == KeyVersionState.PRE_ACTIVE)
    rows = tx.execute(
        sa.select(key_table.c.tenant, key_table.c.key_id)
        .where(planned > to_microseconds(now + CLOCK_SKEW_MAX) + key_table.c.rotation_period * 1_000_000)
        .where(key_table.c.revoke_time.is_(None), ~waiting)
        .limit(_BATCH)
    )
    return [KeyName(row.tenant, row.key_id) for row in rows]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A version that is to sign from `activate_time` on, if its key has been public for the whole lead by then."""

    name: KeyVersionName
    create_time: datetime
    activate_time: datetime

    @classmethod
    def of(cls, version: KeyVersion) -> "Waiting | None":
        """None for a version that waits for an operator, or does not wait."""
        if version.state is not KeyVersionState.PRE_ACTIVE or version.activate_time is None:
            return None
        return cls(version.name, version.create_time, version.activate_time)

    def may_begin(self, published: datetime, now: datetime) -> bool:
        """`published`: since when a public trust bundle holds it, which may have been late."""
        lead = self.activate_time - self.create_time
        planned = published if is_ahead(self.create_time, now) else self.activate_time
        return now >= max(planned, published + lead)


def promotions_due(tx: Connection, now: datetime) -> Sequence[Waiting]:
    """Versions that may begin to sign by the clock, longest overdue first. Whether they were published: kms.trust.

    Without those of keys that have no version that signs: an operator stopped them.
    """
    by_clock = sa.or_(version_table.c.activate_time <= now, version_table.c.create_time > now + CLOCK_SKEW_MAX)
    rows = tx.execute(
        sa.select(version_table)
        .join(key_table, _of_its_key)
        .where(key_table.c.primary_version.is_not(None), key_table.c.revoke_time.is_(None))
        .where(version_table.c.state == KeyVersionState.PRE_ACTIVE, version_table.c.activate_time.is_not(None))
        .where(by_clock)
        .order_by(version_table.c.activate_time)
    )
    return [
        Waiting(KeyVersionName(row.tenant, row.key_id, row.number), row.create_time, row.activate_time) for row in rows
    ]


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
        _is_free(claim, now),
    )


def _destruction_due(now: datetime) -> sa.ColumnElement[bool]:
    claim = version_table.c.destroy_claim_time
    return sa.and_(
        version_table.c.state == KeyVersionState.DESTROY_SCHEDULED,
        version_table.c.destroy_time <= now,
        _is_free(claim, now),
    )


def _is_free(claim: sa.Column[datetime], now: datetime) -> sa.ColumnElement[bool]:
    """Also when it was made by a clock that was ahead."""
    return sa.or_(claim.is_(None), claim <= now - CLAIM_LIFETIME, claim > now + CLAIM_LIFETIME)


def _versions(tx: Connection, query: sa.Select[tuple[object, ...]]) -> Sequence[KeyVersionName]:
    return [KeyVersionName(row.tenant, row.key_id, row.number) for row in tx.execute(query.limit(_BATCH))]
