"""A new history of a tenant's feeds, because the server lost events that it had told somebody.

Readers refuse to go back in one history. In a later one they take a full transfer, so the feeds get a greater epoch.
"""

import logging
from datetime import datetime

from sqlalchemy.engine import Connection

from kms.core.database import from_microseconds, to_microseconds
from kms.events import store
from kms.events.appending import MICROSECONDS_BYTES, Events

_logger = logging.getLogger(__name__)


async def replace_history(events: Events, tenant: str, lost_epoch: bytes, now: datetime) -> None:
    """Begins a new history unless another replica has begun one, and the tenant's first if there is none."""

    def work(tx: Connection) -> bool:
        found = events.lock(tx, tenant, now)
        if found != lost_epoch:
            return False
        store.replace_epoch(tx, tenant, events.fresh_epoch(_later(now, than=found)))
        return True

    if await events.database.write(work):
        _logger.error("events of %s that had been told were lost: a new history begins, all readers start anew", tenant)
    events.notify(tenant)


def _later(now: datetime, *, than: bytes) -> datetime:
    """The clock may have been set back since."""
    before = int.from_bytes(than[:MICROSECONDS_BYTES], "big")
    return (
        max(now, from_microseconds(before + 1))
        if before < to_microseconds(datetime.max.replace(tzinfo=now.tzinfo))
        else now
    )
