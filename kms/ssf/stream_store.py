"""Rows of streams and of the subjects that were removed from them."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hallmark_events.canonical import canonical_json
from hallmark_events.subject_ids import SubjectId, parse_subject_id
from kms.ssf.model import Delivery, Kind, Method, ReceiverName, Stream, StreamStatus, Wishes
from kms.ssf.tables import queue, removed_subject, stream


def insert_stream(tx: Connection, new: Stream) -> None:
    tx.execute(
        stream.insert().values(
            id=new.id,
            tenant=new.receiver.tenant,
            receiver=new.receiver.receiver,
            **_of_wishes(new.wishes),
            status=new.status.value,
            reason=new.reason,
            starts_after=new.starts_after,
            queued=0,
            dropped=new.dropped,
            refused=new.refused,
            last_error=new.last_error,
            failures=new.failures,
            next_attempt_time=new.activity_time,
            activity_time=new.activity_time,
        )
    )


def find_stream(tx: Connection, name: ReceiverName) -> Stream | None:
    """A receiver has one at most."""
    row = tx.execute(sa.select(stream).where(_of(name))).first()
    return None if row is None else _read(row)


def lock_stream(tx: Connection, name: ReceiverName, stream_id: str) -> Stream | None:
    """Held against other writers until the commit. None when the receiver has no such stream."""
    row = tx.execute(sa.select(stream).where(_of(name)).with_for_update()).first()
    return None if row is None or row.id != stream_id else _read(row)


def lock_by_id(tx: Connection, stream_id: str) -> Stream | None:
    row = tx.execute(sa.select(stream).where(stream.c.id == stream_id).with_for_update()).first()
    return None if row is None else _read(row)


def streams_of(tx: Connection, tenant: str) -> Sequence[Stream]:
    """Locked, in the order of their ids."""
    query = sa.select(stream).where(stream.c.tenant == tenant).order_by(stream.c.id).with_for_update()
    return [_read(row) for row in tx.execute(query)]


def all_of(tx: Connection, tenant: str) -> Mapping[ReceiverName, Stream]:
    """Read only."""
    found = [_read(row) for row in tx.execute(sa.select(stream).where(stream.c.tenant == tenant))]
    return {each.receiver: each for each in found}


def inactive_since(tx: Connection, moment: datetime) -> Sequence[str]:
    """Enabled streams without activity after `moment`."""
    query = sa.select(stream.c.id).where(stream.c.status == StreamStatus.ENABLED.value, stream.c.activity_time < moment)
    return tx.execute(query).scalars().all()


def due_for_push(tx: Connection, now: datetime, *, failures_max: int, limit: int) -> Sequence[str]:
    """Streams with something to push whose next attempt may begin."""
    waiting = sa.select(queue.c.number).where(queue.c.stream == stream.c.id)
    stopped = waiting.where(queue.c.kind == Kind.STREAM_UPDATED.value)
    query = (
        sa.select(stream.c.id)
        .where(
            stream.c.method == Method.PUSH.value,
            stream.c.next_attempt_time <= now,
            stream.c.failures < failures_max,
            sa.or_(
                sa.and_(stream.c.status == StreamStatus.ENABLED.value, waiting.exists()),
                sa.and_(stream.c.status == StreamStatus.PAUSED.value, stopped.exists()),
            ),
        )
        .order_by(stream.c.next_attempt_time)
        .limit(limit)
    )
    return tx.execute(query).scalars().all()


def claim(tx: Connection, stream_id: str, now: datetime, lease: timedelta) -> bool:
    """For one attempt: whoever comes second, or too early, gets False."""
    changed = tx.execute(
        stream.update()
        .where(stream.c.id == stream_id, stream.c.next_attempt_time <= now)
        .values(next_attempt_time=now + lease)
    )
    return changed.rowcount == 1


def update_stream(tx: Connection, stream_id: str, **values: Any) -> None:
    """Columns by name."""
    tx.execute(stream.update().where(stream.c.id == stream_id).values(**values))


def set_wishes(tx: Connection, stream_id: str, wishes: Wishes) -> None:
    update_stream(tx, stream_id, **_of_wishes(wishes))


def delete_stream(tx: Connection, stream_id: str) -> None:
    """With all that waits for it."""
    tx.execute(queue.delete().where(queue.c.stream == stream_id))
    tx.execute(removed_subject.delete().where(removed_subject.c.stream == stream_id))
    tx.execute(stream.delete().where(stream.c.id == stream_id))


def removed_subjects(tx: Connection, stream_id: str) -> Sequence[SubjectId]:
    query = sa.select(removed_subject.c.subject).where(removed_subject.c.stream == stream_id)
    return [parse_subject_id(subject) for subject in tx.execute(query).scalars()]


def remove_subject(tx: Connection, stream_id: str, subject: SubjectId) -> None:
    """Twice is once."""
    add_subject(tx, stream_id, subject)
    values = {"stream": stream_id, "subject_sha256": _sha256(subject), "subject": subject.to_json()}
    tx.execute(removed_subject.insert().values(**values))


def add_subject(tx: Connection, stream_id: str, subject: SubjectId) -> None:
    """Takes a removal back."""
    this = sa.and_(removed_subject.c.stream == stream_id, removed_subject.c.subject_sha256 == _sha256(subject))
    tx.execute(removed_subject.delete().where(this))


def _sha256(subject: SubjectId) -> bytes:
    """One spelling for each subject: canonical JSON."""
    return hashlib.sha256(canonical_json(subject.to_json())).digest()


def _of(name: ReceiverName) -> sa.ColumnElement[bool]:
    return sa.and_(stream.c.tenant == name.tenant, stream.c.receiver == name.receiver)


def _of_wishes(wishes: Wishes) -> dict[str, Any]:
    return {
        "method": wishes.delivery.method.value,
        "endpoint_url": wishes.delivery.endpoint_url,
        "authorization_header": wishes.delivery.authorization_header,
        "events_requested": list(wishes.events_requested),
        "description": wishes.description,
    }


def _read(row: Any) -> Stream:
    return Stream(
        id=row.id,
        receiver=ReceiverName(row.tenant, row.receiver),
        wishes=Wishes(
            delivery=Delivery(Method(row.method), row.endpoint_url, row.authorization_header),
            events_requested=tuple(row.events_requested),
            description=row.description,
        ),
        status=StreamStatus(row.status),
        reason=row.reason,
        starts_after=row.starts_after,
        dropped=row.dropped,
        refused=row.refused,
        last_error=row.last_error,
        failures=row.failures,
        activity_time=row.activity_time,
        verify_time=row.verify_time,
        last_delivery_time=row.last_delivery_time,
    )
