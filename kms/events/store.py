"""Writing events and putting them into feeds.

Sequences are dense and in commit order: the row of the tenant's feed "all" is updated first, which locks it until the
commit, so on PostgreSQL too no later number becomes visible before an earlier one.
"""

import contextlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from hsm.secret import Secret
from kms.core.database import to_microseconds
from kms.core.direct_sql import AmongSql, DirectSql, InsertMany, Row
from kms.events.model import ALL, STATELESS, Batch, Event, Known, Status
from kms.events.tables import batch, cursor_key, event, feed, feed_event, feed_subject, held
from kms.keys.model import ServiceSignature

_PLACES_MAX: Final = 128
"""Places that are asked for at once."""
_KNOWN_OF: Final = {
    size: DirectSql(
        f"WITH wanted(feed, subject) AS (VALUES {', '.join(['(?, ?)'] * size)}) "  # noqa: S608 - nothing of callers
        "SELECT known.feed, known.subject, known.revision, known.status "
        "FROM wanted CROSS JOIN feed_subject AS known "
        "WHERE known.tenant = ? AND known.feed = wanted.feed AND known.subject = wanted.subject"
    )
    for size in (1 << power for power in range(_PLACES_MAX.bit_length()))
}
_ENDS: Final = AmongSql("SELECT name, sequence FROM feed WHERE tenant = ? AND name IN (*)")
_INSERT_EVENTS: Final = InsertMany("event", [column.name for column in event.columns])
_HOLD: Final = InsertMany("event_held", [column.name for column in held.columns])
_INSERT_PLACES: Final = InsertMany("feed_event", [column.name for column in feed_event.columns])
_SAVE_STATES: Final = InsertMany(
    "feed_subject", [column.name for column in feed_subject.columns], key=["tenant", "feed", "subject"]
)
_SAVE_ENDS: Final = InsertMany("feed", [column.name for column in feed.columns], key=["tenant", "name"])


class Told(Protocol):
    """What feeds keep of an event."""

    @property
    def id(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def revision(self) -> int: ...
    @property
    def status(self) -> Status: ...


@dataclass(frozen=True, slots=True)
class Placing:
    """An event and the feeds it goes into, beside "all"."""

    event: Told
    feeds: Sequence[str]


def ensure_cursor_key(tx: Connection, fresh: bytes) -> Secret:
    """The key of cursors and page tokens; `fresh` (32 bytes) becomes it when there is none yet."""
    found = find_cursor_key(tx)
    if found is None:
        insert_if_first(tx, cursor_key.insert().values(id=1, key=fresh))
        found = find_cursor_key(tx)
    assert found is not None
    return found


def find_cursor_key(tx: Connection) -> Secret | None:
    """None before a server has made it."""
    key = tx.execute(sa.select(cursor_key.c.key).where(cursor_key.c.id == 1)).scalar()
    return None if key is None else Secret(key)


def lock_feeds(tx: Connection, tenant: str, fresh_epoch: bytes) -> bytes:
    """Holds all feeds of the tenant against other writers until the commit; gives the epoch. Begins them at the first
    use.
    """
    mine = sa.and_(feed.c.tenant == tenant, feed.c.name == ALL)
    if tx.execute(sa.select(feed.c.epoch).where(mine)).first() is None:
        insert_if_first(tx, feed.insert().values(tenant=tenant, name=ALL, epoch=fresh_epoch, sequence=0))
    tx.execute(feed.update().where(mine).values(sequence=feed.c.sequence))
    epoch: bytes = tx.execute(sa.select(feed.c.epoch).where(mine)).scalar_one()
    return epoch


def replace_epoch(tx: Connection, tenant: str, epoch: bytes) -> None:
    """Every cursor that was given out before is of another history now."""
    tx.execute(feed.update().where(feed.c.tenant == tenant).values(epoch=epoch))


def known(tx: Connection, tenant: str, feed_name: str, subject: str) -> Known | None:
    """What the feed says of the subject now."""
    return known_of(tx, tenant, [(feed_name, subject)]).get((feed_name, subject))


def known_of(tx: Connection, tenant: str, places: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Known]:
    """`known` of many (feed, subject)s; without those that nothing was said of."""
    found: dict[tuple[str, str], Known] = {}
    for start in range(0, len(places), _PLACES_MAX):
        part = places[start : start + _PLACES_MAX]
        size = 1 << (len(part) - 1).bit_length()
        filled = [*part, *[part[-1]] * (size - len(part))]
        values = [value for place in filled for value in place]
        for feed_name, subject, revision, status in _KNOWN_OF[size].rows(tx, [*values, tenant]):
            found[feed_name, subject] = Known(revision, Status(status))
    return found


def insert_batch(tx: Connection, made: Batch) -> None:
    promise = made.promise
    values = {"leaf_hash": promise.leaf_hash, "entry": promise.entry}
    tx.execute(batch.insert().values(id=made.id, tenant=made.tenant, tree_size=made.tree_size, **values))


def insert_events(tx: Connection, events: Sequence[Event]) -> None:
    _INSERT_EVENTS(tx, [_row(each) for each in events])


def place(tx: Connection, tenant: str, placings: Sequence[Placing], *, epoch: bytes) -> None:
    """Puts stored events into their feeds, in the order given. The caller has locked the tenant's feeds, and asked
    `known` whether they are news. The newest event of each subject replaces what was known of it.
    """
    if not placings:
        return
    ends = _ends(tx, tenant, {ALL, *(name for each in placings for name in each.feeds)})
    places: list[Row] = []
    states: dict[tuple[str, str], Row] = {}
    for each in placings:
        told = each.event
        for name in (ALL, *each.feeds):
            number = ends[name] = ends[name] + 1
            places.append((tenant, name, number, told.id))
            if name not in STATELESS:
                state = number, told.id, told.revision, int(told.status)
                states[name, told.subject] = (tenant, name, told.subject, *state)
    _INSERT_PLACES(tx, places)
    _SAVE_STATES(tx, list(states.values()))
    _SAVE_ENDS(tx, [(tenant, name, epoch, number) for name, number in ends.items()])


def hold(tx: Connection, waiting: Sequence[tuple[Event, Sequence[str]]]) -> None:
    """Events, each with the feeds that it waits for."""
    _HOLD(tx, [(each.id, each.tenant, json.dumps(list(feeds))) for each, feeds in waiting])


def _ends(tx: Connection, tenant: str, names: Iterable[str]) -> dict[str, int]:
    """Where each feed ends: 0 where nothing was put into it yet."""
    wanted = sorted(names)
    return dict.fromkeys(wanted, 0) | dict(_ENDS.rows(tx, [tenant], among=wanted))


def _row(each: Event) -> Row:
    signature, promise, its_place = each.signature, each.promise, each.place
    return (
        each.id,
        each.tenant,
        each.uri,
        each.subject,
        each.revision,
        int(each.status),
        int(each.priority),
        to_microseconds(each.event_time),
        each.payload,
        *((None, None, None) if signature is None else _signed(signature)),
        *((None, None, None) if promise is None else (promise.leaf_hash, promise.entry, promise.tlog_proof)),
        *((None, None, None) if its_place is None else (its_place.batch.id, its_place.leaf_index, its_place.path)),
    )


def _signed(signature: ServiceSignature) -> Row:
    return signature.key_version, signature.signature, to_microseconds(signature.sign_time)


def insert_if_first(tx: Connection, insert: sa.Insert) -> None:
    """Another replica may insert the same row at this moment; then its row stands."""
    with contextlib.suppress(IntegrityError), tx.begin_nested():
        tx.execute(insert)
