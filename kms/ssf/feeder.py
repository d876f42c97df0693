"""Brings events to streams: from each tenant's outbox into the queue of every stream that wants them.

The place in the outbox and what was queued commit together, and whoever feeds the same tenant at the same time waits
for that commit: nothing is lost, nothing stands in a queue twice, whichever replica does it and whenever it dies.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from sqlalchemy.engine import Connection

from kms.core.clock import Clock
from kms.core.database import Database
from kms.events import history
from kms.events.model import Event
from kms.ssf import queue_store, receiver_store, stream_store
from kms.ssf.model import EVENTS_SUPPORTED, QUEUE_MAX, Kind, SsfSettings, Stream, StreamStatus
from kms.ssf.sets import SetMaker
from kms.ssf.stopping import pause
from kms.ssf.subjects import wants

TICK_SECONDS: Final = 0.5
_EVENTS_AT_ONCE: Final = 100
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Feeder:
    """One for the process. `queue_max`: see kms.ssf.model.QUEUE_MAX."""

    database: Database
    settings: SsfSettings
    maker: SetMaker
    clock: Clock
    queue_max: int = QUEUE_MAX

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                more = await self.step()
            except Exception:  # receivers must not hear nothing for ever because of one that went wrong
                _logger.warning("streams of shared signals can not be fed now, later again", exc_info=True)
                more = False
            if not more:
                await asyncio.sleep(TICK_SECONDS)

    async def step(self) -> bool:
        """Every tenant once, then streams whose receiver is silent. True: there may be more to do at once."""
        behind = await self.database.read(queue_store.tenants_behind)
        more = False
        for tenant in behind:
            more |= await self.database.write(partial(self._feed, tenant=tenant, now=self.clock.now()))
        await self._stop_inactive(self.clock.now())
        return more

    def _feed(self, tx: Connection, tenant: str, now: datetime) -> bool:
        position = queue_store.lock_position(tx, tenant)
        assert position is not None, "it was behind"
        found = history.outbox_after(tx, tenant, position, limit=_EVENTS_AT_ONCE)
        if not found:  # another replica was faster
            return False
        first = queue_store.first_places(tx, tenant, [event.id for _, _, event in found])
        events = [
            (sequence, event)
            for sequence, _, event in found
            if event.uri in EVENTS_SUPPORTED and sequence == first[event.id]
        ]
        for stream in stream_store.streams_of(tx, tenant):
            if stream.status is not StreamStatus.DISABLED:
                self._feed_stream(tx, stream, events, now)
        queue_store.advance(tx, tenant, found[-1][0])
        return len(found) == _EVENTS_AT_ONCE

    def _feed_stream(self, tx: Connection, stream: Stream, events: Sequence[tuple[int, Event]], now: datetime) -> None:
        fresh = [event for sequence, event in events if sequence > stream.starts_after]
        if not fresh:
            return
        removed = stream_store.removed_subjects(tx, stream.id)
        receiver = receiver_store.find_receiver(tx, stream.receiver)
        assert receiver is not None, "a stream goes with its receiver"
        wanted = [event for event in fresh if wants(stream, removed, event)]
        made = [self.maker.of_event(event, receiver.audience, now) for event in wanted]
        queue_store.enqueue(tx, stream.id, Kind.EVENT, made)
        if made:
            self._keep_bound(tx, stream, now)

    def _keep_bound(self, tx: Connection, stream: Stream, now: datetime) -> None:
        over = queue_store.count(tx, stream.id) - self.queue_max
        if over <= 0:
            return
        queue_store.drop_oldest(tx, stream.id, over)
        stream_store.update_stream(tx, stream.id, dropped=stream.dropped + over)
        if stream.status is StreamStatus.ENABLED:
            pause(tx, stream, f"more than {self.queue_max} events wait for the receiver", self.maker, now)

    async def _stop_inactive(self, now: datetime) -> None:
        """SSF 1.0, section 8.1.1: inactivity_timeout."""
        latest = now - self.settings.inactivity_timeout
        silent = await self.database.read(lambda tx: stream_store.inactive_since(tx, latest))
        for stream_id in silent:
            await self.database.write(partial(self._stop, stream_id=stream_id, latest=latest, now=now))

    def _stop(self, tx: Connection, stream_id: str, latest: datetime, now: datetime) -> None:
        stream = stream_store.lock_by_id(tx, stream_id)
        if stream is not None and stream.status is StreamStatus.ENABLED and stream.activity_time < latest:
            pause(tx, stream, "the receiver was not active for inactivity_timeout", self.maker, now)
