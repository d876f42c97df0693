"""Leases are renewed every few hours: what a newer event of the same subject replaced long ago is deleted.

Events that take something back, and the newest event of every subject, are kept for ever. A reader whose cursor stands
at a deleted event is sent everything (CURSOR_EXPIRED).
"""

import asyncio
import logging
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.core.clock import Clock
from kms.core.database import Database
from kms.core.steady_time import SteadyTime
from kms.events.model import Priority
from kms.events.tables import acknowledgement, batch, event, feed_event, feed_subject, held

RETENTION: Final = timedelta(days=1)
CLEAN_SECONDS: Final = 600.0
CLEAN_MAX: Final = 500
"""In one transaction."""
_logger = logging.getLogger(__name__)


async def clean_for_ever(database: Database, clock: Clock) -> None:
    """Until cancelled. A clock that is set ahead deletes nothing early."""
    steady = SteadyTime(clock)
    while True:
        await asyncio.sleep(CLEAN_SECONDS)
        try:
            await clean(database, steady.now())
        except Exception:  # whatever it was, what is distributed beside this goes on
            _logger.warning("replaced leases could not be deleted, later again", exc_info=True)


async def clean(database: Database, now: datetime) -> int:
    """How many events went."""
    total = 0
    while True:
        doomed = await database.read(lambda tx: _replaced(tx, now - RETENTION))
        if not doomed:
            return total
        total += await database.write(lambda tx: _delete(tx, now - RETENTION))


def _replaced(tx: Connection, before: datetime) -> list[tuple[str, str | None]]:
    """(id, batch), the oldest first."""
    is_newest = sa.exists().where(feed_subject.c.event == event.c.id)
    is_held = sa.exists().where(held.c.event == event.c.id)
    query = sa.select(event.c.id, event.c.batch).where(
        event.c.priority == int(Priority.LEASE), event.c.event_time < before, ~is_newest, ~is_held
    )
    return [(row.id, row.batch) for row in tx.execute(query.order_by(event.c.event_time).limit(CLEAN_MAX))]


def _delete(tx: Connection, before: datetime) -> int:
    """Looks again, because another replica cleans too."""
    doomed = _replaced(tx, before)
    ids = [each for each, _ in doomed]
    for table, column in ((feed_event, feed_event.c.event), (acknowledgement, acknowledgement.c.event)):
        tx.execute(sa.delete(table).where(column.in_(ids)))
    tx.execute(event.delete().where(event.c.id.in_(ids)))
    batches = {its for _, its in doomed if its is not None}
    is_used = sa.exists().where(event.c.batch == batch.c.id)
    tx.execute(batch.delete().where(batch.c.id.in_(batches), ~is_used))
    return len(ids)
