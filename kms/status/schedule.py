"""When a tenant's next snapshot is due, and the loop that makes it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.engine import Connection

from hallmark_events.errors import EventsError
from hsm.errors import HsmError
from kms.core.clock import Clock
from kms.core.errors import ServiceError
from kms.events import history
from kms.events.model import GLOBAL, Position, Priority
from kms.public.errors import PublicFilesError
from kms.status import lists, store
from kms.status.model import Pace, Snapshot
from kms.status.publisher import SnapshotPublisher, age

_logger = logging.getLogger(__name__)
LOOK_SECONDS: Final = 1.0
_LOOKED_AT_MAX: Final = 200
"""Newer events than these are not looked at: that many are a reason to hurry themselves."""
_Work = Callable[[str, Snapshot | None], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class News:
    """What happened since the newest snapshot."""

    newest: Snapshot | None
    position: Position | None
    changed: bool
    urgent: bool

    def is_due(self, pace: Pace, now: datetime) -> bool:
        if self.newest is None:
            return True
        if not self.newest.published:
            return False
        if self.position is not None and self.position.epoch != self.newest.epoch:
            return True
        old = age(self.newest, now)
        wait = pace.urgent if self.urgent else pace.interval if self.changed else pace.renewal
        return old >= min(wait, pace.renewal)


def read_news(tx: Connection, tenant: str) -> News:
    newest, position = store.newest(tx, tenant), history.find_newest(tx, tenant, GLOBAL)
    changes = lists.changes(tx, tenant)
    since = 0 if newest is None else newest.sequence
    grew = position is not None and position.sequence > since
    events = history.state_after(tx, tenant, GLOBAL, since, limit=_LOOKED_AT_MAX) if grew else []
    hurry = len(events) >= _LOOKED_AT_MAX or any(each.event.priority is Priority.URGENT for each in events)
    return News(newest, position, grew or bool(changes), hurry or any(change.urgent for change in changes))


@dataclass(slots=True, kw_only=True)
class SnapshotSchedule:
    """Every replica runs it."""

    publisher: SnapshotPublisher
    clock: Clock
    look_seconds: float = LOOK_SECONDS

    async def run(self) -> None:
        """Until cancelled. What fails is logged and tried again at the next look."""
        while True:
            await self.step()
            await asyncio.sleep(self.look_seconds)

    async def step(self) -> int:
        """One look: finishes what was begun, makes and publishes what is due. Gives how many were published."""
        database, count = self.publisher.events.database, 0
        try:
            for begun in await database.read(store.unpublished):
                count += await self._try(self._finish, begun.tenant, begun)
            for tenant in await database.read(_tenants):
                count += await self._try(self._next, tenant, None)
        except ServiceError as error:
            _logger.warning("the status of what is revoked is not published yet: %s", error)
        except Exception:  # a loop of the service: a database that is away for a moment must not end it
            _logger.warning("the status of what is revoked could not be looked at", exc_info=True)
        return count

    async def _next(self, tenant: str, _begun: Snapshot | None) -> bool:
        now = self.clock.now()
        news = await self.publisher.events.database.read(lambda tx: read_news(tx, tenant))
        if not news.is_due(self.publisher.pace, now):
            return False
        if news.position is None:
            await self.publisher.events.newest(tenant, GLOBAL, now)
        made = await self.publisher.make(tenant, now)
        return made is not None and await self.publisher.publish(made, now)

    async def _finish(self, _tenant: str, begun: Snapshot | None) -> bool:
        assert begun is not None
        return await self.publisher.publish(begun, self.clock.now())

    async def _try(self, work: _Work, tenant: str, begun: Snapshot | None) -> bool:
        try:
            return await work(tenant, begun)
        except (HsmError, ServiceError, PublicFilesError, EventsError) as error:
            _logger.warning("the status of %s is not published yet: %s", tenant, error)
        except Exception:  # the trouble of one tenant stops no other
            _logger.warning("the status of %s is not published yet", tenant, exc_info=True)
        return False


def _tenants(tx: Connection) -> Sequence[str]:
    """Those that have anything to tell."""
    changed = {change.tenant for change in lists.changes(tx)}
    return sorted({*history.outbox_ends(tx), *changed, *store.tenants(tx)})
