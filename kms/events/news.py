"""What the follower of the outbox reads: of every tenant that somebody listens to, what happened since."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hallmark_events.state import state_digest
from kms.events import history
from kms.events.model import ALL, GLOBAL, Placed, Position, Status, anchor_of
from kms.events.reading import Head
from kms.events.tables import event, feed, feed_event

NEWS_MAX: Final = 512
"""Acts read at once, of one tenant."""


@dataclass(frozen=True, slots=True)
class Ends:
    """Of a tenant: the ends of its outbox and of its global feed, and the state of the latter."""

    outbox: Position
    at: Position
    head: Head


@dataclass(frozen=True, slots=True)
class News:
    """`grown`: feeds of devices. `revoked`: subjects tenants/{tenant}/devices/{device} that became INVALID.

    `more`: read again. `ends` is missing then, and when nothing that concerns everybody happened.
    """

    outbox: Position
    everybody: Sequence[Placed]
    grown: Sequence[str]
    revoked: Sequence[str]
    ends: Ends | None
    more: bool


@dataclass(frozen=True, slots=True)
class Broken:
    """The outbox does not go on where it was left: `epoch` is its history now, and whether that one lost events."""

    epoch: bytes
    lost: bool


def find_ends(tx: Connection, tenant: str) -> Ends | None:
    """None before the tenant's first event."""
    outbox, newest = history.find_newest(tx, tenant, ALL), history.find_newest(tx, tenant, GLOBAL)
    if outbox is None or newest is None:
        return None
    head = Head(newest.sequence, state_digest(dict(history.subjects(tx, tenant, GLOBAL))))
    return Ends(_anchored(tx, outbox), _anchored(tx, newest), head)


def news_of_all(tx: Connection, left: Mapping[str, Position], unmarked: Collection[str]) -> dict[str, News | Broken]:
    """Of those of the tenants where anything is new. `left`: tenant -> where its outbox was left. `unmarked`: tenants
    whose ends are wanted in any case, because the last news had more to follow.
    """
    query = sa.select(feed).where(feed.c.name == ALL, feed.c.tenant.in_(list(left)))
    found: dict[str, News | Broken] = {tenant: Broken(b"", lost=True) for tenant in left}
    for row in tx.execute(query).all():
        was = left[row.tenant]
        if (row.epoch, row.sequence) == (was.epoch, was.sequence):
            del found[row.tenant]
        elif row.epoch != was.epoch:
            found[row.tenant] = Broken(row.epoch, lost=False)
        else:
            found[row.tenant] = _news(tx, was, row.sequence, is_marked=row.tenant not in unmarked)
    return found


def _news(tx: Connection, was: Position, end: int, *, is_marked: bool) -> News | Broken:
    anchor = history.anchor_at(tx, was.tenant, ALL, was.sequence)
    if end < was.sequence or (was.sequence and anchor not in {None, was.anchor}):
        return Broken(was.epoch, lost=True)
    mine, its = feed_event.alias(), feed_event.alias()
    newest = (
        sa.select(mine.c.sequence, mine.c.event)
        .where(mine.c.tenant == was.tenant, mine.c.feed == ALL, mine.c.sequence > was.sequence)
        .order_by(mine.c.sequence)
        .limit(NEWS_MAX)
    )
    acts = tx.execute(newest).all()
    query = sa.select(its).where(its.c.event.in_([act.event for act in acts]), its.c.feed != ALL)
    places = tx.execute(query.order_by(its.c.feed, its.c.sequence)).all()
    everybody = [place for place in places if place.feed == GLOBAL]
    events = history.find_events(tx, [place.event for place in everybody])
    more = len(acts) == NEWS_MAX
    last = acts[-1]
    at = Position(was.tenant, ALL, was.epoch, last.sequence, anchor_of(last.event))
    return News(
        at,
        [Placed(place.sequence, events[place.event]) for place in everybody],
        sorted({place.feed for place in places if place.feed != GLOBAL}),
        _revoked_devices(tx, was.tenant, [act.event for act in acts]),
        None if more or (is_marked and not everybody) else find_ends(tx, was.tenant),
        more,
    )


def _revoked_devices(tx: Connection, tenant: str, event_ids: Sequence[str]) -> Sequence[str]:
    query = sa.select(event.c.subject).where(
        event.c.id.in_(event_ids),
        event.c.status == Status.INVALID,
        event.c.subject.startswith(f"tenants/{tenant}/devices/", autoescape=True),
    )
    return tx.scalars(query).all()


def _anchored(tx: Connection, position: Position) -> Position:
    anchor = history.anchor_at(tx, position.tenant, position.feed, position.sequence)
    if anchor is None:
        return position
    return Position(position.tenant, position.feed, position.epoch, position.sequence, anchor)
