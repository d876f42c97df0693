"""What runs beside the calls: devices that hold the key of a revoked artifact are asked to delete it."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.engine import Connection

from kms.core.clock import Clock, format_time
from kms.core.database import Database
from kms.core.errors import ServiceError
from kms.core.idempotency import RequestKey
from kms.events.model import InitiatingEntity
from kms.releases import holder_store, store
from kms.releases.derived import derived_request
from kms.releases.model import Holder, Release
from kms.removal.model import DEADLINE_MOST
from kms.removal.requests import RemovalOrders

_logger = logging.getLogger(__name__)
_AT_ONCE: Final = 100
_REASON: Final = "the artifact was revoked"


@dataclass(slots=True, kw_only=True)
class ReleaseUpkeep:
    """One for the process; several replicas may run, and each device is asked once."""

    orders: RemovalOrders
    clock: Clock
    interval_seconds: float

    @property
    def database(self) -> Database:
        return self.orders.events.database

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.request_removals(self.clock.now())
            except ServiceError as error:
                _logger.warning("removals of revoked artifacts wait: %s", error)
            except Exception:  # the database or the HSM is away for a moment: nothing is lost
                _logger.warning("removals of revoked artifacts wait", exc_info=True)
            await asyncio.sleep(self.interval_seconds)

    async def request_removals(self, now: datetime) -> int:
        """How many devices were asked."""
        asked = 0
        while due := await self.database.read(lambda tx: store.removals_due(tx, limit=_AT_ONCE)):
            for release in due:
                asked += await self._ask_holders(release, now)
        return asked

    async def _ask_holders(self, release: Release, now: datetime) -> int:
        asked, artifact = 0, release.artifact
        while holders := await self.database.read(lambda tx: holder_store.to_be_asked(tx, artifact, limit=_AT_ONCE)):
            for holder in holders:
                await self._ask(holder, now)
                asked += 1
        await self.database.write(lambda tx: self._close(tx, release))
        return asked

    async def _ask(self, holder: Holder, now: datetime) -> None:
        """By the use case of operators, which also notes that it was asked (kms.releases.holding.HeldKeys).

        Nobody was promised a time, and a device that is overdue may lose its identity (kms.removal.overdue): it gets
        the longest that there is.
        """
        request = _request_of(holder)
        await self.orders.request(
            holder.device,
            holder.artifact,
            deadline=now + DEADLINE_MOST,
            reason=_REASON,
            initiating_entity=InitiatingEntity.SYSTEM,
            request=request,
            transaction_id=request.request_id,
            now=now,
        )

    def _close(self, tx: Connection, release: Release) -> None:
        """No key of a revoked artifact is released any more, so this is the end of it."""
        if not holder_store.to_be_asked(tx, release.artifact, limit=1):
            store.set_removal_due(tx, release.name, due=False)


def _request_of(holder: Holder) -> RequestKey:
    """One of the replicas asks, the others find what it asked."""
    assert holder.release_time is not None, "only who got the key is asked"
    artifact = str(holder.artifact)
    return derived_request(artifact, "revoked", artifact, str(holder.device), format_time(holder.release_time))
