"""Reading and writing leases. Those of a batch are written many at a time."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.consent.leases import Lease, Renewal
from kms.consent.model import ArtifactKind, LeaseAction
from kms.consent.tables import consent, lease
from kms.core.database import to_microseconds
from kms.core.direct_sql import DirectSql, InsertMany
from kms.core.names import ChildName, DigestName
from kms.status.lists import StatusReference

_COLUMNS: Final = tuple(column.name for column in lease.columns)
_INSERT: Final = InsertMany("lease", _COLUMNS)
_RENEW: Final = DirectSql(
    "UPDATE lease SET revision = ?, not_before = ?, expire_time = ?, renew_time = ? "
    "WHERE tenant = ? AND id = ? AND revision = ? AND live"
)
_CHUNK: Final = 500
_with_consent = sa.select(
    lease, consent.c.pii_principal_id, consent.c.expire_time.label("consent_expire_time"), consent.c.removal_seconds
).join(consent, sa.and_(consent.c.tenant == lease.c.tenant, consent.c.id == lease.c.consent))


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Of a list; what is None asks for nothing."""

    consent: ChildName | None = None
    device: ChildName | None = None


def insert_many(tx: Connection, leases: Sequence[Lease], duration: timedelta) -> None:
    """`duration`: of a whole lease, by the terms of their consent."""
    _INSERT(tx, [_row(each, duration) for each in leases])


def renew_many(tx: Connection, leases: Sequence[Lease]) -> int:
    """Compare and set each of them: how many were live and had the revision before."""
    changed = 0
    for each in leases:
        times = (to_microseconds(each.not_before), to_microseconds(each.expire_time), _due(each))
        chosen = (each.name.tenant, each.name.id, each.revision - 1)
        changed += _RENEW.change(tx, (each.revision, *times, *chosen))
    return changed


def find_of(tx: Connection, consent_name: ChildName, device: ChildName, artifact: DigestName) -> Lease | None:
    mine = sa.and_(
        lease.c.tenant == consent_name.tenant,
        lease.c.consent == consent_name.id,
        lease.c.device == device.id,
        lease.c.artifact == artifact.digest,
    )
    row = tx.execute(_with_consent.where(mine)).first()
    return None if row is None else _read(row)


def find(tx: Connection, name: ChildName) -> Lease | None:
    row = tx.execute(_with_consent.where(lease.c.tenant == name.tenant, lease.c.id == name.id)).first()
    return None if row is None else _read(row)


def list_leases(tx: Connection, tenant: str, filters: Filters, *, after: str, limit: int) -> list[Lease]:
    """Those whose id comes after `after`, in the order of their ids: oldest first."""
    query = _with_consent.where(lease.c.tenant == tenant, lease.c.id > after).order_by(lease.c.id).limit(limit)
    if filters.consent is not None:
        query = query.where(lease.c.consent == filters.consent.id)
    if filters.device is not None:
        query = query.where(lease.c.device == filters.device.id)
    return [_read(row) for row in tx.execute(query)]


def of_consent(tx: Connection, name: ChildName) -> list[Lease]:
    """All that were ever given, ended ones too."""
    query = _with_consent.where(lease.c.tenant == name.tenant, lease.c.consent == name.id).order_by(lease.c.id)
    return [_read(row) for row in tx.execute(query)]


def end_of_consent(tx: Connection, name: ChildName) -> list[Lease]:
    """They end with it. Gives all that were ever given."""
    mine = sa.and_(lease.c.tenant == name.tenant, lease.c.consent == name.id)
    tx.execute(lease.update().where(mine, lease.c.live == sa.true()).values(live=False, renew_time=None))
    return of_consent(tx, name)


def holders(tx: Connection, name: ChildName) -> list[ChildName]:
    """Devices that have, or had, leases of the consent."""
    mine = sa.and_(lease.c.tenant == name.tenant, lease.c.consent == name.id)
    found = tx.execute(sa.select(lease.c.device).where(mine).distinct().order_by(lease.c.device)).scalars()
    return [ChildName(name.tenant, "devices", each) for each in found]


def of_device(tx: Connection, device: ChildName, artifact: DigestName) -> list[Lease]:
    """All that it was ever given for the artifact, by whatever consent."""
    query = _with_consent.where(_held(device, artifact)).order_by(lease.c.id)
    return [_read(row) for row in tx.execute(query)]


def end_of_device(tx: Connection, device: ChildName, artifact: DigestName) -> None:
    """For ever; their consents may go on."""
    live = sa.and_(_held(device, artifact), lease.c.live == sa.true())
    tx.execute(lease.update().where(live).values(live=False, renew_time=None))


def live_of_holder(tx: Connection, device: ChildName) -> list[ChildName]:
    """Those that the device has now, by whatever consent and for whatever artifact."""
    found = tx.execute(sa.select(lease.c.id).where(_live_of(device)).order_by(lease.c.id)).scalars()
    return [ChildName(device.tenant, "leases", each) for each in found]


