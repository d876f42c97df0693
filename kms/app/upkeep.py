"""What runs beside the calls: answers kept for retries are forgotten when their time is over."""

import asyncio
import functools
import logging

from kms.core.clock import Clock
from kms.core.database import Database
from kms.core.errors import ServiceError
from kms.core.idempotency import purge
from kms.core.steady_time import SteadyTime

PURGE_SECONDS = 600
_logger = logging.getLogger(__name__)


async def purge_answers(database: Database, clock: Clock) -> None:
    """Until cancelled. A clock that is set ahead, and stays so, brings nothing forward: a late retry of Sign must not
    sign twice.
    """
    steady = SteadyTime(clock)
    while True:
        await asyncio.sleep(PURGE_SECONDS)
        try:
            await database.write(functools.partial(purge, now=steady.now()))
        except ServiceError as error:
            _logger.warning("answers kept for retries could not be purged, later again: %s", error)
