"""The signed root of each day (UTC): what the removals of a tenant were at its end, so that nobody changes it later.

A day has a root when a removal was open in it, or a receipt came. Days without have none: their silence says nothing,
and each root names the one before it, so that none can be left out afterwards.
"""

import hashlib
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Final

from sqlalchemy.engine import Connection

from hallmark_events.batch import BatchTree
from kms.core.canonical import Json
from kms.core.clock import CLOCK_SKEW_MAX
from kms.core.names import TenantName
from kms.events.appending import Events
from kms.events.model import SIGNING_KEY_ID
from kms.keys.model import ServiceSignature
from kms.log.model import LogEntry
from kms.removal import day_store
from kms.removal.model import DAY_CONTEXT, DayRoot
from kms.removal.payload import day_payload, day_record

SETTLED_AFTER: Final = 5 * CLOCK_SKEW_MAX
"""So long after midnight everything of the day before is stored, by whichever replica."""


@dataclass(frozen=True, slots=True)
class _Day:
    day: date
    previous: DayRoot | None
    root: bytes
    size: int


@dataclass(slots=True, kw_only=True)
class DayClosing:
    events: Events

    async def close_due(self, now: datetime) -> int:
        """Closes all days that are over and not closed, of all tenants; gives how many. Several replicas may."""
        closed = 0
        for tenant in await self.events.database.read(day_store.tenants):
            while await self._close_next(tenant, now):
                closed += 1
        return closed

    async def _close_next(self, tenant: str, now: datetime) -> bool:
        found = await self.events.database.read(partial(_next, tenant, now))
        if found is None:
            return False
        previous = b"" if found.previous is None else found.previous.payload
        payload = day_payload(
            tenant,
            found.day.isoformat(),
            root=found.root,
            size=found.size,
            previous=previous,
            issuer=self.events.issuer,
        )
        signature = await self.events.signing.sign_as_service(SIGNING_KEY_ID, payload, DAY_CONTEXT, now)
        if not await self.events.database.write(partial(self._commit, tenant, found, payload, signature, now)):
            return True  # another replica was faster: go on after its day
        self.events.notify(tenant)
        return True

    def _commit(
        self, tenant: str, found: _Day, payload: bytes, signature: ServiceSignature, now: datetime, tx: Connection
    ) -> bool:
        """Two replicas of PostgreSQL may both find the day open; the second one's row is refused, and then it looks
        again (kms.core.writer runs a piece once more after an IntegrityError).
        """
        newest = day_store.newest(tx, tenant)
        if newest is not None and newest.day >= found.day.isoformat():
            return False
        promise = self.events.log.record(
            tx, _log_entry(self.events.new_id(now), tenant, found, payload, signature, now)
        )
        day_store.insert(
            tx,
            DayRoot(
                tenant=tenant,
                day=found.day.isoformat(),
                root=found.root,
                size=found.size,
                payload=payload,
                signature=signature,
                promise=promise,
            ),
        )
        return True


def _next(tenant: str, now: datetime, tx: Connection) -> _Day | None:
    newest = day_store.newest(tx, tenant)
    day = day_store.next_day(tx, tenant, None if newest is None else newest.day)
    if day is None:
        return None
    end = day_store.begin_of(day + timedelta(days=1))
    if now < end + SETTLED_AFTER:
        return None
    tree = BatchTree(day_record(each, end) for each in day_store.removals_of(tx, tenant, day))
    return _Day(day, newest, tree.root, len(tree))


def _log_entry(
    event_key: str, tenant: str, found: _Day, payload: bytes, signature: ServiceSignature, now: datetime
) -> LogEntry:
    details: dict[str, Json] = {
        "day": found.day.isoformat(),
        "root_sha256": found.root.hex(),
        "tree_size": found.size,
        "payload_sha256": hashlib.sha256(payload).hexdigest(),
        "signed_by": signature.key_version,
    }
    subject = f"{TenantName(tenant)}/removal-days/{found.day.isoformat()}"
    return LogEntry(event_key, "removal.day-closed", tenant, subject, now, details)
