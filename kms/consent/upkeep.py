"""What runs beside the calls: leases that are due are renewed, consents whose time is over are ended."""

import asyncio
import logging
from dataclasses import dataclass

from kms.consent.expiring import Expiry
from kms.consent.renewing import Renewer
from kms.core.clock import Clock
from kms.core.errors import ServiceError
from kms.core.steady_time import SteadyTime

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentUpkeep:
    """One for the process."""

    expiry: Expiry
    renewer: Renewer
    clock: Clock
    interval_seconds: float

    async def run(self) -> None:
        """Until cancelled. A clock that is set ahead, and stays so, ends nothing and lends nothing for longer."""
        steady = SteadyTime(self.clock)
        while True:
            try:
                await self.expiry.expire_due(steady.now())
                await self.expiry.request_removals(steady.now())
                await self.renewer.renew_due(steady.now())
            except ServiceError as error:
                _logger.warning("consents and leases wait: %s", error)
            except Exception:  # the database or the HSM is away for a moment: nothing is lost, the next round goes on
                _logger.warning("consents and leases wait", exc_info=True)
            await asyncio.sleep(self.interval_seconds)
