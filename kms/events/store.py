"""Writing events and putting them into feeds.

Sequences are dense and in commit order: the row of the tenant's feed "all" is updated first, which locks it until the
commit, so on PostgreSQL too no later number becomes visible before an earlier one.
"""

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from hsm.secret import Secret
from kms.events.model import ALL, STATELESS, Batch, Event, Known, Status
from kms.events.tables import batch, cursor_key, event, feed, feed_event, feed_subject, held

_CHUNK = 500
"""Names in one IN list: SQLite takes 32,766 parameters, but plans small lists better."""


@dataclass(frozen=True, slots=True)
class Placing:
    """An event and the feeds it goes into, beside "all"."""

    event: Event
    feeds: Sequence[str]


@dataclass(slots=True)
class _Feed:
    epoch: bytes
    sequence: int


def ensure_cursor_key(tx: Connection, fresh: bytes) -> Secret:
    """The key of cursors and page tokens; `fresh` (32 bytes) becomes it when there is none yet."""
    chosen = sa.select(cursor_key.c.key).where(cursor_key.c.id == 1)
    if tx.execute(chosen).first() is None:
        insert_if_first(tx, cursor_key.insert().values(id=1, key=fresh))
    return Secret(tx.execute(chosen).scalar_one())


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
    query = sa.select(feed_subject.c.revision, feed_subject.c.status).where(
        feed_subject.c.tenant == tenant, feed_subject.c.feed == feed_name, feed_subject.c.subject == subject
    )
    row = tx.execute(query).first()
    return None if row is None else Known(row.revision, Status(row.status))


def insert_batch(tx: Connection, made: Batch) -> None:
    promise = made.promise
    values = {"leaf_hash": promise.leaf_hash, "entry": promise.entry}
    tx.execute(batch.insert().values(id=made.id, tenant=made.tenant, tree_size=made.tree_size, **values))


def insert_events(tx: Connection, events: Sequence[Event]) -> None:
    if events:
        tx.execute(event.insert(), [_row(each) for each in events])


def place(tx: Connection, tenant: str, placings: Sequence[Placing], *, epoch: bytes) -> None:
    """Puts stored events into their feeds, in the order given. The caller has locked the tenant's feeds, and asked
    `known` whether they are news.
    """
    if not placings:
        return
    ends = _ends(tx, tenant, {ALL, *(name for each in placings for name in each.feeds)}, epoch)
    rows: list[dict[str, object]] = []
    states: dict[tuple[str, str], dict[str, object]] = {}
    for each in placings:
        for name in (ALL, *each.feeds):
            ends[name].sequence += 1
            number = ends[name].sequence
            rows.append({"tenant": tenant, "feed": name, "sequence": number, "event": each.event.id})
            if name not in STATELESS:
                states[name, each.event.subject] = _state(tenant, name, number, each.event)
    tx.execute(feed_event.insert(), rows)
    _save_states(tx, tenant, states)
    tx.execute(
        feed.update()
        .where(feed.c.tenant == tenant, feed.c.name == sa.bindparam("its_name"))
        .values(sequence=sa.bindparam("its_sequence")),
        [{"its_name": name, "its_sequence": end.sequence} for name, end in ends.items()],
    )


def hold(tx: Connection, waiting: Event, feeds: Sequence[str]) -> None:
    tx.execute(held.insert().values(event=waiting.id, tenant=waiting.tenant, feeds=list(feeds)))


def _ends(tx: Connection, tenant: str, names: Iterable[str], epoch: bytes) -> dict[str, _Feed]:
    """Where each feed ends, those that are new included."""
    wanted = sorted(names)
    found: dict[str, _Feed] = {}
    for start in range(0, len(wanted), _CHUNK):
        some = wanted[start : start + _CHUNK]
        for row in tx.execute(sa.select(feed).where(feed.c.tenant == tenant, feed.c.name.in_(some))):
            found[row.name] = _Feed(row.epoch, row.sequence)
    fresh = [name for name in wanted if name not in found]
    if fresh:
        tx.execute(feed.insert(), [{"tenant": tenant, "name": name, "epoch": epoch, "sequence": 0} for name in fresh])
    return found | {name: _Feed(epoch, 0) for name in fresh}


def _save_states(tx: Connection, tenant: str, states: dict[tuple[str, str], dict[str, object]]) -> None:
    """The newest event of each subject replaces what was known of it."""
    doomed = [{"its_feed": name, "its_subject": subject} for name, subject in states]
    if not doomed:
        return
    tx.execute(
        feed_subject.delete().where(
            feed_subject.c.tenant == tenant,
            feed_subject.c.feed == sa.bindparam("its_feed"),
            feed_subject.c.subject == sa.bindparam("its_subject"),
        ),
        doomed,
    )
    tx.execute(feed_subject.insert(), list(states.values()))


def _state(tenant: str, name: str, sequence: int, placed: Event) -> dict[str, object]:
    return {
        "tenant": tenant,
        "feed": name,
        "subject": placed.subject,
        "sequence": sequence,
        "event": placed.id,
        "revision": placed.revision,
        "status": int(placed.status),
    }


def _row(each: Event) -> dict[str, object]:
    signature, promise, its_place = each.signature, each.promise, each.place
    return {
        "id": each.id,
        "tenant": each.tenant,
        "type": each.uri,
        "subject": each.subject,
        "revision": each.revision,
        "status": int(each.status),
        "priority": int(each.priority),
        "event_time": each.event_time,
        "payload": each.payload,
        "key_version": None if signature is None else signature.key_version,
        "signature": None if signature is None else signature.signature,
        "sign_time": None if signature is None else signature.sign_time,
        "leaf_hash": None if promise is None else promise.leaf_hash,
        "entry": None if promise is None else promise.entry,
        "tlog_proof": None if promise is None else promise.tlog_proof,
        "batch": None if its_place is None else its_place.batch.id,
        "batch_index": None if its_place is None else its_place.leaf_index,
        "batch_path": None if its_place is None else its_place.path,
    }


def insert_if_first(tx: Connection, insert: sa.Insert) -> None:
    """Another replica may insert the same row at this moment; then its row stands."""
    with contextlib.suppress(IntegrityError), tx.begin_nested():
        tx.execute(insert)
