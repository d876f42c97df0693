"""Tables of the revocation feed; nobody else touches them.

`sequence` is dense and in commit order: the feed row of the tenant is updated first, which locks it until the commit,
so on PostgreSQL too no later number becomes visible before an earlier one.
"""

import contextlib
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from hsm.secret import Secret
from kms.core.database import UtcTime, metadata
from kms.core.names import ChildName
from kms.keys.model import ServiceSignature
from kms.log.model import LogPromise
from kms.revocation.model import (
    AssuranceChange,
    AssuranceLevel,
    InitiatingEntity,
    Position,
    Revocation,
    RevocationEvent,
    RevocationReason,
    Subject,
    anchor_of,
    parse_subject,
)

_feed = sa.Table(
    "revocation_feed",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("epoch", sa.LargeBinary(16), nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
)

_event = sa.Table(
    "revocation_event",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("subject", sa.String(512), nullable=False),
    sa.Column("reason", sa.String(32), nullable=False),
    sa.Column("event_time", UtcTime, nullable=False),
    sa.Column("effective_time", UtcTime, nullable=False),
    sa.Column("initiating_entity", sa.String(16), nullable=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("key_version", sa.String(512), nullable=False),
    sa.Column("signature", sa.LargeBinary, nullable=False),
    sa.Column("sign_time", UtcTime, nullable=False),
    sa.Column("context", sa.String(255), nullable=False),
    sa.Column("leaf_hash", sa.LargeBinary(32), nullable=False),
    sa.Column("entry", sa.LargeBinary, nullable=False),
    sa.Column("grave", sa.Boolean),
    sa.Column("assurance", sa.JSON),
    sa.UniqueConstraint("tenant", "subject", "grave", name="revocation_event_subject"),
)

_ASSURANCE = "ASSURANCE_LEVEL_CHANGE"
"""The reason of events that revoke nothing. They have no gravity either, so a subject may have many."""

_cursor_key = sa.Table(
    "revocation_cursor_key",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("key", sa.LargeBinary(32), nullable=False),
)


def ensure_cursor_key(tx: Connection, fresh: bytes) -> Secret:
    """The key of cursors and page tokens; `fresh` (32 bytes) becomes it when there is none yet."""
    chosen = sa.select(_cursor_key.c.key).where(_cursor_key.c.id == 1)
    if tx.execute(chosen).first() is None:
        _insert_if_first(tx, _cursor_key.insert().values(id=1, key=fresh))
    return Secret(tx.execute(chosen).scalar_one())


def find_newest(tx: Connection, tenant: str) -> Position | None:
    """Where the tenant's feed ends now; None before its first use."""
    row = tx.execute(sa.select(_feed).where(_feed.c.tenant == tenant)).first()
    return None if row is None else Position(row.tenant, row.epoch, row.sequence)


def lock_feed(tx: Connection, tenant: str, fresh_epoch: bytes) -> Position:
    """Where the tenant's feed ends, held against other writers until the commit; begins it at the first use."""
    if find_newest(tx, tenant) is None:
        _insert_if_first(tx, _feed.insert().values(tenant=tenant, epoch=fresh_epoch, sequence=0))
    tx.execute(_feed.update().where(_feed.c.tenant == tenant).values(sequence=_feed.c.sequence))
    row = tx.execute(sa.select(_feed).where(_feed.c.tenant == tenant)).one()
    return Position(row.tenant, row.epoch, row.sequence)


def anchor_at(tx: Connection, tenant: str, sequence: int) -> bytes | None:
    """What tells the event at `sequence` from another that once had its number; None when there is none."""
    query = sa.select(_event.c.leaf_hash).where(_event.c.tenant == tenant, _event.c.sequence == sequence)
    leaf_hash = tx.execute(query).scalar()
    return None if leaf_hash is None else anchor_of(leaf_hash)


def newest_sequences(tx: Connection) -> dict[str, int]:
    """Tenant -> number of its newest event, for all tenants."""
    return {row.tenant: row.sequence for row in tx.execute(sa.select(_feed.c.tenant, _feed.c.sequence))}


def append(tx: Connection, event: RevocationEvent) -> None:
    """The event and the feed's new end. `event.sequence` is one more than `lock_feed` said."""
    revocation, tenant = event.revocation, event.revocation.subject.tenant
    tx.execute(
        _event.insert().values(
            tenant=tenant,
            sequence=event.sequence,
            id=revocation.id,
            subject=str(revocation.subject),
            **_what(revocation),
            event_time=revocation.event_time,
            effective_time=revocation.effective_time,
            initiating_entity=revocation.initiating_entity,
            payload=event.payload,
            key_version=event.signature.key_version,
            signature=event.signature.signature,
            sign_time=event.signature.sign_time,
            context=event.signature.context,
            leaf_hash=event.promise.leaf_hash,
            entry=event.promise.entry,
        )
    )
    tx.execute(_feed.update().where(_feed.c.tenant == tenant).values(sequence=event.sequence))


def find_by_subject(tx: Connection, subject: Subject) -> RevocationEvent | None:
    """The gravest revocation of the subject: there are at most two, the second saying that the secret may be known."""
    revocations = _event.c.grave.is_not(None)
    chosen = sa.and_(_event.c.tenant == subject.tenant, _event.c.subject == str(subject), revocations)
    row = tx.execute(sa.select(_event).where(chosen).order_by(_event.c.grave.desc())).first()
    return None if row is None else _read(row)


def events_after(
    tx: Connection, tenant: str, sequence: int, *, limit: int, subject: str = ""
) -> Sequence[RevocationEvent]:
    """The next events of the feed, oldest first; only those of `subject` when it is given."""
    query = sa.select(_event).where(_event.c.tenant == tenant, _event.c.sequence > sequence)
    if subject:
        query = query.where(_event.c.subject == subject)
    return [_read(row) for row in tx.execute(query.order_by(_event.c.sequence).limit(limit))]


def _what(decision: Revocation | AssuranceChange) -> dict[str, object]:
    """The columns in which the two differ."""
    if isinstance(decision, AssuranceChange):
        levels = {"current": decision.current, "previous": decision.previous, "verdict": decision.verdict}
        return {"reason": _ASSURANCE, "assurance": levels}
    return {"reason": decision.reason, "grave": decision.reason.secret_may_be_known}


def _decision(row: sa.Row[tuple[object, ...]]) -> Revocation | AssuranceChange:
    subject = parse_subject(row.subject)
    if row.reason == _ASSURANCE:
        assert isinstance(subject, ChildName)
        return AssuranceChange(
            id=row.id,
            subject=subject,
            verdict=row.assurance["verdict"],
            current=AssuranceLevel(row.assurance["current"]),
            previous=AssuranceLevel(row.assurance["previous"]),
            event_time=row.event_time,
            initiating_entity=InitiatingEntity(row.initiating_entity),
        )
    return Revocation(
        id=row.id,
        subject=subject,
        reason=RevocationReason(row.reason),
        event_time=row.event_time,
        effective_time=row.effective_time,
        initiating_entity=InitiatingEntity(row.initiating_entity),
    )


def _read(row: sa.Row[tuple[object, ...]]) -> RevocationEvent:
    signature = ServiceSignature(
        key_version=row.key_version, signature=row.signature, context=row.context, sign_time=row.sign_time
    )
    promise = LogPromise(event_key=row.id, leaf_hash=row.leaf_hash, entry=row.entry)
    return RevocationEvent(
        revocation=_decision(row), sequence=row.sequence, payload=row.payload, signature=signature, promise=promise
    )


def _insert_if_first(tx: Connection, insert: sa.Insert) -> None:
    """Another replica may insert the same row at this moment; then its row stands."""
    with contextlib.suppress(IntegrityError), tx.begin_nested():
        tx.execute(insert)
