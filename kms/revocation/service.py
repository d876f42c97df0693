"""Use cases of revocation: revoke and list. Watching is in watch.py.

Revoke, hop by hop: (1) a read transaction: seen before? revoked already? is it there at all? (2) no transaction: the
service signs the event; (3) one write transaction: place in the feed, event, state of the subject, log entry, answer
for replays; then the watchers are woken.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy.engine import Connection

from kms.core.clock import format_time
from kms.core.database import Database
from kms.core.errors import OutOfRange, Reason, not_found
from kms.core.idempotency import Replays, RequestKey
from kms.core.ids import new_id
from kms.core.randomness import Randomness
from kms.keys.model import ServiceSignature
from kms.keys.signing import SigningService
from kms.log.model import LogEntry
from kms.log.service import TransparencyLog
from kms.revocation import store
from kms.revocation.cursor import CursorCodec
from kms.revocation.feed import FeedSignal
from kms.revocation.model import (
    EVENT_CONTEXT,
    SIGNING_KEY_ID,
    InitiatingEntity,
    Position,
    Revocation,
    RevocationEvent,
    RevocationReason,
    Subject,
    effective_from,
)
from kms.revocation.payload import event_payload
from kms.revocation.subjects import RevocableSubject, collection_of

PAGE_EVENTS_MAX = 500
"""More would not fit gRPC's default of 4 MiB for one message: an event has about 5 KiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeAnswer:
    """What Revoke remembers for a replay."""

    event: str


@dataclass(frozen=True, slots=True)
class Page:
    """Some events, oldest first. `end` is the place after them; `more` says that the next page is not empty."""

    events: Sequence[RevocationEvent]
    end: Position
    more: bool


@dataclass(frozen=True, slots=True)
class _Signed:
    revocation: Revocation
    payload: bytes
    signature: ServiceSignature


