"""Reading feeds: where they end, what comes after a position, what they say now."""

from collections.abc import Collection, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.events.model import (
    ALL,
    EVENT_CONTEXT,
    Batch,
    BatchPlace,
    Event,
    Placed,
    Position,
    Priority,
    Status,
    anchor_of,
)
from kms.events.tables import batch, event, feed, feed_event, feed_subject
from kms.keys.model import ServiceSignature
from kms.log.model import LogPromise

_batch_columns = (
    batch.c.tree_size,
    batch.c.leaf_hash.label("batch_leaf_hash"),
    batch.c.entry.label("batch_entry"),
    batch.c.tlog_proof.label("batch_tlog_proof"),
)
_whole_event = sa.outerjoin(event, batch, batch.c.id == event.c.batch)


def find_newest(tx: Connection, tenant: str, feed_name: str) -> Position | None:
    """Where the feed ends now; None before the tenant's first event. A feed that nothing was put into yet ends at 0."""
    names = [feed_name, ALL]
    rows = tx.execute(sa.select(feed).where(feed.c.tenant == tenant, feed.c.name.in_(names))).all()
    by_name = {row.name: row for row in rows}
    if ALL not in by_name:
        return None
    mine = by_name.get(feed_name)
    return Position(tenant, feed_name, by_name[ALL].epoch, 0 if mine is None else mine.sequence)


def find_newest_of(tx: Connection, tenant: str, feed_names: Collection[str]) -> dict[str, int]:
    """Feed -> its newest sequence, for those that have one."""
    query = sa.select(feed.c.name, feed.c.sequence).where(feed.c.tenant == tenant, feed.c.name.in_(feed_names))
    return {row.name: row.sequence for row in tx.execute(query)}


def outbox_ends(tx: Connection) -> dict[str, int]:
    """Tenant -> sequence of its newest event, for all tenants: one small read tells whether anything is new."""
    return {row.tenant: row.sequence for row in tx.execute(sa.select(feed).where(feed.c.name == ALL))}


def anchor_at(tx: Connection, tenant: str, feed_name: str, sequence: int) -> bytes | None:
    """What tells the event at `sequence` from another that once had its number; None when there is none."""
    query = sa.select(feed_event.c.event).where(
        feed_event.c.tenant == tenant, feed_event.c.feed == feed_name, feed_event.c.sequence == sequence
    )
    found = tx.execute(query).scalar()
    return None if found is None else anchor_of(found)


def events_after(
    tx: Connection, tenant: str, feed_name: str, sequence: int, *, limit: int, subject: str = ""
) -> Sequence[Placed]:
    """The next events of the feed, every one of them, oldest first; only those of `subject` when it is given."""
    query = (
        sa.select(feed_event.c.sequence, event, *_batch_columns)
        .select_from(sa.join(feed_event, _whole_event, event.c.id == feed_event.c.event))
        .where(feed_event.c.tenant == tenant, feed_event.c.feed == feed_name, feed_event.c.sequence > sequence)
        .order_by(feed_event.c.sequence)
        .limit(limit)
    )
    if subject:
        query = query.where(event.c.subject == subject)
    return [Placed(row.sequence, read_event(row)) for row in tx.execute(query)]


def state_after(tx: Connection, tenant: str, feed_name: str, sequence: int, *, limit: int) -> Sequence[Placed]:
    """What changed since, told shortest: of each subject its newest event only, oldest first."""
    query = (
        sa.select(feed_subject.c.sequence, event, *_batch_columns)
        .select_from(sa.join(feed_subject, _whole_event, event.c.id == feed_subject.c.event))
        .where(feed_subject.c.tenant == tenant, feed_subject.c.feed == feed_name, feed_subject.c.sequence > sequence)
        .order_by(feed_subject.c.sequence)
        .limit(limit)
    )
    return [Placed(row.sequence, read_event(row)) for row in tx.execute(query)]


def outbox_after(tx: Connection, tenant: str, sequence: int, *, limit: int) -> list[tuple[int, dict[str, int], Event]]:
    """The next events of the tenant: place in the outbox, {feed: place} for its other feeds, the event."""
    placed = events_after(tx, tenant, ALL, sequence, limit=limit)
    if not placed:
        return []
    query = sa.select(feed_event).where(feed_event.c.event.in_([each.event.id for each in placed]))
    places: dict[str, dict[str, int]] = {each.event.id: {} for each in placed}
    for row in tx.execute(query):
        if row.feed != ALL:
            places[row.event][row.feed] = row.sequence
    return [(each.sequence, places[each.event.id], each.event) for each in placed]


def subjects(tx: Connection, tenant: str, feed_name: str) -> Sequence[tuple[str, str]]:
    """(subject, id of its newest event), sorted by subject: what the digest of the state is made of."""
    query = sa.select(feed_subject.c.subject, feed_subject.c.event).where(
        feed_subject.c.tenant == tenant, feed_subject.c.feed == feed_name
    )
    return sorted((row.subject, row.event) for row in tx.execute(query))


def find_events(tx: Connection, ids: Collection[str]) -> dict[str, Event]:
    """By id."""
    query = sa.select(event, *_batch_columns).select_from(_whole_event).where(event.c.id.in_(ids))
    return {row.id: read_event(row) for row in tx.execute(query)}


def read_event(row: sa.Row[tuple[object, ...]]) -> Event:
    """From a row of `event` joined with its batch."""
    signature = promise = place = None
    if row.signature is not None:
        signature = ServiceSignature(
            key_version=row.key_version, signature=row.signature, context=EVENT_CONTEXT, sign_time=row.sign_time
        )
    if row.entry is not None:
        promise = LogPromise(event_key=row.id, leaf_hash=row.leaf_hash, entry=row.entry, tlog_proof=row.tlog_proof)
    if row.batch is not None:
        of_batch = LogPromise(
            event_key=row.batch, leaf_hash=row.batch_leaf_hash, entry=row.batch_entry, tlog_proof=row.batch_tlog_proof
        )
        made = Batch(id=row.batch, tenant=row.tenant, tree_size=row.tree_size, promise=of_batch)
        place = BatchPlace(made, row.batch_index, row.batch_path)
    return Event(
        id=row.id,
        tenant=row.tenant,
        uri=row.type,
        subject=row.subject,
        revision=row.revision,
        status=Status(row.status),
        priority=Priority(row.priority),
        event_time=row.event_time,
        payload=row.payload,
        signature=signature,
        promise=promise,
        place=place,
    )
