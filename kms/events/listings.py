"""The state of feeds as readers need it: which event is the newest of each subject, and the digest of it all."""

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hallmark_events.state import state_digest
from kms.events import history
from kms.events.model import GLOBAL, Position, anchor_of
from kms.events.tables import feed_event, feed_subject


class Listing(Protocol):
    """The subjects of one feed, by the sequence of their newest event."""

    def after(self, sequence: int, limit: int) -> Sequence[tuple[int, str]]:
        """(sequence, event id), oldest first."""

    def digest(self) -> bytes:
        """Of the whole state, 32 bytes."""


_OF_NOTHING: Final = state_digest({})
"""Most devices have nothing of their own; one object for all of them."""


def listings(tx: Connection, tenant: str, names: Collection[str]) -> Mapping[str, Listing]:
    """Of feeds. Those of devices are small and read together; the global one may be large and is asked as needed."""
    small = [name for name in names if name != GLOBAL]
    found: dict[str, Listing] = dict(_loaded(tx, tenant, small))
    if GLOBAL in names:
        found[GLOBAL] = _Asked(tx, tenant, GLOBAL)
    return found


def anchors(tx: Connection, positions: Collection[Position]) -> dict[tuple[str, int], bytes]:
    """(feed, sequence) -> what tells its event from another that once had its number. Of one tenant."""
    places = {(each.feed, each.sequence) for each in positions if each.sequence > 0}
    if not places:
        return {}
    (tenant,) = {each.tenant for each in positions}
    query = sa.select(feed_event).where(
        feed_event.c.tenant == tenant, sa.tuple_(feed_event.c.feed, feed_event.c.sequence).in_(sorted(places))
    )
    return {(row.feed, row.sequence): anchor_of(row.event) for row in tx.execute(query)}


def _loaded(tx: Connection, tenant: str, names: Sequence[str]) -> dict[str, "_Loaded"]:
    rows: dict[str, list[sa.Row[tuple[object, ...]]]] = {name: [] for name in names}
    if rows:
        query = sa.select(feed_subject).where(feed_subject.c.tenant == tenant, feed_subject.c.feed.in_(names))
        for row in tx.execute(query.order_by(feed_subject.c.sequence)):
            rows[row.feed].append(row)
    return {
        name: _Loaded([(row.sequence, row.event) for row in of], [(row.subject, row.event) for row in of])
        for name, of in rows.items()
    }


@dataclass(slots=True)
class _Loaded:
    """In memory."""

    places: Sequence[tuple[int, str]]
    newest: Sequence[tuple[str, str]]
    _digest: bytes = b""

    def after(self, sequence: int, limit: int) -> Sequence[tuple[int, str]]:
        begin = bisect_right(self.places, sequence, key=lambda place: place[0])
        return self.places[begin : begin + limit]

    def digest(self) -> bytes:
        self._digest = self._digest or (state_digest(dict(self.newest)) if self.newest else _OF_NOTHING)
        return self._digest


@dataclass(slots=True)
class _Asked:
    """In the database."""

    tx: Connection
    tenant: str
    feed: str
    _digest: bytes = b""

    def after(self, sequence: int, limit: int) -> Sequence[tuple[int, str]]:
        mine = sa.and_(feed_subject.c.tenant == self.tenant, feed_subject.c.feed == self.feed)
        query = sa.select(feed_subject.c.sequence, feed_subject.c.event).where(mine, feed_subject.c.sequence > sequence)
        found = self.tx.execute(query.order_by(feed_subject.c.sequence).limit(limit))
        return [(row.sequence, row.event) for row in found]

    def digest(self) -> bytes:
        self._digest = self._digest or state_digest(dict(history.subjects(self.tx, self.tenant, self.feed)))
        return self._digest