def end_of_holder(tx: Connection, device: ChildName) -> None:
    """For ever; the consents go on."""
    tx.execute(lease.update().where(_live_of(device)).values(live=False, renew_time=None))


def hurry_of_holder(tx: Connection, device: ChildName, now: datetime) -> None:
    """They are due."""
    tx.execute(lease.update().where(_live_of(device)).values(renew_time=now))


def due(tx: Connection, now: datetime, *, limit: int) -> list[Renewal]:
    """Live leases whose time to be renewed has come, those of open consents only, longest due first."""
    still = sa.and_(lease.c.renew_time <= now, lease.c.live == sa.true(), consent.c.ends_at > now)
    query = _with_consent.where(still).order_by(lease.c.renew_time).limit(limit)
    return [Renewal(_read(row), timedelta(seconds=row.duration_seconds)) for row in tx.execute(query)]


def lock_open(tx: Connection, tenant: str, names: Collection[str], now: datetime) -> frozenset[str]:
    """Those of the consents (ids) that are open; they stay so until this transaction commits."""
    found: set[str] = set()
    wanted = sorted(names)
    for start in range(0, len(wanted), _CHUNK):
        some = consent.c.id.in_(wanted[start : start + _CHUNK])
        query = sa.select(consent.c.id).where(consent.c.tenant == tenant, some, consent.c.ends_at > now)
        found.update(tx.execute(query.order_by(consent.c.id).with_for_update(read=True)).scalars())
    return frozenset(found)


def postpone(tx: Connection, leases: Sequence[Lease], until: datetime) -> None:
    """They may not be renewed now; asked again then."""
    rows = [
        {"its_tenant": each.name.tenant, "its_id": each.name.id, "its_revision": each.revision, "until": until}
        for each in leases
    ]
    mine = sa.and_(
        lease.c.tenant == sa.bindparam("its_tenant"),
        lease.c.id == sa.bindparam("its_id"),
        lease.c.revision == sa.bindparam("its_revision"),
        lease.c.live == sa.true(),
    )
    if rows:
        tx.execute(lease.update().where(mine).values(renew_time=sa.bindparam("until")), rows)


def resume(tx: Connection, name: ChildName, now: datetime) -> None:
    """The consent was prolonged: leases that were to end with it are due."""
    waiting = sa.and_(
        lease.c.tenant == name.tenant,
        lease.c.consent == name.id,
        lease.c.live == sa.true(),
        lease.c.renew_time.is_(None),
    )
    tx.execute(lease.update().where(waiting).values(renew_time=now))


def _live_of(device: ChildName) -> sa.ColumnElement[bool]:
    return sa.and_(lease.c.tenant == device.tenant, lease.c.device == device.id, lease.c.live == sa.true())


def _held(device: ChildName, artifact: DigestName) -> sa.ColumnElement[bool]:
    return sa.and_(lease.c.tenant == device.tenant, lease.c.device == device.id, lease.c.artifact == artifact.digest)


def _row(each: Lease, duration: timedelta) -> tuple[Any, ...]:
    return (
        each.name.tenant,
        each.name.id,
        each.consent.id,
        each.device.id,
        each.artifact.digest,
        each.kind.value,
        each.revision,
        to_microseconds(each.not_before),
        to_microseconds(each.expire_time),
        _due(each),
        _seconds(duration),
        _seconds(each.max_staleness),
        _seconds(each.offline_grace),
        each.on_silence.value,
        each.on_expiry.value,
        each.status.list,
        each.status.idx,
        each.live,
    )


def _due(each: Lease) -> int | None:
    return None if each.renew_time is None else to_microseconds(each.renew_time)


def _seconds(span: timedelta) -> int:
    return span // timedelta(seconds=1)


def _read(row: sa.Row[Any]) -> Lease:
    tenant = row.tenant
    return Lease(
        name=ChildName(tenant, "leases", row.id),
        consent=ChildName(tenant, "consents", row.consent),
        device=ChildName(tenant, "devices", row.device),
        artifact=DigestName(tenant, "artifacts", row.artifact),
        kind=ArtifactKind(row.kind),
        revision=row.revision,
        not_before=row.not_before,
        expire_time=row.expire_time,
        renew_time=row.renew_time,
        max_staleness=timedelta(seconds=row.max_staleness_seconds),
        offline_grace=timedelta(seconds=row.offline_grace_seconds),
        on_silence=LeaseAction(row.on_silence),
        on_expiry=LeaseAction(row.on_expiry),
        status=StatusReference(row.status_list, row.status_idx),
        live=row.live,
        user=row.pii_principal_id,
        consent_expire_time=row.consent_expire_time,
        removal_time=timedelta(seconds=row.removal_seconds),
    )
