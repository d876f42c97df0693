"""A new history of a tenant's feeds, because the server lost events that it had told somebody.

Readers refuse to go back in one history. In a later one they take a full transfer, so the feeds get a greater epoch.
The log says that it happened: "feeds.restarted", subject the tenant.
"""

import logging
from datetime import datetime
from enum import StrEnum

from sqlalchemy.engine import Connection

from kms.core.database import from_microseconds, to_microseconds
from kms.core.names import TenantName
from kms.events import store
from kms.events.appending import MICROSECONDS_BYTES, Events
from kms.log.model import LogEntry, LogPromise

_logger = logging.getLogger(__name__)


class RestartReason(StrEnum):
    """How it was noticed."""

    EVENTS_LOST = "events-lost"
    """A reader knows an event that the database does not have."""
    STATUS_FILES_NEWER = "status-files-newer"
    """The files that are shown are of a snapshot that the database does not know."""


def restart_in(
    tx: Connection, events: Events, tenant: str, epoch: bytes, *, reason: RestartReason, now: datetime
) -> LogPromise:
    """In the caller's transaction, which has locked the feeds. `epoch` is greater than the one before. Raises what
    `TransparencyLog.record` raises.
    """
    store.replace_epoch(tx, tenant, epoch)
    details = {"epoch": epoch.hex(), "reason": reason.value}
    subject = str(TenantName(tenant))
    return events.log.record(tx, LogEntry(events.new_id(now), "feeds.restarted", tenant, subject, now, details))


async def replace_history(events: Events, tenant: str, lost_epoch: bytes, now: datetime) -> None:
    """Begins a new history unless another replica has begun one, and the tenant's first if there is none."""

    def work(tx: Connection) -> bool:
        found = events.lock(tx, tenant, now)
        if found != lost_epoch:
            return False
        fresh = events.fresh_epoch(_later(now, than=found))
        restart_in(tx, events, tenant, fresh, reason=RestartReason.EVENTS_LOST, now=now)
        return True

    if await events.database.write(work):
        await events.log.confirm_many([], published=False)
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
