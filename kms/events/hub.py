"""Distributes events: one for the process, one reader of the outbox for all tenants and all streams.

A stream holds positions and a future, and no queue: who reads slowly is passed by and reads the state from the database
when it comes (log and cursor). Nobody waits for anybody.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from kms.core.clock import Clock
from kms.core.errors import Reason, Unavailable
from kms.core.gathering import Gathering
from kms.core.names import ChildName
from kms.core.wakeup import wait_ticket
from kms.events.deliveries import Deliveries
from kms.events.following import QUIET_SECONDS, Followed
from kms.events.frames import FrameWriter
from kms.events.global_feed import GlobalFeed
from kms.events.handing import Handing
from kms.events.model import GLOBAL
from kms.events.news import Broken, Ends, News, find_ends, news_of_all
from kms.events.ports import DeviceGrown, DeviceRevoked, ReplaceHistory, Source
from kms.events.reading import Answer, Lost, Question
from kms.events.resuming import Start
from kms.events.subscriber import Ask, DeviceReader, GlobalReader, Note, Subscriber

TICK_SECONDS: Final = 0.2
"""How soon an act of another replica is seen here."""
IDLE_SECONDS: Final = 60.0
"""A tenant to which nobody listens any more is followed a while longer: polls come and go."""
_ATTEMPTS: Final = 5
_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class EventHub:
    """`run` it beside the server. Streams and polls of all tenants go through it."""

    events: Source
    writer: FrameWriter
    deliveries: Deliveries
    clock: Clock
    reads: Gathering[Question, Answer | Lost]
    replace: ReplaceHistory
    grown: DeviceGrown | None = None
    revoked: DeviceRevoked | None = None
    tick_seconds: float = TICK_SECONDS
    quiet_seconds: float = QUIET_SECONDS
    draining: bool = False
    subscribers: int = 0
    _followed: dict[str, Followed] = field(default_factory=dict)
    _loading: dict[str, asyncio.Task[Followed]] = field(default_factory=dict)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _ask_and_note: tuple[Ask, Note] = field(init=False)
    """Bound once: each stream would hold three bound methods of its own."""

    def __post_init__(self) -> None:
        self._ask_and_note = self.ask, self.deliveries.note

    async def run(self) -> None:
        """Until cancelled; then says goodbye to the streams."""
        told = False
        try:
            while True:
                ticket = self.events.signal.any_ticket()
                try:
                    await self.follow()
                    told = False
                except Exception:  # a database that is away must not end the streams; the next round asks again
                    if not told:
                        _logger.warning("the feeds can not be read; streams wait", exc_info=True)
                    told = True
                self._forget_idle()
                await wait_ticket(ticket, self.tick_seconds)
        finally:
            self.drain()

    async def follow(self) -> None:
        """Routes everything that was committed before the call. Raises what the database raises."""
        async with self._turn:
            more = True
            while more:
                left = {tenant: followed.outbox for tenant, followed in self._followed.items()}
                if not left:
                    return
                unmarked = frozenset(tenant for tenant in left if not self._followed[tenant].marked)
                found = await self.events.database.read(partial(news_of_all, left=left, unmarked=unmarked))
                more = False
                for tenant, news in found.items():
                    if isinstance(news, Broken):
                        await self._begin_again(tenant, news)
                    else:
                        self._followed[tenant].route(news)
                        self._tell_observers(tenant, news)
                        more = more or news.more

    async def subscribe(self, subscriber: Subscriber, starts: Sequence[Start], device: ChildName | None) -> None:
        """The subscriber gets its readers, and is woken until it leaves (`unsubscribe`)."""
        followed = await self._follow_tenant(subscriber.tenant)
        ask, note = self._ask_and_note
        for start in starts:
            if start.feed == GLOBAL:
                subscriber.feeds = GlobalReader(followed.feed, ask, start, followed.feed.at)
            else:
                assert device is not None, "the feed of a device is read by that device"
                subscriber.device = DeviceReader(device, self.writer, ask, note, start)
        followed.add(subscriber)
        self.subscribers += 1

    def unsubscribe(self, subscriber: Subscriber) -> None:
        self.subscribers -= 1
        self._followed[subscriber.tenant].remove(subscriber)

    async def ask(self, question: Question) -> Answer:
        """From the database, with many others. A history that lost events is replaced first."""
        for _ in range(_ATTEMPTS):
            answer = await self.reads.ask(question)
            if not isinstance(answer, Lost):
                return answer
            await self.replace(answer.tenant, answer.epoch, self.clock.now())
        raise Unavailable(Reason.DATABASE_UNAVAILABLE, "the feed is being replaced; retry", retry_after_seconds=1)

    def drain(self) -> None:
        """The server is about to close: every stream says goodbye."""
        self.draining = True
        for followed in self._followed.values():
            followed.wake_all()

    async def _follow_tenant(self, tenant: str) -> Followed:
        """Many may come at once: the first of a tenant reads for all."""
        followed = self._followed.get(tenant)
        if followed is not None:
            followed.idle_since = None
            return followed
        task = self._loading.get(tenant)
        if task is None:
            task = self._loading[tenant] = asyncio.create_task(self._load(tenant))
        return await asyncio.shield(task)

    async def _load(self, tenant: str) -> Followed:
        try:
            ends = await self._find_ends(tenant)
            feed = GlobalFeed(tenant, self.writer, ends.at, ends.head, Handing(self.clock))
            followed = self._followed[tenant] = Followed(ends.outbox, feed, quiet_seconds=self.quiet_seconds)
            return followed
        finally:
            del self._loading[tenant]

    async def _find_ends(self, tenant: str) -> Ends:
        """Begins the tenant's feeds at the first use."""
        for _ in range(_ATTEMPTS):
            ends = await self.events.database.read(lambda tx: find_ends(tx, tenant))
            if ends is not None:
                return ends
            await self.replace(tenant, b"", self.clock.now())
        raise Unavailable(Reason.DATABASE_UNAVAILABLE, "the feeds could not be begun; retry", retry_after_seconds=1)

    async def _begin_again(self, tenant: str, broken: Broken) -> None:
        followed = self._followed[tenant]
        if broken.lost:
            await self.replace(tenant, followed.outbox.epoch, self.clock.now())
        followed.begin(await self._find_ends(tenant))

    def _tell_observers(self, tenant: str, news: News) -> None:
        for name in news.grown:
            collection, _, device_id = name.partition("/")
            if self.grown is not None and device_id:
                self.grown(ChildName(tenant, collection, device_id))
        for subject in news.revoked:
            if self.revoked is not None:
                self.revoked(ChildName(tenant, "devices", subject.rpartition("/")[2]))

    def _forget_idle(self) -> None:
        now = self.clock.monotonic()
        for tenant, followed in list(self._followed.items()):
            if not followed.is_idle:
                followed.idle_since = None
            elif followed.idle_since is None:
                followed.idle_since = now
            elif now - followed.idle_since > IDLE_SECONDS:
                del self._followed[tenant]
