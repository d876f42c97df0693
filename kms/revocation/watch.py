"""Watching the feed: events after a position, then live ones, with bookmarks and heartbeats between."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

from sqlalchemy.engine import Connection

from kms.core.clock import Clock
from kms.core.database import Database
from kms.core.wakeup import wait_ticket
from kms.events import history
from kms.events.model import REVOCATIONS, SIGNING_KEY_ID, Position
from kms.events.signal import FeedSignal
from kms.keys.signing import SigningService
from kms.revocation import store
from kms.revocation.model import (
    HEARTBEAT_CONTEXT,
    BookmarkFrame,
    EventFrame,
    Frame,
    GoodbyeFrame,
    HeartbeatFrame,
    RevocationEvent,
    after,
)
from kms.revocation.payload import heartbeat_payload
from kms.revocation.service import RevocationService, check_epoch

BATCH_EVENTS = 32
"""Read ahead for each watcher: about 5 KiB an event, held while a slow reader is waited for."""
RETRY_AFTER_MIN_SECONDS = 0.5
RETRY_AFTER_MAX_SECONDS = 5.0


@dataclass(slots=True, kw_only=True)
class WatchService:
    """Holds nothing for a watcher but its position: a slow one delays itself only, and a lost one costs nothing."""

    database: Database
    signing: SigningService
    clock: Clock
    signal: FeedSignal
    revocations: RevocationService
    _reads: dict[Position, asyncio.Task[Sequence[RevocationEvent]]] = field(default_factory=dict)

    async def watch(
        self, tenant: str, start: Position | None, *, nonce: bytes, heartbeat_seconds: float
    ) -> AsyncGenerator[Frame, None]:
        """Frames without end, until the server drains. Close the generator when the watcher has gone.

        Each round: (1) ticket, so that nothing committed from here on is missed; (2) a batch of events; (3) bookmark
        when there are no more; (4) goodbye when draining; (5) heartbeat when due; (6) wait.
        Raises OutOfRange/CURSOR_EPOCH, at the start or when the history is replaced underneath.
        """
        position = await self.revocations.beginning(tenant, start, self.clock.now())
        async with self.signal.following():
            heartbeat_at = self.clock.monotonic() + heartbeat_seconds
            bookmarked: Position | None = None
            while True:
                ticket = self.signal.ticket(tenant)
                events = await self._next_batch(position)
                for event in events:
                    position = after(position, event)
                    yield EventFrame(event, position)
                caught_up = len(events) < BATCH_EVENTS
                if caught_up and position != bookmarked:
                    bookmarked = position
                    yield BookmarkFrame(position)
                if self.signal.draining:
                    yield GoodbyeFrame(position, "draining", RETRY_AFTER_MIN_SECONDS, RETRY_AFTER_MAX_SECONDS)
                    return
                if (remaining := heartbeat_at - self.clock.monotonic()) <= 0:
                    heartbeat_at = self.clock.monotonic() + heartbeat_seconds
                    yield await self._heartbeat(position, nonce, heartbeat_seconds)
                elif caught_up:
                    await wait_ticket(ticket, remaining)

    async def _next_batch(self, position: Position) -> Sequence[RevocationEvent]:
        """Watchers who stand at the same place share one read. Each sees what was committed before it asked: a read
        that had begun earlier is not joined.
        """
        reading = self._reads.get(position)
        if reading is None:
            reading = self._reads[position] = asyncio.create_task(self._read_batch(position))
        return await asyncio.shield(reading)

    async def _read_batch(self, position: Position) -> Sequence[RevocationEvent]:
        await asyncio.sleep(0)  # whoever was woken together comes along; nobody joins a read that has begun
        del self._reads[position]

        def read(tx: Connection) -> Sequence[RevocationEvent]:
            newest = history.find_newest(tx, position.tenant, REVOCATIONS)
            if newest is not None:
                check_epoch(position, newest)
            return store.events_after(tx, position.tenant, position.sequence, limit=BATCH_EVENTS)

        return await self.database.read(read)

    async def _heartbeat(self, position: Position, nonce: bytes, heartbeat_seconds: float) -> HeartbeatFrame:
        """Signed when a nonce was given. Without the HSM there is no proof of freshness: the error ends the stream."""
        now = self.clock.now()
        if not nonce:
            return HeartbeatFrame(position, now, heartbeat_seconds, b"", None)
        payload = heartbeat_payload(position, issuer=self.revocations.events.issuer, nonce=nonce, now=now)
        signature = await self.signing.sign_as_service(SIGNING_KEY_ID, payload, HEARTBEAT_CONTEXT, now)
        return HeartbeatFrame(position, now, heartbeat_seconds, payload, signature)
