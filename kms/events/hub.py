"""Distributes events: one for the process, one reader of the outbox for all tenants and all streams.

A stream holds positions and a future, and no queue: who reads slowly is passed by and reads the state from the database
when it comes (log and cursor). Nobody waits for anybody.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from kms.core.clock import Clock
from kms.core.errors import Reason, Unavailable
from kms.core.names import ChildName
from kms.core.wakeup import wait_ticket
from kms.events.appending import Events
from kms.events.deliveries import Deliveries
from kms.events.following import Followed
from kms.events.frames import FrameWriter
from kms.events.gathering import Gathering
from kms.events.global_feed import GlobalFeed
from kms.events.heartbeats import HeartbeatSigner, heartbeat_frame, leaf_of
from kms.events.model import GLOBAL, device_feed
from kms.events.news import Broken, Ends, find_ends, news_of_all
from kms.events.reading import Answer, Lost, Question
from kms.events.replacing import replace_history
from kms.events.resuming import Start
from kms.events.subscriber import DeviceReader, GlobalReader, Subscriber
from kms.events.wheel import Wheel

TICK_SECONDS: Final = 0.5
"""How soon an act of another replica is seen here."""
BEAT_SECONDS: Final = 1.0
IDLE_SECONDS: Final = 60.0
"""A tenant to which nobody listens any more is followed a while longer: polls come and go."""
_ATTEMPTS: Final = 5
_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class EventHub:
    """`run` it beside the server. Streams and polls of all tenants go through it."""

    events: Events
    writer: FrameWriter
    signer: HeartbeatSigner
    deliveries: Deliveries
    clock: Clock
    wheel: Wheel
    reads: Gathering
    draining: bool = False
    subscribers: int = 0
    _followed: dict[str, Followed] = field(default_factory=dict)
    _loading: dict[str, asyncio.Task[Followed]] = field(default_factory=dict)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @contextlib.asynccontextmanager
    async def subscribed(self, subscriber: Subscriber, starts: list[Start], device: ChildName | None) -> AsyncIterator[None]:
        """The subscriber gets its readers, and is woken until it leaves."""
        followed = await self._follow_tenant(subscriber.tenant)
        for start in starts:
            if start.feed == GLOBAL:
                subscriber.feeds = GlobalReader(followed.feed, self.ask, start, followed.feed.at)
            else:
                assert device is not None
                assert start.feed == device_feed(device)
                subscriber.device = DeviceReader(device, self.writer, self.ask, self.deliveries.note, start)
        followed.add(subscriber)
        self.subscribers += 1
        try:
            yield
        finally:
            self.subscribers -= 1
            followed.remove(subscriber)
            self.wheel.remove(subscriber)

    async def ask(self, question: Question) -> Answer:
        """From the database, with many others. A history that lost events is replaced first."""
        for _ in range(_ATTEMPTS):
            answer = await self.reads.ask(question)
            if not isinstance(answer, Lost):
                return answer
            await replace_history(self.events, answer.tenant, answer.epoch, self.clock.now())
        raise Unavailable(Reason.DATABASE_UNAVAILABLE, "the feed is being replaced; retry", retry_after_seconds=1)
