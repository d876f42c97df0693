"""Leases on demand: nothing is signed for them, so each is one write transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.engine import Connection

from kms.consent import lease_store, store
from kms.consent.giving import Giving
from kms.consent.leases import Lease
from kms.core.database import Database
from kms.core.errors import FailedPrecondition, InvalidArgument, Reason, not_found
from kms.core.idempotency import Replays, RequestKey
from kms.core.names import ChildName, DigestName
from kms.events.appending import Events


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """`for_itself`: the device asks. It then has to be among those the consent names, if that names any."""

    consent: ChildName
    device: ChildName
    artifact: DigestName
    for_itself: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseAnswer:
    """What AcquireLease remembers for a replay."""

    tenant: str
    lease: str


@dataclass(slots=True, kw_only=True)
class LeaseService:
    """Leases of devices."""

    giving: Giving
    _replays: Replays[LeaseAnswer] = field(default_factory=lambda: Replays(LeaseAnswer))

    @property
    def database(self) -> Database:
        return self.events.database

    @property
    def events(self) -> Events:
        return self.giving.issuer.events

    async def acquire(self, wanted: Wanted, *, request: RequestKey, now: datetime) -> Lease:
        """The device's lease, given now unless it has one that is not due yet.

        The device learns of it by its feed, once the log has published it. Raises not-found, also when the consent does
        not concern the device that asks; FailedPrecondition as Conditions.check and once the consent has ended;
        InvalidArgument when the consent does not name the artifact.
        """
        lease = await self.database.write(lambda tx: self._acquire(tx, wanted, request, now))
        self.events.notify(wanted.consent.tenant)
        await self.events.log.confirm_many([], published=False)
        return lease

    async def list(self, tenant: str, filters: lease_store.Filters, *, after: str, limit: int) -> Sequence[Lease]:
        """Oldest first."""
        return await self.database.read(
            lambda tx: lease_store.list_leases(tx, tenant, filters, after=after, limit=limit)
        )

    def _acquire(self, tx: Connection, wanted: Wanted, request: RequestKey, now: datetime) -> Lease:
        if (earlier := self._replays.find(tx, request)) is not None:
            found = lease_store.find(tx, ChildName(earlier.tenant, "leases", earlier.lease))
            assert found is not None  # leases are never deleted
            return found
        self.giving.conditions.artifacts.hold(tx, frozenset({wanted.artifact}))
        itself = wanted.device if wanted.for_itself else None
        consent = store.find(tx, wanted.consent, lock=True, concerning=itself)
        if consent is None:
            raise not_found(str(wanted.consent))
        consent.check_open(now)
        if consent.kind_of(wanted.artifact) is None:
            raise InvalidArgument(
                Reason.FIELD_INVALID, f"{wanted.consent} says nothing of {wanted.artifact}", field="artifact"
            )
        self.giving.conditions.check(tx, wanted.device, wanted.artifact)
        lease = lease_store.find_of(tx, wanted.consent, wanted.device, wanted.artifact)
        if lease is not None and not lease.live:
            raise FailedPrecondition(
                Reason.STATE_TRANSITION_INVALID,
                f"{lease.name} ended for ever: the device was asked to delete; holding it again takes a new consent",
                resource=str(lease.name),
            )
        if lease is None or lease.is_due_at(now):
            (lease,) = self.giving.give_in(tx, consent, [(wanted.device, wanted.artifact)], now)
        answer = LeaseAnswer(tenant=lease.name.tenant, lease=lease.name.id)
        self._replays.store(tx, request, answer, now)
        return lease
