"""Tables of appraisal policies; nobody else touches them. Versions are never changed; which one is in force is one row
for each tenant.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from attestation.policy_file import PolicyForm
from kms.appraisal.model import BUILT_IN, PolicyName, PolicyState, PolicyVersion
from kms.core.database import UtcTime, metadata
from kms.core.errors import Aborted, Reason
from kms.keys.model import ServiceSignature

_version = sa.Table(
    "appraisal_policy",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("title", sa.String(100), nullable=False),
    sa.Column("document", sa.LargeBinary, nullable=False),
    sa.Column("form", sa.String(8), nullable=False),
    sa.Column("policy_sha256", sa.String(64), nullable=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("key_version", sa.String(512), nullable=False),
    sa.Column("signature", sa.LargeBinary, nullable=False),
    sa.Column("context", sa.String(255), nullable=False),
    sa.Column("create_time", UtcTime, nullable=False),
    sa.Column("activate_time", UtcTime),
    sa.Column("revoke_time", UtcTime),
)

_in_force = sa.Table(
    "appraisal_policy_in_force",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
)


def newest_number(tx: Connection, tenant: str) -> int:
    """0 when there is none."""
    found = tx.execute(sa.select(sa.func.max(_version.c.number)).where(_version.c.tenant == tenant)).scalar()
    return found or 0


def insert(tx: Connection, version: PolicyVersion) -> None:
    """Raises Aborted when another replica took the number."""
    assert version.signature is not None
    row = {
        "tenant": version.name.tenant,
        "number": version.name.number,
        "title": version.title,
        "document": version.document,
        "form": version.form,
        "policy_sha256": version.policy_sha256,
        "payload": version.payload,
        "key_version": version.signature.key_version,
        "signature": version.signature.signature,
        "context": version.signature.context,
        "create_time": version.create_time,
    }
    try:
        with tx.begin_nested():
            tx.execute(_version.insert().values(row))
    except IntegrityError:
        raise changed_meanwhile() from None


def find(tx: Connection, name: PolicyName) -> PolicyVersion | None:
    """A version that was set; with `name.number` None the one in force."""
    number = active_number(tx, name.tenant) if name.number is None else name.number
    row = tx.execute(sa.select(_version).where(_at(name.tenant, number))).first()
    return None if row is None else _read(row, active_number(tx, name.tenant))


def newest(tx: Connection, tenant: str, *, before: int | None, limit: int) -> Sequence[PolicyVersion]:
    """Newest first, below the number `before`."""
    query = sa.select(_version).where(_version.c.tenant == tenant).order_by(_version.c.number.desc()).limit(limit)
    if before is not None:
        query = query.where(_version.c.number < before)
    active = active_number(tx, tenant)
    return [_read(row, active) for row in tx.execute(query)]


def active_number(tx: Connection, tenant: str) -> int:
    """0: the built-in one."""
    found = tx.execute(sa.select(_in_force.c.number).where(_in_force.c.tenant == tenant)).scalar()
    return found or 0


def in_force(tx: Connection, tenant: str) -> tuple[int, bool]:
    """The number of the one in force, and whether it was revoked."""
    number = active_number(tx, tenant)
    return number, tx.execute(sa.select(_version.c.revoke_time).where(_at(tenant, number))).scalar() is not None


def set_revoked(tx: Connection, name: PolicyName, now: datetime) -> None:
    """For ever. Which one is in force does not change."""
    assert name.number is not None
    tx.execute(_version.update().where(_at(name.tenant, name.number)).values(revoke_time=now))


def activate(tx: Connection, name: PolicyName, *, replaces: int, now: datetime) -> None:
    """The built-in one (number 0): none of the tenant's own is any more. Raises Aborted when another one than
    `replaces` is in force.
    """
    assert name.number is not None
    ours = sa.and_(_in_force.c.tenant == name.tenant, _in_force.c.number == replaces)
    if name.number == BUILT_IN:
        if tx.execute(_in_force.delete().where(ours)).rowcount == 0:
            raise changed_meanwhile()
        return
    if replaces:
        if tx.execute(_in_force.update().where(ours).values(number=name.number)).rowcount == 0:
            raise changed_meanwhile()
    else:
        try:
            with tx.begin_nested():
                tx.execute(_in_force.insert().values(tenant=name.tenant, number=name.number))
        except IntegrityError:
            raise changed_meanwhile() from None
    tx.execute(_version.update().where(_at(name.tenant, name.number)).values(activate_time=now))


def changed_meanwhile() -> Aborted:
    return Aborted(Reason.INTERNAL, "another call changed the policies of this tenant meanwhile; retry")


def _at(tenant: str, number: int) -> sa.ColumnElement[bool]:
    return sa.and_(_version.c.tenant == tenant, _version.c.number == number)


def _read(row: Any, active: int) -> PolicyVersion:
    return PolicyVersion(
        name=PolicyName(row.tenant, row.number),
        title=row.title,
        document=row.document,
        form=PolicyForm(row.form),
        policy_sha256=row.policy_sha256,
        payload=row.payload,
        signature=ServiceSignature(
            key_version=row.key_version, signature=row.signature, context=row.context, sign_time=row.create_time
        ),
        create_time=row.create_time,
        activate_time=row.activate_time,
        state=_state(row, active),
    )


def _state(row: Any, active: int) -> PolicyState:
    if row.revoke_time is not None:
        return PolicyState.REVOKED
    if row.number == active:
        return PolicyState.ACTIVE
    return PolicyState.PENDING if row.activate_time is None else PolicyState.REPLACED
