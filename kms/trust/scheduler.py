"""The clock work: rotations and promotions that are due, destructions, trust bundles, abandoned reports.

Every replica runs it. What is due stands in the database, and whoever does it wins a compare-and-set there, so nothing
is done twice and nothing is lost while nobody runs. After downtime a key is rotated once, not once for each period.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.engine import Connection

from hsm.errors import HsmError
from kms.core.clock import Clock
from kms.core.database import Database
from kms.core.errors import Aborted, ServiceError
from kms.core.names import KeyVersionName
from kms.keys import due
from kms.keys.rotation import RotationService
from kms.trust import store
from kms.trust.model import SEEN_WITHIN

_logger = logging.getLogger(__name__)
_FORGET_EVERY = timedelta(hours=1)

Job = Callable[[datetime], Awaitable[int]]
"""Does what is due at a time; gives how much it was."""


@dataclass(slots=True, kw_only=True)
class Scheduler:
    """`jobs` run after the rotations, in their order, by name for the log lines."""

    rotation: RotationService
    clock: Clock
    jobs: Mapping[str, Job]
    interval_seconds: float = 1.0
    _forgotten: datetime | None = field(default=None)

    async def run(self) -> None:
        """Until cancelled. A failure is logged and tried again at the next round."""
        while True:
            await self.step()
            await asyncio.sleep(self.interval_seconds)

    async def step(self) -> None:
        """One round."""
        now = self.clock.now()
        own = {
            "promotions": self.promote,
            "rotations": self.rotate,
            "plans": self.replan,
            "old acknowledgements": self._forget,
        }
        for name, job in {**own, **self.jobs}.items():
            try:
                await job(now)
            except Exception as error:  # a loop of the service: one job must not stop the others
                _logger.warning("%s could not be done: %s", name, error, exc_info=error)

    async def promote(self, now: datetime) -> int:
        """Versions that were public for the whole of their lead begin to sign."""
        ready = await self._database.read(lambda tx: _ready(tx, now))
        promotions = ((self.rotation.promote_due(name, now, published=since), name) for name, since in ready)
        return sum([await self._try(work, name) for work, name in promotions])

    async def rotate(self, now: datetime) -> int:
        keys = await self._database.read(lambda tx: due.rotations_due(tx, now))
        return sum([await self._try(self.rotation.rotate_due(name, now), name) for name in keys])

    async def replan(self, now: datetime) -> int:
        """A clock that was ahead for a while must not keep a key from its rotations until then."""
        keys = await self._database.read(lambda tx: due.rotations_ahead(tx, now))
        return sum([await self._try(self.rotation.replan(name, now), name) for name in keys])

    @property
    def _database(self) -> Database:
        return self.rotation.keys.database

    async def _try(self, work: Awaitable[bool], name: object) -> bool:
        try:
            return await work
        except Aborted:  # another replica, or an operator, was faster
            return False
        except (HsmError, ServiceError) as error:
            _logger.warning("the rotation of %s has to wait: %s", name, error)
            return False

    async def _forget(self, now: datetime) -> int:
        """Acknowledgements that no count looks at any more."""
        if self._forgotten is not None and abs(now - self._forgotten) < _FORGET_EVERY:
            return 0
        self._forgotten = now
        return await self._database.write(lambda tx: store.forget_acknowledgements(tx, now - SEEN_WITHIN))


def _ready(tx: Connection, now: datetime) -> list[tuple[KeyVersionName, datetime]]:
    """Versions to promote, and since when each is public."""
    waiting = ((each, store.publish_time(tx, each.name)) for each in due.promotions_due(tx, now))
    return [(each.name, since) for each, since in waiting if since is not None and each.may_begin(since, now)]
