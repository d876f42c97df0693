"""The table of devices; nobody else touches it. Beside it: challenge_store.py, verdict_store.py."""

import contextlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from kms.core.database import UtcTime, metadata
from kms.core.errors import not_found
from kms.core.names import ChildName
from kms.devices.findings import revoked
from kms.devices.model import Device, DeviceClass, DeviceState, DeviceVerdict, HpkeKey, TpmEnrolment
from kms.devices.verdict_store import verdict_json, verdict_table

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
    sa.Column("device_class", sa.String(16), nullable=False, server_default=DeviceClass.HARDWARE.value),
    sa.Column("hpke_kem_id", sa.Integer),
    sa.Column("hpke_public_key", sa.LargeBinary),
    sa.Column("attest_time", UtcTime),
    sa.Column("assert_time", UtcTime),
    sa.Column("counter", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("tpm_ak_name", sa.LargeBinary),
    sa.Column("tpm_activation", sa.String(36)),
    sa.Column("verdict_revoke_time", UtcTime),
    sa.ForeignKeyConstraint(
        ["tenant", "latest_verdict"],
        ["attestation_verdict.tenant", "attestation_verdict.id"],
        name="device_latest_verdict",
    ),
)

_with_verdict = sa.select(_device, verdict_table.c.verdict).join(
    verdict_table,
    sa.and_(verdict_table.c.tenant == _device.c.tenant, verdict_table.c.id == _device.c.latest_verdict),
)


def find_device(tx: Connection, name: ChildName) -> Device | None:
    row = tx.execute(_with_verdict.where(_named(name))).first()
    return None if row is None else _read(row)


def find_state(tx: Connection, name: ChildName) -> DeviceState | None:
    (state,) = find_states(tx, [name])
    return state


def find_states(tx: Connection, names: Sequence[ChildName]) -> list[DeviceState | None]:
    """In the order of the names; None for a device that there is not."""
    found: dict[tuple[str, str], DeviceState] = {}
    for tenant in {name.tenant for name in names}:
        ids = [name.id for name in names if name.tenant == tenant]
        query = sa.select(_device.c.id, _device.c.state).where(_device.c.tenant == tenant, _device.c.id.in_(ids))
        found.update(((tenant, row.id), DeviceState(row.state)) for row in tx.execute(query))
    return [found.get((name.tenant, name.id)) for name in names]


def count_devices(tx: Connection, tenant: str) -> int:
    """Those that are not revoked."""
    query = sa.select(sa.func.count()).where(_device.c.tenant == tenant, _device.c.state != DeviceState.REVOKED)
    return int(tx.execute(query).scalar_one())


def find_tpm_enrolment(tx: Connection, name: ChildName) -> TpmEnrolment | None:
    """Of a device that enrolled by an activated credential and was not revoked."""
    columns = (_device.c.tpm_ak_name, _device.c.tpm_activation)
    row = tx.execute(sa.select(*columns).where(_named(name), _device.c.state == DeviceState.ATTESTED)).first()
    if row is None or row.tpm_ak_name is None:
        return None
    activation = ChildName(name.tenant, "verdicts", row.tpm_activation)
    return TpmEnrolment(device=name, ak_name=row.tpm_ak_name, activation=activation)


def tenants(tx: Connection) -> list[str]:
    """Those that have devices."""
    return list(tx.execute(sa.select(_device.c.tenant).distinct().order_by(_device.c.tenant)).scalars())


def list_devices(
    tx: Connection,
    tenant: str,
    *,
    after: str,
    limit: int,
    state: DeviceState | None = None,
    device_class: DeviceClass | None = None,
) -> list[Device]:
    """Those whose id comes after `after`, in the order of their ids."""
    query = _with_verdict.where(_device.c.tenant == tenant, _device.c.id > after).order_by(_device.c.id).limit(limit)
    if state is not None:
        query = query.where(_device.c.state == state)
    if device_class is not None:
        query = query.where(_device.c.device_class == device_class)
    return [_read(row) for row in tx.execute(query)]


