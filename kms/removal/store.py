"""The table of removals: what is asked, told, and decided by the clock. Beside it: receipt_store.py, day_store.py.

Every change names the states it may begin from, so that of two replicas one succeeds and the other finds out.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.core.database import UtcTime
from kms.core.names import ChildName, DigestName
from kms.removal.model import COLLECTION, FOLLOWERS, OPEN, ReceiptGrade, Removal, RemovalState
from kms.removal.tables import removal

DUE_MAX: Final = 256
_CHUNK: Final = 500


def insert(tx: Connection, made: Removal, *, check_time: datetime) -> None:
    tx.execute(
        removal.insert().values(
            tenant=made.name.tenant,
            id=made.name.id,
            device=made.device.id,
            artifact=made.artifact.digest,
            consent=None if made.consent is None else made.consent.id,
            state=made.state,
            nonce=made.nonce,
            effective_time=made.effective_time,
            deadline=made.deadline,
            issue_time=made.issue_time,
            lease_end_time=made.lease_end_time,
            check_time=check_time,
            reason=made.reason,
        )
    )


def find(tx: Connection, name: ChildName) -> Removal | None:
    row = tx.execute(sa.select(removal).where(_is(name))).first()
    return None if row is None else read(row)


def lock(tx: Connection, name: ChildName) -> Removal | None:
    """Like `find`, held against other writers until the commit (an update takes the row's lock on every engine)."""
    tx.execute(removal.update().where(_is(name)).values(reason=removal.c.reason))
    return find(tx, name)


def newest(
    tx: Connection,
    tenant: str,
    *,
    before: str,
    limit: int,
    device: str = "",
    consent: str = "",
    state: RemovalState | None = None,
) -> list[Removal]:
    """Newest first (ids are UUIDv7), beginning after the id `before`. `device` and `consent` are ids."""
    query = sa.select(removal).where(removal.c.tenant == tenant)
    if before:
        query = query.where(removal.c.id < before)
    if device:
        query = query.where(removal.c.device == device)
    if consent:
        query = query.where(removal.c.consent == consent)
    if state is not None:
        query = query.where(removal.c.state == state)
    return [read(row) for row in tx.execute(query.order_by(removal.c.id.desc()).limit(limit))]


def undelivered(tx: Connection, tenant: str, ids: Collection[str]) -> list[str]:
    """Those of the ids that are removals nobody was told the delivery of."""
    found: list[str] = []
    for some in _chunks(ids):
        mine = sa.and_(removal.c.tenant == tenant, removal.c.id.in_(some), removal.c.deliver_time.is_(None))
        found += tx.execute(sa.select(removal.c.id).where(mine)).scalars()
    return found


def set_delivered(tx: Connection, tenant: str, ids: Collection[str], now: datetime) -> None:
    """The first time counts. Also of what was decided already: then the state stays."""
    for some in _chunks(ids):
        mine = sa.and_(removal.c.tenant == tenant, removal.c.id.in_(some), removal.c.deliver_time.is_(None))
        tx.execute(removal.update().where(mine).values(deliver_time=now, **_moved(RemovalState.DELIVERED)))


def set_acknowledged(tx: Connection, device: ChildName, removal_id: str, now: datetime) -> None:
    """What is acknowledged was delivered, also when nobody had said so yet."""
    mine = sa.and_(_of_device(device, removal_id), removal.c.acknowledge_time.is_(None))
    values = {"acknowledge_time": now, "deliver_time": _first(removal.c.deliver_time, now)}
    tx.execute(removal.update().where(mine).values(**values, **_moved(RemovalState.ACKNOWLEDGED)))


def set_deleted(tx: Connection, name: ChildName, grade: ReceiptGrade, now: datetime) -> None:
    """Lock it first. The first receipt's time stays."""
    values: dict[str, Any] = {
        "grade": grade,
        "state": RemovalState.DELETED,
        "check_time": None,
        "receipt_time": _first(removal.c.receipt_time, now),
        "close_time": _first(removal.c.close_time, now),
    }
    tx.execute(removal.update().where(_is(name)).values(values))


def due(tx: Connection, now: datetime) -> list[Removal]:
    """Of all tenants, what the clock decides about now; at most 256."""
    query = sa.select(removal).where(removal.c.check_time <= now).order_by(removal.c.check_time).limit(DUE_MAX)
    return [read(row) for row in tx.execute(query)]


def decide(tx: Connection, before: Removal, state: RemovalState, now: datetime) -> bool:
    """False when it is not in the state of `before` any more: another replica, or the device, was faster."""
    values: dict[str, Any] = {"state": state, "check_time": before.deadline if state in OPEN else None}
    if state is RemovalState.LAPSED:
        values["close_time"] = now
    mine = sa.and_(_is(before.name), removal.c.state == before.state)
    return tx.execute(removal.update().where(mine).values(values)).rowcount == 1


def overdue_among(tx: Connection, tenant: str, devices: Collection[str]) -> frozenset[str]:
    """Ids of those devices that owe a receipt past its deadline."""
    found: set[str] = set()
    for some in _chunks(devices):
        late = sa.and_(removal.c.tenant == tenant, removal.c.device.in_(some), removal.c.state == RemovalState.OVERDUE)
        found.update(tx.execute(sa.select(removal.c.device).where(late).distinct()).scalars())
    return frozenset(found)


def oldest_overdue(tx: Connection, tenant: str, *, since: datetime, until: datetime, limit: int) -> Sequence[Removal]:
    late = sa.and_(
        removal.c.tenant == tenant,
        removal.c.state == RemovalState.OVERDUE,
        removal.c.issue_time >= since,
        removal.c.issue_time < until,
    )
    return [read(row) for row in tx.execute(sa.select(removal).where(late).order_by(removal.c.id).limit(limit))]


def first_check(issue_time: datetime, deadline: datetime, unreachable: timedelta) -> datetime:
    return min(issue_time + unreachable, deadline)


def read(row: sa.Row[Any]) -> Removal:
    tenant = row.tenant
    return Removal(
        name=ChildName(tenant, COLLECTION, row.id),
        device=ChildName(tenant, "devices", row.device),
        artifact=DigestName(tenant, "artifacts", row.artifact),
        consent=None if row.consent is None else ChildName(tenant, "consents", row.consent),
        state=RemovalState(row.state),
        nonce=row.nonce,
        effective_time=row.effective_time,
        deadline=row.deadline,
        issue_time=row.issue_time,
        grade=None if row.grade is None else ReceiptGrade(row.grade),
        deliver_time=row.deliver_time,
        acknowledge_time=row.acknowledge_time,
        receipt_time=row.receipt_time,
        lease_end_time=row.lease_end_time,
        close_time=row.close_time,
        reason=row.reason,
    )


def _moved(state: RemovalState) -> dict[str, Any]:
    """To `state` from where that may follow; from then on only the deadline is looked at."""
    may = removal.c.state.in_([before for before, followers in FOLLOWERS.items() if state in followers])
    return {
        "state": sa.case((may, state.value), else_=removal.c.state),
        "check_time": sa.case((may, removal.c.deadline), else_=removal.c.check_time),
    }


def _first(column: sa.Column[Any], now: datetime) -> sa.ColumnElement[Any]:
    """What stands there, or now."""
    return sa.func.coalesce(column, sa.literal(now, UtcTime))


def _is(name: ChildName) -> sa.ColumnElement[bool]:
    return sa.and_(removal.c.tenant == name.tenant, removal.c.id == name.id)


def _of_device(device: ChildName, removal_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(removal.c.tenant == device.tenant, removal.c.id == removal_id, removal.c.device == device.id)


def _chunks(values: Iterable[str]) -> list[list[str]]:
    listed = list(values)
    return [listed[start : start + _CHUNK] for start in range(0, len(listed), _CHUNK)]
