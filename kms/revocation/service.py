"""Use cases of revocation: revoke and list. Watching is in watch.py.

Revoke, hop by hop: (1) a read transaction: seen before? revoked already? is it there at all? (2) no transaction: the
service signs the event; (3) one write transaction: place in the feed, event, state of the subject, log entry, answer
for replays; then the watchers are woken.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from sqlalchemy.engine import Connection

from kms.core.clock import format_time
from kms.core.database import Database
from kms.core.errors import OutOfRange, Reason, Unavailable, not_found
from kms.core.idempotency import Replays, RequestKey
from kms.events import history
from kms.events.appending import Events, Overtaken
from kms.events.model import REVOCATIONS, InitiatingEntity, Position, SignedEvent
from kms.log.model import LogEntry
from kms.revocation import store
from kms.revocation.model import (
    Revocation,
    RevocationEvent,
    RevocationReason,
    Subject,
    after,
    effective_from,
)
from kms.revocation.payload import Telling, read_placed, revocation_draft
from kms.revocation.subjects import RevocableSubject, collection_of

_ROUNDS_MAX = 8
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
class _Target:
    """What is known of the subject before the event is signed. `revision`: of the event."""

    feeds: Sequence[str]
    revision: int
    telling: Telling


@dataclass(frozen=True, slots=True)
class _Signed:
    revocation: Revocation
    event: SignedEvent
    feeds: Sequence[str]


@dataclass(slots=True, kw_only=True)
class RevocationService:
    """`subjects` lists what can be revoked, by collection."""

    events: Events
    subjects: dict[str, RevocableSubject]
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
            id=self.events.new_id(now),
            subject=subject,
            reason=reason,
            event_time=now,
            effective_time=effective_from(effective_time, now),
            initiating_entity=initiating_entity,
        )
        for _ in range(_ROUNDS_MAX):
            found = await self.database.read(lambda tx: self._find(tx, subject, reason, request))
            if isinstance(found, RevocationEvent):
                await self.database.write(partial(self._remember, request=request, event=found, now=now))
                return await self._confirmed(found, published=published), True
            signed = await self._sign(revocation, found, transaction_id)
            try:
                event, replayed = await self.database.write(partial(self._commit, signed=signed, request=request))
            except Overtaken:
                continue
            self.events.notify(subject.tenant)
            return await self._confirmed(event, published=published), replayed
        raise Unavailable(Reason.QUEUE_FULL, f"{subject} changes many times at once; retry", retry_after_seconds=1)

    @property
    def database(self) -> Database:
        return self.events.database

    async def list(self, tenant: str, start: Position | None, *, limit: int, now: datetime, subject: str = "") -> Page:
        """Events after `start`, or from the beginning; only those of `subject` when it is given.

        Raises OutOfRange/CURSOR_EPOCH when `start` belongs to a history that was replaced.
        """
        limit = min(limit, PAGE_EVENTS_MAX)
        begin = await self.beginning(tenant, start, now)
        found = await self.database.read(
            lambda tx: store.events_after(tx, tenant, begin.sequence, limit=limit + 1, subject=subject)
        )
        events = found[:limit]
        end = after(begin, events[-1]) if events else begin
        return Page(events, end, more=len(found) > limit)

    async def beginning(self, tenant: str, start: Position | None, now: datetime) -> Position:
        """Where to read from: `start` if it lies in today's history, else the beginning. Raises OutOfRange."""
        newest = await self.newest(tenant, now)
        if start is None or start.sequence == 0:
            return newest.beginning() if start is None else check_epoch(start, newest)
        anchor = await self.database.read(lambda tx: history.anchor_at(tx, tenant, REVOCATIONS, start.sequence))
        if anchor is not None and not hmac.compare_digest(anchor, start.anchor):
            raise _history_replaced()
        return check_epoch(start, newest)

    async def newest(self, tenant: str, now: datetime) -> Position:
        """Where the tenant's feed ends now; begins it at the first use."""
        return await self.events.newest(tenant, REVOCATIONS, now)

    def _target(self, subject: Subject) -> RevocableSubject:
        target = self.subjects.get(collection_of(subject))
        if target is None:
            raise not_found(str(subject))
        return target

    def _find(
        self, tx: Connection, subject: Subject, reason: RevocationReason, request: RequestKey
    ) -> RevocationEvent | _Target:
        """The revocation that says it already, or what a new one starts from."""
        self._replays.find(tx, request)  # refuses a request_id that was used for another body
        event = store.find_by_subject(tx, subject)
        if event is not None and _covers(event, reason):
            return event
        if event is None:
            self._target(subject).check_exists(tx, subject)
        feeds = self._target(subject).feeds(tx, subject)
        known = [self.events.known(tx, subject.tenant, feed, str(subject)) for feed in feeds]
        revision = 1 + max((each.revision for each in known if each is not None), default=0)
        return _Target(feeds, revision, self._target(subject).telling(tx, subject))

    async def _sign(self, revocation: Revocation, target: _Target, transaction_id: str) -> _Signed:
        draft = revocation_draft(revocation, target.telling, revision=target.revision, transaction_id=transaction_id)
        return _Signed(revocation, await self.events.sign(draft, revocation.event_time), target.feeds)

    def _commit(self, tx: Connection, *, signed: _Signed, request: RequestKey) -> tuple[RevocationEvent, bool]:
        revocation = signed.revocation
        self.events.lock(tx, revocation.subject.tenant, revocation.event_time)
        first = store.find_by_subject(tx, revocation.subject)
        if first is not None and not _covers(first, revocation.reason):
            first = None
        event = first or self._append(tx, signed)
        self._remember(tx, request, event, revocation.event_time)
        return event, first is not None

    def _append(self, tx: Connection, signed: _Signed) -> RevocationEvent:
        revocation = signed.revocation
        self._target(revocation.subject).revoke_in(
            tx,
            revocation.subject,
            reason=revocation.reason,
            effective_time=revocation.effective_time,
            now=revocation.event_time,
        )
        promise = self.events.log.record(tx, _log_entry(signed))
        placed = self.events.append(tx, signed.event, promise, [REVOCATIONS, *signed.feeds])
        store.insert(tx, revocation.subject, grave=revocation.reason.secret_may_be_known, event=revocation.id)
        return read_placed(placed)

    def _remember(self, tx: Connection, request: RequestKey, event: RevocationEvent, now: datetime) -> None:
        if self._replays.find(tx, request) is None:
            self._replays.store(tx, request, RevokeAnswer(event=str(event.revocation.name)), now)

    async def _confirmed(self, event: RevocationEvent, *, published: bool) -> RevocationEvent:
        return replace(event, promise=await self.events.log.confirm(event.promise, published=published))


def _covers(event: RevocationEvent, reason: RevocationReason) -> bool:
    """Says the event already what a revocation for this reason would say?"""
    assert isinstance(event.revocation, Revocation)  # the store finds no others by subject
    return event.revocation.reason.secret_may_be_known or not reason.secret_may_be_known


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
        "payload_sha256": hashlib.sha256(signed.event.payload).hexdigest(),
        "reason": revocation.reason.value,
        "signed_by": signed.event.signature.key_version,
    }
    subject = revocation.subject
    return LogEntry(revocation.id, "revocation.created", subject.tenant, str(subject), revocation.event_time, details)
