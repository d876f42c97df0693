"""What waits for streams, and how far the outbox of each tenant was read."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.events import history
from kms.events.model import ALL
from kms.events.store import insert_if_first
from kms.events.tables import feed_event
from kms.ssf.model import Kind, Queued, Stream, StreamStatus
from kms.ssf.tables import position, queue, stream

_CHUNK = 500


def enqueue(tx: Connection, stream_id: str, kind: Kind, sets: Sequence[tuple[str, bytes]]) -> None:
    """(jti, claims) in this order, behind what waits already."""
    if not sets:
        return
    tx.execute(stream.update().where(stream.c.id == stream_id).values(queued=stream.c.queued + len(sets)))
    last = tx.execute(sa.select(stream.c.queued).where(stream.c.id == stream_id)).scalar_one()
    first = last - len(sets) + 1
    rows = [
        {"stream": stream_id, "number": first + offset, "jti": jti, "kind": kind.value, "claims": claims}
        for offset, (jti, claims) in enumerate(sets)
    ]
    tx.execute(queue.insert(), rows)


def waiting(tx: Connection, of: Stream, *, limit: int) -> Sequence[Queued]:
    """What may be delivered now, oldest first: everything, or the word of the stop alone, or nothing."""
    query = sa.select(queue).where(queue.c.stream == of.id).order_by(queue.c.number).limit(limit)
    match of.status:
        case StreamStatus.DISABLED:
            return []
        case StreamStatus.PAUSED:
            query = query.where(queue.c.kind == Kind.STREAM_UPDATED.value)
        case StreamStatus.ENABLED:
            pass
    return [Queued(row.number, row.jti, row.claims) for row in tx.execute(query)]


def count(tx: Connection, stream_id: str) -> int:
    query = sa.select(sa.func.count()).select_from(queue).where(queue.c.stream == stream_id)
    return int(tx.execute(query).scalar_one())


def remove(tx: Connection, stream_id: str, ids: Sequence[str]) -> int:
    """By jti. How many there were."""
    removed = 0
    for start in range(0, len(ids), _CHUNK):
        some = ids[start : start + _CHUNK]
        removed += tx.execute(queue.delete().where(queue.c.stream == stream_id, queue.c.jti.in_(some))).rowcount
    return removed


def clear(tx: Connection, stream_id: str, kind: Kind | None = None) -> None:
    """All that waits, or all of one kind."""
    doomed = queue.delete().where(queue.c.stream == stream_id)
    tx.execute(doomed if kind is None else doomed.where(queue.c.kind == kind.value))


def drop_oldest(tx: Connection, stream_id: str, number: int) -> None:
    """Events only: what tells of the stream itself stays."""
    events = sa.and_(queue.c.stream == stream_id, queue.c.kind == Kind.EVENT.value)
    oldest = tx.execute(sa.select(queue.c.number).where(events).order_by(queue.c.number).limit(number)).scalars().all()
    if oldest:
        tx.execute(queue.delete().where(events, queue.c.number <= oldest[-1]))


def begin_position(tx: Connection, tenant: str) -> int:
    """Where the tenant's outbox ends now. From the first stream on its events are read."""
    end = history.outbox_ends(tx).get(tenant, 0)
    if tx.execute(sa.select(position.c.sequence).where(position.c.tenant == tenant)).first() is None:
        insert_if_first(tx, position.insert().values(tenant=tenant, sequence=end))
    return end


def tenants_behind(tx: Connection) -> Sequence[str]:
    """Those whose outbox goes on after the position."""
    ends = history.outbox_ends(tx)
    rows = tx.execute(sa.select(position.c.tenant, position.c.sequence).order_by(position.c.tenant))
    return [row.tenant for row in rows if row.sequence < ends.get(row.tenant, 0)]


def first_places(tx: Connection, tenant: str, events: Sequence[str]) -> dict[str, int]:
    """Event -> its first place in the outbox. What was told to some and held for others stands there twice."""
    query = (
        sa.select(feed_event.c.event, sa.func.min(feed_event.c.sequence).label("first"))
        .where(feed_event.c.tenant == tenant, feed_event.c.feed == ALL, feed_event.c.event.in_(events))
        .group_by(feed_event.c.event)
    )
    return {row.event: row.first for row in tx.execute(query)}


def lock_position(tx: Connection, tenant: str) -> int | None:
    """Whoever reads the same outbox at the same time waits here and then sees the new position."""
    query = sa.select(position.c.sequence).where(position.c.tenant == tenant).with_for_update()
    return tx.execute(query).scalar()


def advance(tx: Connection, tenant: str, sequence: int) -> None:
    tx.execute(position.update().where(position.c.tenant == tenant).values(sequence=sequence))