@dataclass(slots=True, kw_only=True)
class RevocationService:
    """`subjects` lists what can be revoked, by collection. `issuer` is the iss of every event, a URI."""

    database: Database
    signing: SigningService
    log: TransparencyLog
    randomness: Randomness
    signal: FeedSignal
    subjects: Mapping[str, RevocableSubject]
    issuer: str
    _replays: Replays[RevokeAnswer] = field(default_factory=lambda: Replays(RevokeAnswer))

    async def revoke(
        self,
        subject: Subject,
        *,
        reason: RevocationReason,
        effective_time: datetime | None,
        initiating_entity: InitiatingEntity,
        request: RequestKey,
        transaction_id: str,
        now: datetime,
        published: bool,
    ) -> tuple[RevocationEvent, bool]:
        """The event, and whether it is an earlier one. Revoking twice answers with the first event, unless only the
        second says that the secret may be known: that is news, and an event of its own.

        Raises the uniform not-found, and InvalidArgument for an effective_time in the future.
        """
        revocation = Revocation(
            id=new_id(now, self.randomness),
            subject=subject,
            reason=reason,
            event_time=now,
            effective_time=effective_from(effective_time, now),
            initiating_entity=initiating_entity,
        )
        first = await self.database.read(lambda tx: self._find_first(tx, subject, reason, request))
        if first is not None:
            earlier = first
            await self.database.write(lambda tx: self._remember(tx, request, earlier, now))
            return await self._confirmed(earlier, published=published), True
        signed = await self._sign(revocation, transaction_id)
        event, replayed = await self.database.write(lambda tx: self._commit(tx, signed, request))
        self.signal.notify(subject.tenant)
        return await self._confirmed(event, published=published), replayed

    async def list(self, tenant: str, start: Position | None, *, limit: int, subject: str = "") -> Page:
        """Events after `start`, or from the beginning; only those of `subject` when it is given.

        Raises OutOfRange/CURSOR_EPOCH when `start` belongs to a history that was replaced.
        """
        limit = min(limit, PAGE_EVENTS_MAX)
        begin = await self.beginning(tenant, start)
        found = await self.database.read(
            lambda tx: store.events_after(tx, tenant, begin.sequence, limit=limit + 1, subject=subject)
        )
        events = found[:limit]
        end = begin.after(events[-1]) if events else begin
        return Page(events, end, more=len(found) > limit)

    async def beginning(self, tenant: str, start: Position | None) -> Position:
        """Where to read from: `start` if it lies in today's history, else the beginning. Raises OutOfRange."""
        newest = await self.newest(tenant)
        if start is None or start.sequence == 0:
            return newest.beginning() if start is None else check_epoch(start, newest)
        anchor = await self.database.read(lambda tx: store.anchor_at(tx, tenant, start.sequence))
        if anchor is not None and not hmac.compare_digest(anchor, start.anchor):
            raise _history_replaced()
        return check_epoch(start, newest)

    async def newest(self, tenant: str) -> Position:
        """Where the tenant's feed ends now; begins it at the first use."""
        position = await self.database.read(lambda tx: store.find_newest(tx, tenant))
        if position is None:
            epoch = self.randomness.bytes(16)
            position = await self.database.write(lambda tx: store.lock_feed(tx, tenant, epoch))
        return position

    def _target(self, subject: Subject) -> RevocableSubject:
        target = self.subjects.get(collection_of(subject))
        if target is None:
            raise not_found(str(subject))
        return target

    def _find_first(
        self, tx: Connection, subject: Subject, reason: RevocationReason, request: RequestKey
    ) -> RevocationEvent | None:
        self._replays.find(tx, request)  # refuses a request_id that was used for another body
        event = store.find_by_subject(tx, subject)
        if event is None:
            self._target(subject).check_exists(tx, subject)
        return event if event is None or _covers(event, reason) else None

    async def _sign(self, revocation: Revocation, transaction_id: str) -> _Signed:
        credential_type = self._target(revocation.subject).credential_type
        payload = event_payload(
            revocation, issuer=self.issuer, transaction_id=transaction_id, credential_type=credential_type
        )
        now = revocation.event_time
        signature = await self.signing.sign_as_service(SIGNING_KEY_ID, payload, EVENT_CONTEXT, now)
        return _Signed(revocation, payload, signature)

    def _commit(self, tx: Connection, signed: _Signed, request: RequestKey) -> tuple[RevocationEvent, bool]:
        revocation = signed.revocation
        end = store.lock_feed(tx, revocation.subject.tenant, self.randomness.bytes(16))
        first = store.find_by_subject(tx, revocation.subject)
        if first is not None and not _covers(first, revocation.reason):
            first = None
        event = first or self._append(tx, signed, end)
        self._remember(tx, request, event, revocation.event_time)
        return event, first is not None

    def _append(self, tx: Connection, signed: _Signed, end: Position) -> RevocationEvent:
        revocation = signed.revocation
        self._target(revocation.subject).revoke_in(
            tx,
            revocation.subject,
            reason=revocation.reason,
            effective_time=revocation.effective_time,
            now=revocation.event_time,
        )
        event = RevocationEvent(
            revocation=revocation,
            sequence=end.sequence + 1,
            payload=signed.payload,
            signature=signed.signature,
            promise=self.log.record(tx, _log_entry(signed)),
        )
        store.append(tx, event)
        return event

    def _remember(self, tx: Connection, request: RequestKey, event: RevocationEvent, now: datetime) -> None:
        if self._replays.find(tx, request) is None:
            self._replays.store(tx, request, RevokeAnswer(event=str(event.revocation.name)), now)

    async def _confirmed(self, event: RevocationEvent, *, published: bool) -> RevocationEvent:
        return replace(event, promise=await self.log.confirm(event.promise, published=published))


def _covers(event: RevocationEvent, reason: RevocationReason) -> bool:
    """Says the event already what a revocation for this reason would say?"""
    assert isinstance(event.revocation, Revocation)  # the store finds no others by subject
    return event.revocation.reason.secret_may_be_known or not reason.secret_may_be_known


async def open_cursor_codec(database: Database, randomness: Randomness) -> CursorCodec:
    """Cursors with this installation's own key, made at the first start."""
    fresh = randomness.bytes(32)
    return CursorCodec(await database.write(lambda tx: store.ensure_cursor_key(tx, fresh)))


def check_epoch(position: Position, newest: Position) -> Position:
    """The position, if it lies in the history that `newest` ends.

    A position beyond the end is not of this history either: the server lost events it had sent.
    """
    if position.epoch != newest.epoch or position.sequence > newest.sequence:
        raise _history_replaced()
    return position


def _history_replaced() -> OutOfRange:
    return OutOfRange(
        Reason.CURSOR_EPOCH,
        "the server's history was replaced since this cursor was given out; start again from ListRevocations",
        field="cursor",
    )


def _log_entry(signed: _Signed) -> LogEntry:
    revocation = signed.revocation
    details = {
        "effective_time": format_time(revocation.effective_time),
        "initiating_entity": revocation.initiating_entity.value,
        "payload_sha256": hashlib.sha256(signed.payload).hexdigest(),
        "reason": revocation.reason.value,
        "signed_by": signed.signature.key_version,
    }
    subject = revocation.subject
    return LogEntry(revocation.id, "revocation.created", subject.tenant, str(subject), revocation.event_time, details)
