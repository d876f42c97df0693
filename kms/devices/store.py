"""Tables of devices; nobody else touches them.

Verdicts and the evidence they judged are kept, so that a verdict can be replayed. They hold what the device said about
itself: personal data, which stays in this database and never goes to the log.
"""

import contextlib
from datetime import datetime

import cbor2
import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from attestation.model import Evidence, Expectation
from kms.core.database import UtcTime, metadata
from kms.core.errors import FailedPrecondition, Reason, not_found
from kms.core.names import ChildName
from kms.devices.model import Challenge, Device, DeviceState, DeviceVerdict

_challenge = sa.Table(
    "attestation_challenge",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("caller", sa.String(512), nullable=False),
    sa.Column("value", sa.LargeBinary(32), nullable=False),
    sa.Column("expire_time", UtcTime, nullable=False, index=True),
    sa.Column("consumed_by", sa.LargeBinary(32)),
)

_verdict = sa.Table(
    "attestation_verdict",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("verdict", sa.Text, nullable=False),
    sa.Column("evidence", sa.LargeBinary, nullable=False),
    sa.Column("challenge", sa.LargeBinary(32), nullable=False),
    sa.Column("key_spki", sa.LargeBinary),
    sa.Column("create_time", UtcTime, nullable=False),
)

_device = sa.Table(
    "device",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("key_spki", sa.LargeBinary, nullable=False),
    sa.Column("latest_verdict", sa.String(36), nullable=False),
    sa.Column("create_time", UtcTime, nullable=False),
    sa.Column("update_time", UtcTime, nullable=False),
    sa.Column("revoke_time", UtcTime),
    sa.ForeignKeyConstraint(
        ["tenant", "latest_verdict"],
        ["attestation_verdict.tenant", "attestation_verdict.id"],
        name="device_latest_verdict",
    ),
)

_verdict_json = TypeAdapter(DeviceVerdict)


def insert_challenge(tx: Connection, challenge: Challenge, *, caller: str) -> None:
    name = challenge.name
    tx.execute(
        _challenge.insert().values(
            tenant=name.tenant, id=name.id, caller=caller, value=challenge.value, expire_time=challenge.expire_time
        )
    )


def consume_challenge(tx: Connection, name: ChildName, *, caller: str, attempt: bytes, now: datetime) -> bytes:
    """The challenge's bytes, once. `attempt` (the fingerprint of the call) may come back: when the server died between
    this and the verdict, the retry of the same call goes on with the challenge it consumed.

    Raises not-found (also for another caller's), FailedPrecondition/CHALLENGE_USED or CHALLENGE_EXPIRED.
    """
    mine = sa.and_(_challenge.c.tenant == name.tenant, _challenge.c.id == name.id, _challenge.c.caller == caller)
    usable = sa.or_(_challenge.c.consumed_by.is_(None), _challenge.c.consumed_by == attempt)
    consumed = tx.execute(
        _challenge.update().where(mine, usable, _challenge.c.expire_time > now).values(consumed_by=attempt)
    )
    row = tx.execute(sa.select(_challenge).where(mine)).first()
    if row is None:
        raise not_found(str(name))
    if consumed.rowcount == 1:
        value: bytes = row.value
        return value
    if row.consumed_by not in {None, attempt}:
        raise FailedPrecondition(
            Reason.CHALLENGE_USED, "this challenge was used already; ask for a new one", resource=str(name)
        )
    raise FailedPrecondition(
        Reason.CHALLENGE_EXPIRED, "this challenge has expired; ask for a new one", resource=str(name)
    )


def purge_challenges(tx: Connection, *, expired_before: datetime) -> int:
    """Forgets old challenges; returns how many."""
    return tx.execute(_challenge.delete().where(_challenge.c.expire_time < expired_before)).rowcount


def insert_verdict(tx: Connection, verdict: DeviceVerdict, evidence: Evidence, expectation: Expectation) -> None:
    """The verdict as JSON, with the evidence and the expectation it judged."""
    tx.execute(
        _verdict.insert().values(
            tenant=verdict.name.tenant,
            id=verdict.name.id,
            verdict=_verdict_json.dump_json(verdict, ensure_ascii=True).decode(),
            evidence=cbor2.dumps([[part.name, part.data] for part in evidence.parts]),
            challenge=expectation.challenge,
            key_spki=expectation.key_spki,
            create_time=verdict.verify_time,
        )
    )


def find_device(tx: Connection, name: ChildName) -> Device | None:
    row = tx.execute(
        sa.select(_device, _verdict.c.verdict)
        .join(_verdict, sa.and_(_verdict.c.tenant == _device.c.tenant, _verdict.c.id == _device.c.latest_verdict))
        .where(_named(name))
    ).first()
    if row is None:
        return None
    return Device(
        name=ChildName(row.tenant, "devices", row.id),
        state=DeviceState(row.state),
        key_spki=row.key_spki,
        latest_verdict=_verdict_json.validate_json(row.verdict),
        create_time=row.create_time,
        update_time=row.update_time,
        revoke_time=row.revoke_time,
    )


def enrol(tx: Connection, name: ChildName, *, key_spki: bytes, verdict: DeviceVerdict, now: datetime) -> Device:
    """Makes the device, or refreshes it. Its state is left alone: a revoked device stays revoked."""
    refresh = {"latest_verdict": verdict.name.id, "update_time": now}
    if tx.execute(_device.update().where(_named(name)).values(refresh)).rowcount == 0:
        first = {"state": DeviceState.ATTESTED, "key_spki": key_spki, "create_time": now}
        # Another replica may enrol the same device at this moment; then its row stands.
        with contextlib.suppress(IntegrityError), tx.begin_nested():
            tx.execute(_device.insert().values(tenant=name.tenant, id=name.id, **first, **refresh))
    device = find_device(tx, name)
    assert device is not None
    return device


def set_revoked(tx: Connection, name: ChildName, *, effective_time: datetime, now: datetime) -> None:
    """Raises the uniform not-found."""
    values = {"state": DeviceState.REVOKED, "revoke_time": effective_time, "update_time": now}
    if tx.execute(_device.update().where(_named(name)).values(values)).rowcount == 0:
        raise not_found(str(name))


def _named(name: ChildName) -> sa.ColumnElement[bool]:
    return sa.and_(_device.c.tenant == name.tenant, _device.c.id == name.id)
