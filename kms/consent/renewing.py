"""Prolonging leases that are due, many in one batch.

Hop by hop: (1) a read transaction: what is due, and who may have it? (2) no transaction: payloads and their tree; (3)
one write transaction: it locks artifacts and consents, asks all conditions again, and writes leases, log entry and
events; or nothing at all, when anything changed meanwhile. So nothing is ever renewed for a consent whose withdrawal
committed.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from sqlalchemy.engine import Connection

from kms.consent import lease_store
from kms.consent.giving import Giving
from kms.consent.issuing import BATCH_MAX, LeaseBatch
from kms.consent.leases import Lease, Renewal, renewed
from kms.events.appending import Events
from kms.events.model import Status
from kms.status import lists

_BATCH_MIN: Final = 32
_ROUNDS_MAX: Final = 64
_POSTPONED_BY: Final = 1 / 16
"""Of a lease's duration: when a lease that may not be renewed now is looked at again."""


class _Changed(Exception):
    """A condition does not hold any more. Nothing was written."""


@dataclass(frozen=True, slots=True)
class _Found:
    """Of one tenant: what may be renewed, and what has to wait: public snapshots do not prolong it either."""

    eligible: Sequence[Renewal]
    refused: Sequence[Renewal]


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewer:
    """Several replicas may do this: a lease is renewed once. `batch_max`: leases in one transaction."""

    giving: Giving
    batch_max: int = BATCH_MAX

    @property
    def events(self) -> Events:
        return self.giving.issuer.events

    async def renew_due(self, now: datetime) -> int:
        """Renews what is due; gives how many. Raises what the database raises."""
        done, limit = 0, self.batch_max
        for _ in range(_ROUNDS_MAX):
            found = await self.events.database.read(partial(self._select, now=now, limit=limit))
            if found is None:
                return done
            try:
                done += await self._renew(found, now)
            except _Changed:
                limit = max(_BATCH_MIN, limit // 2)  # the smaller, the sooner it is done
        return done

    async def _renew(self, found: _Found, now: datetime) -> int:
        batch = None
        if found.eligible:
            fraction = self.giving.renew_fraction
            leases = [renewed(each, now=now, renew_fraction=fraction) for each in found.eligible]
            batch = await asyncio.to_thread(self.giving.issuer.prepare, leases, now)
        await self.events.database.write(partial(self._commit, batch=batch, refused=found.refused, now=now))
        if batch is None:
            return 0
        self.events.notify(batch.tenant)
        await self.events.log.confirm_many([], published=False)
        return len(batch.leases)

    def _select(self, tx: Connection, *, now: datetime, limit: int) -> _Found | None:
        """None when nothing is due. Those of the tenant that waits longest."""
        due = lease_store.due(tx, now, limit=limit)
        if not due:
            return None
        tenant = due[0].lease.name.tenant
        mine = [each for each in due if each.lease.name.tenant == tenant]
        eligible = {each.name for each in self.giving.conditions.eligible(tx, [each.lease for each in mine])}
        return _Found(
            [each for each in mine if each.lease.name in eligible],
            [each for each in mine if each.lease.name not in eligible],
        )

    def _commit(self, tx: Connection, *, batch: LeaseBatch | None, refused: Sequence[Renewal], now: datetime) -> None:
        if batch is not None:
            self._check(tx, batch, now)
            if lease_store.renew_many(tx, batch.leases) != len(batch.leases):
                raise _Changed
            lists.resume(tx, batch.tenant, [str(each.name) for each in batch.leases])
            self.giving.issuer.issue_in(tx, batch)
        for each in refused:
            lease_store.postpone(tx, [each.lease], _later(each.duration, now))
            lists.set_value(tx, each.lease.name.tenant, str(each.lease.name), Status.SUSPENDED)

    def _check(self, tx: Connection, batch: LeaseBatch, now: datetime) -> None:
        """Raises _Changed."""
        self.giving.conditions.artifacts.hold_all(tx, batch.tenant)
        leases: Sequence[Lease] = batch.leases
        consents = {each.consent.id for each in leases}
        if lease_store.lock_open(tx, batch.tenant, consents, now) != consents:
            raise _Changed
        if len(self.giving.conditions.eligible(tx, leases)) != len(leases):
            raise _Changed


def _later(duration: timedelta, now: datetime) -> datetime:
    return now + duration * _POSTPONED_BY
