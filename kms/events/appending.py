"""Making events: signed outside transactions, put into feeds inside the transaction of the act they tell of.

What takes something back is in its feeds at once. What allows something is held until the log has published its entry
(kms.events.releasing): restrict on signature, permit on proof.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.engine import Connection

from kms.core.database import Database, to_microseconds
from kms.core.ids import new_id
from kms.core.randomness import Randomness
from kms.events import history, store
from kms.events.model import (
    EVENT_CONTEXT,
    SIGNING_KEY_ID,
    STATELESS,
    Batch,
    BatchPlace,
    Draft,
    Event,
    Known,
    Placed,
    Position,
    SignedEvent,
    Status,
)
from kms.events.payload import event_payload
from kms.events.signal import FeedSignal
from kms.keys.signing import SigningService
from kms.log.model import LogPromise
from kms.log.service import TransparencyLog

MICROSECONDS_BYTES = 8
RANDOM_BYTES = 8


@dataclass(frozen=True, slots=True)
class BatchLeaf:
    """An event of a batch: the leaf at `place` is its payload, `path` leads from there to the root."""

    draft: Draft
    payload: bytes
    place: int
    path: bytes
    feed: str


class Overtaken(Exception):
    """There is a newer revision of the subject already: read `known` again and begin anew. Nothing was written."""


@dataclass(slots=True, kw_only=True)
class Events:
    """One for the process. `issuer` is the iss of every event, a URI.

    An act: `draft.revision` is one more than `known` said; `sign` before the transaction; in it the business row, the
    log entry and `append` or `hold`; after the commit `notify`.
    """

    database: Database
    signing: SigningService
    log: TransparencyLog
    randomness: Randomness
    signal: FeedSignal
    issuer: str

    def new_id(self, now: datetime) -> str:
        """UUIDv7, for a draft."""
        return new_id(now, self.randomness)

    def known(self, tx: Connection, tenant: str, feed: str, subject: str) -> Known | None:
        """What the feed says of the subject now."""
        return store.known(tx, tenant, feed, subject)

    async def next_revision(self, tenant: str, feed: str, subject: str) -> int:
        """For a draft about a subject whose own table does not count revisions."""
        now_known = await self.database.read(lambda tx: store.known(tx, tenant, feed, subject))
        return 1 if now_known is None else now_known.revision + 1

    async def sign(self, draft: Draft, now: datetime) -> SignedEvent:
        """By the service's composite key. Raises what the HSM raises."""
        payload = event_payload(draft, issuer=self.issuer)
        signature = await self.signing.sign_as_service(SIGNING_KEY_ID, payload, EVENT_CONTEXT, now)
        return SignedEvent(draft, payload, signature)

    def append(
        self,
        tx: Connection,
        signed: SignedEvent,
        promise: LogPromise,
        feeds: Sequence[str],
        *,
        held_for: Sequence[str] = (),
    ) -> Placed:
        """Into its feeds, now, and into those of `held_for` as `hold` does: it then stands in the outbox twice, because
        feeds grow twice. Gives the place in the first feed. Raises Overtaken.
        """
        event = event_of(signed, promise)
        epoch = self.lock(tx, event.tenant, event.event_time)
        self._check_news(tx, event, [*feeds, *held_for])
        store.insert_events(tx, [event])
        store.place(tx, event.tenant, [store.Placing(event, feeds)], epoch=epoch)
        if held_for:
            store.hold(tx, [(event, held_for)])
        ends = history.find_newest_of(tx, event.tenant, feeds[:1])
        return Placed(ends[feeds[0]], event)

    def hold(self, tx: Connection, signed: SignedEvent, promise: LogPromise, feeds: Sequence[str]) -> Event:
        """Kept until the log has published `promise`; then into its feeds, unless a newer revision came first."""
        event = event_of(signed, promise)
        store.insert_events(tx, [event])
        store.hold(tx, [(event, feeds)])
        return event

    def hold_batch(self, tx: Connection, batch: Batch, leaves: Sequence[BatchLeaf]) -> None:
        """Events of a batch. `batch.promise` is the log entry that has the root of the tree. Held as in `hold`."""
        store.insert_batch(tx, batch)
        events = [_leaf(each.draft, each.payload, BatchPlace(batch, each.place, each.path)) for each in leaves]
        store.insert_events(tx, events)
        store.hold(tx, [(event, [each.feed]) for event, each in zip(events, leaves, strict=True)])

    def lock(self, tx: Connection, tenant: str, now: datetime) -> bytes:
        """Holds the tenant's feeds until the commit; gives their epoch."""
        return store.lock_feeds(tx, tenant, self.fresh_epoch(now))

    def fresh_epoch(self, now: datetime) -> bytes:
        """16 bytes; a later one is the greater number."""
        return to_microseconds(now).to_bytes(MICROSECONDS_BYTES, "big") + self.randomness.bytes(RANDOM_BYTES)

    async def newest(self, tenant: str, feed: str, now: datetime) -> Position:
        """Where the feed ends now; begins the tenant's feeds at the first use."""
        position = await self.database.read(lambda tx: history.find_newest(tx, tenant, feed))
        if position is None:
            epoch = await self.database.write(lambda tx: self.lock(tx, tenant, now))
            position = Position(tenant, feed, epoch, 0)
        return position

    async def after(self, position: Position, *, limit: int) -> Sequence[Placed]:
        """What changed in the feed since, told shortest (kms.events.history.state_after)."""
        tenant, feed, sequence = position.tenant, position.feed, position.sequence
        return await self.database.read(lambda tx: history.state_after(tx, tenant, feed, sequence, limit=limit))

    def notify(self, tenant: str) -> None:
        """Something of this tenant was committed."""
        self.signal.notify(tenant)

    def _check_news(self, tx: Connection, event: Event, feeds: Sequence[str]) -> None:
        for feed in frozenset(feeds) - STATELESS:
            if not is_news(event, store.known(tx, event.tenant, feed, event.subject)):
                raise Overtaken(event.subject)


def is_news(event: store.Told, before: Known | None) -> bool:
    """A newer revision; and what is INVALID stays so."""
    if before is None:
        return True
    return event.revision > before.revision and (before.status is not Status.INVALID or event.status is Status.INVALID)


def event_of(signed: SignedEvent, promise: LogPromise) -> Event:
    return replace(_leaf(signed.draft, signed.payload, None), signature=signed.signature, promise=promise)


def _leaf(draft: Draft, payload: bytes, place: BatchPlace | None) -> Event:
    return Event(
        id=draft.id,
        tenant=draft.tenant,
        uri=draft.uri,
        subject=draft.subject,
        revision=draft.revision,
        status=draft.status,
        priority=draft.priority,
        event_time=draft.event_time,
        payload=payload,
        signature=None,
        promise=None,
        place=place,
    )
