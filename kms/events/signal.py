"""Tells watchers when to look at the feeds again. Only hints pass through here: the tables are the truth."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from kms.core.database import Database
from kms.core.wakeup import Wakeup
from kms.events import history

TICK_SECONDS = 0.5
"""How soon an event of another replica is seen here."""

_logger = logging.getLogger(__name__)


class FeedSignal:
    """One for the process. A commit of this process wakes the tenant's watchers at once; one shared task, alive while
    anybody watches, asks the database for the commits of other replicas, so idle watchers cost no reads.

    `draining` is set by the composition root when the server is about to close; all watchers wake then.
    """

    def __init__(self, database: Database, draining: asyncio.Event, *, tick_seconds: float = TICK_SECONDS) -> None:
        self._database = database
        self._draining = draining
        self._tick_seconds = tick_seconds
        self._wakeups: dict[str, Wakeup] = {}
        self._held = Wakeup()
        self._any = Wakeup()
        self._followers = 0
        self._ticker: asyncio.Task[None] | None = None

    @property
    def draining(self) -> bool:
        return self._draining.is_set()

    def ticket(self, tenant: str) -> asyncio.Future[None]:
        """Done when the tenant's feed may have grown. Take it before reading the feed."""
        return self._wakeups.setdefault(tenant, Wakeup()).ticket()

    def any_ticket(self) -> asyncio.Future[None]:
        """Done when the feeds of any tenant may have grown. Take it before reading them."""
        return self._any.ticket()

    def notify(self, tenant: str) -> None:
        """An event of this tenant was committed: put into its feeds, or held."""
        if tenant in self._wakeups:
            self._wakeups[tenant].notify()
        self._any.notify()
        self._held.notify()

    def held_ticket(self) -> asyncio.Future[None]:
        """Done when an event may have been held. Take it before looking."""
        return self._held.ticket()

    @contextlib.asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """A watcher is there."""
        self._followers += 1
        if self._ticker is None:
            self._ticker = asyncio.create_task(self._tick_while_open(), name="feed-ticker")
        try:
            yield
        finally:
            self._followers -= 1
            if self._followers == 0:
                self._ticker.cancel()
                self._ticker = None

    async def _tick_while_open(self) -> None:
        seen: dict[str, int] = {}
        while not self.draining:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._draining.wait(), self._tick_seconds)
            try:
                newest = await self._database.read(history.outbox_ends)
            except Exception:  # a database that is away for a moment must not end the streams; the next tick asks again
                _logger.warning("the feeds can not be read; watchers wait", exc_info=True)
                continue
            for tenant in newest.keys() & self._wakeups.keys():
                if newest[tenant] != seen.get(tenant):
                    self.notify(tenant)
            seen = newest
        for wakeup in self._wakeups.values():
            wakeup.notify()
