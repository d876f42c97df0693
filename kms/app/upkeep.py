"""What runs beside the calls: answers kept for retries are forgotten when their time is over."""

import asyncio
import functools
import logging
from datetime import timedelta

from kms.core.clock import Clock
from kms.core.database import Database
from kms.core.errors import ServiceError
from kms.core.idempotency import purge

PURGE_SECONDS = 600
CLOCK_JUMP = timedelta(minutes=5)
_logger = logging.getLogger(__name__)


async def purge_answers(database: Database, clock: Clock) -> None:
    """Until cancelled. A clock that jumps ahead forgets nothing: a late retry of Sign must not sign twice."""
    while True:
        before, began = clock.now(), clock.monotonic()
        await asyncio.sleep(PURGE_SECONDS)
        now = clock.now()
        if now - before > timedelta(seconds=clock.monotonic() - began) + CLOCK_JUMP:
            _logger.warning("the clock jumped ahead: answers kept for retries are not purged now")
            continue
        try:
            await database.write(functools.partial(purge, now=now))
        except ServiceError as error:
            _logger.warning("answers kept for retries could not be purged, later again: %s", error)
