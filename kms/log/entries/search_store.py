"""Table of what entries are found by; nobody else touches it. Made from published entries, and made anew from them
when its rows are deleted: nothing in it is truth.

tlog_search   one row an entry, dense from index 0. Tenants without rows of their own cost nothing
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.core.database import UtcTime, metadata, to_microseconds
from kms.core.direct_sql import InsertMany

NARROW_MAX: Final = 2_000
"""A condition that fits so few entries is looked through whole."""
SCAN_MAX: Final = 4_000
"""Entries that one page looks at otherwise: then it ends, and the next page goes on from there."""

_BigId = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_Subject = sa.String(512).with_variant(sa.String(512, collation="C"), "postgresql")  # prefixes are ranges of bytes

_search = sa.Table(
    "tlog_search",
    metadata,
    sa.Column("idx", _BigId, primary_key=True, autoincrement=False),
    sa.Column("tenant", sa.String(63), nullable=False),
    sa.Column("subject", _Subject, nullable=False),
    sa.Column("event_type", sa.String(128), nullable=False),
    sa.Column("event_time", UtcTime, nullable=False),
    sa.Index("ix_tlog_search_time", "tenant", "event_time", "idx"),
    sa.Index("ix_tlog_search_subject", "tenant", "subject", "event_time", "idx"),
    sa.Index("ix_tlog_search_type", "tenant", "event_type", "event_time", "idx"),
)
_INSERT: Final = InsertMany("tlog_search", ("idx", "tenant", "subject", "event_type", "event_time"), skip_existing=True)


@dataclass(frozen=True, slots=True)
class SearchRow:
    index: int
    tenant: str
    subject: str
    event_type: str
    event_time: datetime


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: in the order of event times, and of indices where times are equal."""

    event_time: datetime
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What to find. `subject`: exactly this one; with `below`, all that begin with it. None and "": whatever it is."""

    tenant: str
    subject: str = ""
    below: bool = False
    event_type: str = ""
    start_time: datetime | None = None
    end_time: datetime | None = None
    oldest_first: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """Places of entries, in order. `end`: where to go on; None when nothing is left."""

    places: tuple[Place, ...]
    end: Place | None


def insert_rows(tx: Connection, rows: Sequence[SearchRow]) -> None:
    """Rows that are there already are left alone: other replicas make them, too."""
    _INSERT(tx, [(row.index, row.tenant, row.subject, row.event_type, to_microseconds(row.event_time)) for row in rows])


def remove_from(tx: Connection, size: int) -> None:
    """Leaves the first `size` rows: the others are made anew."""
    tx.execute(_search.delete().where(_search.c.idx >= size))


def last_row(tx: Connection) -> SearchRow | None:
    row = tx.execute(sa.select(_search).order_by(_search.c.idx.desc()).limit(1)).first()
    return None if row is None else SearchRow(row.idx, row.tenant, row.subject, row.event_type, row.event_time)


def indexed_size(tx: Connection) -> int:
    """Entries below this index are in the table."""
    highest = tx.execute(sa.select(sa.func.max(_search.c.idx))).scalar()
    return 0 if highest is None else highest + 1


def find(tx: Connection, wanted: Filter, after: Place | None, limit: int) -> Found:
    """At most `limit` places after a place. It looks at a bounded number of entries:

    1. What one index holds in the order of times is read along it.
    2. A condition that few entries fit (a subject, all below one, a type) is looked through whole, then sorted.
    3. Otherwise entries are walked in their order, SCAN_MAX of them: a page may be short and have another after it.
    """
    if _walkable(wanted) == wanted:
        return _page(tx, walk(wanted, after), limit)
    for narrow in _conditions(wanted):
        if _fits_few(tx, narrow):
            few = sa.select(_search).where(*narrow).limit(NARROW_MAX).subquery("few")
            return _page(tx, _select(few, wanted, after), limit)
    walked = walk(wanted, after).limit(SCAN_MAX).subquery("walked")
    found = _page(tx, _select(walked, wanted, after), limit)
    if found.end is not None:
        return found
    # The end of the walk, unless that was the end of all.
    last = tx.execute(_ordered(sa.select(walked.c.event_time, walked.c.idx), walked, wanted).offset(SCAN_MAX - 1))
    row = last.first()
    return Found(found.places, None if row is None else Place(row.event_time, row.idx))


def walk(wanted: Filter, after: Place | None) -> sa.Select[tuple[int, ...]]:
    """Entries in the order of their times along the index that holds most of the filter."""
    return _select(_search, _walkable(wanted), after)


def _conditions(wanted: Filter) -> list[list[sa.ColumnElement[bool]]]:
    """Those with an index of their own, without times."""
    columns, tenant = _search.c, _search.c.tenant == wanted.tenant
    found = []
    if wanted.subject:
        found.append([tenant, *_of_subject(columns, wanted)])
    if wanted.event_type:
        found.append([tenant, columns.event_type == wanted.event_type])
    return found


def _fits_few(tx: Connection, narrow: Sequence[sa.ColumnElement[bool]]) -> bool:
    some = sa.select(sa.literal(1)).select_from(_search).where(*narrow).limit(NARROW_MAX + 1).subquery()
    return tx.execute(sa.select(sa.func.count()).select_from(some)).scalar_one() <= NARROW_MAX


def _walkable(wanted: Filter) -> Filter:
    """The part of a filter that an index holds in the order of times."""
    if wanted.subject and not wanted.below:
        event_type, subject = "", wanted.subject
    else:
        event_type, subject = wanted.event_type, ""
    return Filter(
        tenant=wanted.tenant,
        subject=subject,
        event_type=event_type,
        start_time=wanted.start_time,
        end_time=wanted.end_time,
        oldest_first=wanted.oldest_first,
    )


def _select(source: sa.FromClause, wanted: Filter, after: Place | None) -> sa.Select[tuple[int, ...]]:
    columns = source.c
    query = sa.select(source).where(columns.tenant == wanted.tenant, *_of_subject(columns, wanted))
    if wanted.event_type:
        query = query.where(columns.event_type == wanted.event_type)
    if wanted.start_time is not None:
        query = query.where(columns.event_time >= wanted.start_time)
    if wanted.end_time is not None:
        query = query.where(columns.event_time < wanted.end_time)
    if after is not None:
        place = sa.tuple_(columns.event_time, columns.idx)
        here = sa.tuple_(sa.literal(after.event_time, UtcTime), sa.literal(after.index, _BigId))
        query = query.where(place > here if wanted.oldest_first else place < here)
    return _ordered(query, source, wanted)


def _of_subject(columns: Any, wanted: Filter) -> list[sa.ColumnElement[bool]]:
    if not wanted.subject:
        return []
    if not wanted.below:
        return [columns.subject == wanted.subject]
    return [columns.subject >= wanted.subject, columns.subject < wanted.subject[:-1] + chr(ord(wanted.subject[-1]) + 1)]


def _ordered(query: sa.Select[tuple[int, ...]], source: sa.FromClause, wanted: Filter) -> sa.Select[tuple[int, ...]]:
    order = (source.c.event_time, source.c.idx)
    return query.order_by(*order) if wanted.oldest_first else query.order_by(*(column.desc() for column in order))


def _page(tx: Connection, query: sa.Select[tuple[int, ...]], limit: int) -> Found:
    rows = tx.execute(query.limit(limit + 1)).all()
    places = tuple(Place(row.event_time, row.idx) for row in rows[:limit])
    return Found(places, places[-1] if len(rows) > limit else None)