def enrol(
    tx: Connection,
    name: ChildName,
    *,
    key_spki: bytes,
    verdict: DeviceVerdict,
    device_class: DeviceClass,
    counter: int,
    hpke_key: HpkeKey | None,
    activated_ak: bytes | None,
    now: datetime,
) -> None:
    """Makes the device, or refreshes it. Its state is left alone: a revoked device stays revoked. An HPKE key that was
    registered stays until another takes its place, and so does the activation that enrolled an AK (`activated_ak`: its
    name, when this verdict is one).
    """
    refresh: dict[str, Any] = {
        "latest_verdict": verdict.name.id,
        "update_time": now,
        "attest_time": now,
        "device_class": device_class,
        "counter": counter,
        "verdict_revoke_time": None,
    }
    if hpke_key is not None:
        refresh |= {"hpke_kem_id": hpke_key.kem_id, "hpke_public_key": hpke_key.public_key}
    if activated_ak is not None:
        refresh |= {"tpm_ak_name": activated_ak, "tpm_activation": verdict.name.id}
    if tx.execute(_device.update().where(_named(name)).values(refresh)).rowcount == 0:
        first = {"state": DeviceState.ATTESTED, "key_spki": key_spki, "create_time": now}
        # Another replica may enrol the same device at this moment; then its row stands.
        with contextlib.suppress(IntegrityError), tx.begin_nested():
            tx.execute(_device.insert().values(tenant=name.tenant, id=name.id, **first, **refresh))


def record_assertion(tx: Connection, name: ChildName, *, counter: int, before: int, now: datetime) -> bool:
    """Compare and set: False when the counter is not `before` any more, and then nothing was written."""
    values = {"counter": counter, "assert_time": now, "update_time": now}
    return tx.execute(_device.update().where(_named(name), _device.c.counter == before).values(values)).rowcount == 1


def set_verdict(tx: Connection, name: ChildName, *, verdict: DeviceVerdict, before: DeviceVerdict) -> bool:
    """Compare and set of the latest verdict, for a re-appraisal: False when there is a newer one, or the device or that
    verdict was revoked meanwhile.
    """
    is_latest = sa.and_(
        _device.c.latest_verdict == before.name.id,
        _device.c.state == DeviceState.ATTESTED,
        _device.c.verdict_revoke_time.is_(None),
    )
    values = {"latest_verdict": verdict.name.id}
    return tx.execute(_device.update().where(_named(name), is_latest).values(values)).rowcount == 1


def set_verdict_revoked(tx: Connection, name: ChildName, verdict: ChildName, now: datetime) -> bool:
    """False when it is not the latest one about the device; then nothing changes."""
    values = {"verdict_revoke_time": now, "update_time": now}
    is_latest = _device.c.latest_verdict == verdict.id
    return tx.execute(_device.update().where(_named(name), is_latest).values(values)).rowcount == 1


def forget_activation(tx: Connection, verdict: ChildName) -> None:
    """No TPM is known any more by what this verdict found."""
    made_by = sa.and_(_device.c.tenant == verdict.tenant, _device.c.tpm_activation == verdict.id)
    tx.execute(_device.update().where(made_by).values(tpm_ak_name=None, tpm_activation=None))


def set_revoked(tx: Connection, name: ChildName, *, effective_time: datetime, now: datetime) -> None:
    """Raises the uniform not-found."""
    values = {"state": DeviceState.REVOKED, "revoke_time": effective_time, "update_time": now}
    if tx.execute(_device.update().where(_named(name)).values(values)).rowcount == 0:
        raise not_found(str(name))


def _named(name: ChildName) -> sa.ColumnElement[bool]:
    return sa.and_(_device.c.tenant == name.tenant, _device.c.id == name.id)


def _read(row: sa.Row[Any]) -> Device:
    verdict = verdict_json.validate_json(row.verdict)
    return Device(
        name=ChildName(row.tenant, "devices", row.id),
        state=DeviceState(row.state),
        key_spki=row.key_spki,
        latest_verdict=verdict if row.verdict_revoke_time is None else revoked(verdict),
        create_time=row.create_time,
        update_time=row.update_time,
        revoke_time=row.revoke_time,
        device_class=DeviceClass(row.device_class),
        hpke_key=None if row.hpke_kem_id is None else HpkeKey(kem_id=row.hpke_kem_id, public_key=row.hpke_public_key),
        attest_time=row.attest_time or row.update_time,  # rows of the first release have no attest_time
        assert_time=row.assert_time,
        counter=row.counter,
    )
