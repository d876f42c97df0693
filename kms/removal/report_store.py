"""Counts and times of removals, counted by the database: a report takes the same memory for ten and for millions."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.removal.model import Percentiles, ReceiptGrade, RemovalState
from kms.removal.tables import removal

_MICROSECOND = timedelta(microseconds=1)


def issued_between(tenant: str, since: datetime, until: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(removal.c.tenant == tenant, removal.c.issue_time >= since, removal.c.issue_time < until)


def states(tx: Connection, chosen: sa.ColumnElement[bool]) -> Mapping[RemovalState, int]:
    """Of every state, also of those that none is in."""
    query = sa.select(removal.c.state, sa.func.count()).where(chosen).group_by(removal.c.state)
    found = {RemovalState(state): count for state, count in tx.execute(query)}
    return {state: found.get(state, 0) for state in RemovalState}


def grades(tx: Connection, chosen: sa.ColumnElement[bool]) -> Mapping[ReceiptGrade, int]:
    """Of every grade, also of those that no receipt has."""
    query = sa.select(removal.c.grade, sa.func.count()).where(chosen, removal.c.grade.is_not(None))
    found = {ReceiptGrade(grade): count for grade, count in tx.execute(query.group_by(removal.c.grade))}
    return {grade: found.get(grade, 0) for grade in ReceiptGrade}


def to_acknowledgement(tx: Connection, chosen: sa.ColumnElement[bool]) -> Percentiles | None:
    return _percentiles(tx, chosen, removal.c.acknowledge_time)


def to_receipt(tx: Connection, chosen: sa.ColumnElement[bool]) -> Percentiles | None:
    return _percentiles(tx, chosen, removal.c.receipt_time)


def _percentiles(tx: Connection, chosen: sa.ColumnElement[bool], moment: sa.Column[Any]) -> Percentiles | None:
    """From the withdrawal to `moment`, nearest rank; None when none has it."""
    have_it = sa.and_(chosen, moment.is_not(None))
    count = tx.execute(sa.select(sa.func.count()).select_from(removal).where(have_it)).scalar_one()
    if count == 0:
        return None
    # Stored as microseconds: the difference is a number, whatever the type of its columns says.
    taken = sa.type_coerce(moment, sa.BigInteger) - sa.type_coerce(removal.c.effective_time, sa.BigInteger)
    ordered = sa.select(taken).where(have_it).order_by(taken)

    def at(percent: int) -> timedelta:
        rank = -(-count * percent // 100)
        return tx.execute(ordered.offset(rank - 1).limit(1)).scalar_one() * _MICROSECOND

    return Percentiles(count, p50=at(50), p99=at(99), longest=at(100))
