"""The background work of removals: deadlines, what follows for devices that are overdue, the roots of days."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime

from kms.core.clock import Clock
from kms.core.errors import ServiceError
from kms.removal.days import DayClosing
from kms.removal.deadlines import Deadlines
from kms.removal.overdue import Enforcement

_logger = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class RemovalKeeper:
    """One for the process; several replicas may run, and each act happens once."""

    deadlines: Deadlines
    enforcement: Enforcement
    days: DayClosing
    clock: Clock
    interval_seconds: float

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.keep(self.clock.now())
            await asyncio.sleep(self.interval_seconds)

    async def keep(self, now: datetime) -> None:
        """One round. What can not be done now is logged, and is still there in the next round."""
        try:
            while await self.deadlines.check_due(now):
                pass
            while await self.enforcement.enforce_due(now):
                pass
            await self.days.close_due(now)
        except ServiceError as error:
            _logger.warning("removals wait: %s", error)
        except Exception:  # the database or the HSM is away for a moment: nothing is lost
            _logger.warning("removals wait", exc_info=True)
