"""Days of removals: which are to be closed, what is in them, and their signed roots."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.keys.model import ServiceSignature
from kms.log.model import LogPromise
from kms.removal import store
from kms.removal.model import DAY_CONTEXT, DayRoot, ReceiptGrade, Removal
from kms.removal.tables import day, receipt, removal

_ONE_DAY = timedelta(days=1)


def tenants(tx: Connection) -> list[str]:
    """Those that have removals."""
    return list(tx.execute(sa.select(removal.c.tenant).distinct().order_by(removal.c.tenant)).scalars())


def newest(tx: Connection, tenant: str) -> DayRoot | None:
    row = tx.execute(sa.select(day).where(day.c.tenant == tenant).order_by(day.c.day.desc()).limit(1)).first()
    return None if row is None else _read(row)


def next_day(tx: Connection, tenant: str, after: str | None) -> date | None:
    """The first day since (all days when `after` is None) in which a removal was open or something came; or None."""
    row = removal.c
    if after is None:
        return _day_of(tx.execute(sa.select(sa.func.min(row.issue_time)).where(row.tenant == tenant)).scalar())
    first = date.fromisoformat(after) + _ONE_DAY
    begin = begin_of(first)
    for still_open in (row.close_time.is_(None), row.close_time >= begin):  # each by the index alone
        chosen = sa.and_(row.tenant == tenant, still_open, row.issue_time < begin)
        if tx.execute(sa.select(row.id).where(chosen).limit(1)).first():
            return first
    firsts = [
        tx.execute(sa.select(sa.func.min(column)).where(row.tenant == tenant, column >= begin)).scalar()
        for column in (row.issue_time, row.receipt_time)
    ]
    return min((found for moment in firsts if (found := _day_of(moment)) is not None), default=None)


def removals_of(tx: Connection, tenant: str, which: date) -> list[Removal]:
    """In the order of their names: what was open during the day, and what a receipt came for; with the grade it had."""
    begin, end, row = begin_of(which), begin_of(which + _ONE_DAY), removal.c
    was_open = sa.or_(row.close_time.is_(None), row.close_time >= begin)
    came = sa.and_(row.receipt_time >= begin, row.receipt_time < end)
    chosen = sa.and_(row.tenant == tenant, row.issue_time < end, sa.or_(was_open, came))
    found = [store.read(each) for each in tx.execute(sa.select(removal).where(chosen).order_by(row.id))]
    grades = _grades_before(tx, tenant, end, of=sa.select(row.id).where(chosen))
    return [replace(each, grade=grades.get(each.name.id)) for each in found]


def insert(tx: Connection, made: DayRoot) -> None:
    signature, promise = made.signature, made.promise
    tx.execute(
        day.insert().values(
            tenant=made.tenant,
            day=made.day,
            root=made.root,
            size=made.size,
            payload=made.payload,
            key_version=signature.key_version,
            signature=signature.signature,
            sign_time=signature.sign_time,
            event_key=promise.event_key,
            leaf_hash=promise.leaf_hash,
            entry=promise.entry,
        )
    )


def between(tx: Connection, tenant: str, first: date, last: date) -> list[DayRoot]:
    """Those days included; the newest last."""
    mine = sa.and_(day.c.tenant == tenant, day.c.day >= first.isoformat(), day.c.day <= last.isoformat())
    return [_read(row) for row in tx.execute(sa.select(day).where(mine).order_by(day.c.day))]


def begin_of(which: date) -> datetime:
    return datetime.combine(which, time(), UTC)


def _grades_before(tx: Connection, tenant: str, end: datetime, *, of: sa.Select[tuple[str]]) -> dict[str, ReceiptGrade]:
    mine = sa.and_(receipt.c.tenant == tenant, receipt.c.removal.in_(of), receipt.c.receive_time < end)
    query = sa.select(receipt.c.removal, sa.func.max(receipt.c.grade).label("grade")).where(mine)
    return {row.removal: ReceiptGrade(row.grade) for row in tx.execute(query.group_by(receipt.c.removal))}


def _day_of(moment: datetime | None) -> date | None:
    return None if moment is None else moment.astimezone(UTC).date()


def _read(row: sa.Row[Any]) -> DayRoot:
    return DayRoot(
        tenant=row.tenant,
        day=row.day,
        root=row.root,
        size=row.size,
        payload=row.payload,
        signature=ServiceSignature(
            key_version=row.key_version, signature=row.signature, context=DAY_CONTEXT, sign_time=row.sign_time
        ),
        promise=LogPromise(event_key=row.event_key, leaf_hash=row.leaf_hash, entry=row.entry),
    )
