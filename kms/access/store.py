"""Tables of access policies; nobody else touches them. Versions are never changed; which one is in force is one row for
each tenant, and the edition counts every change of what decides for it (also of its grants).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from kms.access.model import ROLES_ALONE, AccessPolicy, AccessPolicyName, AccessPolicyState
from kms.core.database import UtcTime, metadata
from kms.core.errors import Aborted, Reason
from kms.keys.model import ServiceSignature

_version = sa.Table(
    "access_policy",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("title", sa.String(100), nullable=False),
    sa.Column("document", sa.LargeBinary, nullable=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("key_version", sa.String(512), nullable=False),
    sa.Column("signature", sa.LargeBinary, nullable=False),
    sa.Column("context", sa.String(255), nullable=False),
    sa.Column("create_time", UtcTime, nullable=False),
    sa.Column("activate_time", UtcTime),
)

_in_force = sa.Table(
    "access_policy_in_force",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
)

_edition = sa.Table(
    "access_edition",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("edition", sa.BigInteger, nullable=False),
)


def newest_number(tx: Connection, tenant: str) -> int:
    """0 when there is none."""
    found = tx.execute(sa.select(sa.func.max(_version.c.number)).where(_version.c.tenant == tenant)).scalar()
    return found or 0


def insert(tx: Connection, policy: AccessPolicy) -> None:
    """Raises Aborted when another replica took the number."""
    assert policy.signature is not None
    row = {
        "tenant": policy.name.tenant,
        "number": policy.name.number,
        "title": policy.title,
        "document": policy.document,
        "payload": policy.payload,
        "key_version": policy.signature.key_version,
        "signature": policy.signature.signature,
        "context": policy.signature.context,
        "create_time": policy.create_time,
    }
    try:
        with tx.begin_nested():
            tx.execute(_version.insert().values(row))
    except IntegrityError:
        raise changed_meanwhile() from None


def find(tx: Connection, name: AccessPolicyName) -> AccessPolicy | None:
    """A version that was set; with `name.number` None the one in force. Number 0 is no row."""
    number = active_number(tx, name.tenant) if name.number is None else name.number
    row = tx.execute(sa.select(_version).where(_at(name.tenant, number))).first()
    return None if row is None else _read(row, active_number(tx, name.tenant))


def newest(tx: Connection, tenant: str, *, before: int | None, limit: int) -> Sequence[AccessPolicy]:
    """Newest first, below the number `before`."""
    query = sa.select(_version).where(_version.c.tenant == tenant).order_by(_version.c.number.desc()).limit(limit)
    if before is not None:
        query = query.where(_version.c.number < before)
    active = active_number(tx, tenant)
    return [_read(row, active) for row in tx.execute(query)]


def active_number(tx: Connection, tenant: str) -> int:
    """0: the roles alone."""
    found = tx.execute(sa.select(_in_force.c.number).where(_in_force.c.tenant == tenant)).scalar()
    return found or 0


def activate(tx: Connection, name: AccessPolicyName, *, replaces: int, now: datetime) -> None:
    """Number 0: none of the tenant's own is any more. Raises Aborted when another one than `replaces` is in force."""
    assert name.number is not None
    ours = sa.and_(_in_force.c.tenant == name.tenant, _in_force.c.number == replaces)
    if name.number == ROLES_ALONE:
        if tx.execute(_in_force.delete().where(ours)).rowcount == 0:
            raise changed_meanwhile()
        return
    if replaces:
        if tx.execute(_in_force.update().where(ours).values(number=name.number)).rowcount == 0:
            raise changed_meanwhile()
    else:
        _insert_in_force(tx, name)
    tx.execute(_version.update().where(_at(name.tenant, name.number)).values(activate_time=now))


def _insert_in_force(tx: Connection, name: AccessPolicyName) -> None:
    try:
        with tx.begin_nested():
            tx.execute(_in_force.insert().values(tenant=name.tenant, number=name.number))
    except IntegrityError:
        raise changed_meanwhile() from None


def count_change(tx: Connection, tenant: str) -> None:
    """In the transaction of every change: replicas look at the counter."""
    ours = _edition.update().where(_edition.c.tenant == tenant).values(edition=_edition.c.edition + 1)
    if tx.execute(ours).rowcount == 0:
        try:
            with tx.begin_nested():
                tx.execute(_edition.insert().values(tenant=tenant, edition=1))
        except IntegrityError:
            raise changed_meanwhile() from None


def editions(tx: Connection) -> dict[str, int]:
    """Of every tenant that ever had a policy or a grant."""
    return {row.tenant: row.edition for row in tx.execute(sa.select(_edition))}


def edition(tx: Connection, tenant: str) -> int:
    """0 where nothing ever changed."""
    return tx.execute(sa.select(_edition.c.edition).where(_edition.c.tenant == tenant)).scalar() or 0


def changed_meanwhile() -> Aborted:
    return Aborted(Reason.INTERNAL, "another call changed the access rules of this tenant meanwhile; retry")


def _at(tenant: str, number: int) -> sa.ColumnElement[bool]:
    return sa.and_(_version.c.tenant == tenant, _version.c.number == number)


def _read(row: Any, active: int) -> AccessPolicy:
    if row.number == active:
        state = AccessPolicyState.ACTIVE
    else:
        state = AccessPolicyState.PENDING if row.activate_time is None else AccessPolicyState.REPLACED
    return AccessPolicy(
        name=AccessPolicyName(row.tenant, row.number),
        title=row.title,
        document=row.document,
        payload=row.payload,
        signature=ServiceSignature(
            key_version=row.key_version, signature=row.signature, context=row.context, sign_time=row.create_time
        ),
        create_time=row.create_time,
        activate_time=row.activate_time,
        state=state,
    )
