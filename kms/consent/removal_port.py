"""What ends a consent asks for: that every device deletes what it held. kms.removal answers, from a floor above."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy.engine import Connection

from kms.core.names import ChildName, DigestName
from kms.events.model import InitiatingEntity, SignedEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalOrder:
    """One device and one artifact that it held a lease for. `deadline`: by then nothing may be usable any more.

    `user`: the pairwise pseudonym of the person, for the subject identifier of the event.
    """

    device: ChildName
    artifact: DigestName
    consent: ChildName
    deadline: datetime
    user: str
    effective_time: datetime
    initiating_entity: InitiatingEntity
    transaction_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A request that is signed and not made yet. `removal`: tenants/{tenant}/removals/{removal}; `nonce`: 32 bytes."""

    removal: ChildName
    order: RemovalOrder
    nonce: bytes
    event: SignedEvent


class RemovalRequests(Protocol):
    """Asks devices to delete, in two steps: the HSM is never asked inside a transaction."""

    async def prepare(self, order: RemovalOrder, now: datetime) -> Prepared:
        """Signs the deletion-requested event. Writes nothing, so it may be thrown away. Raises what the HSM raises."""

    def request_in(self, tx: Connection, prepared: Prepared) -> None:
        """Row, log entry and event in the device's feed, in the transaction that ends the consent.

        Called once for each `prepared`. The caller notifies the tenant's watchers after the commit.
        """


class Blocked(Protocol):
    """Who gets no leases although it is attested: devices that are overdue with a removal."""

    def is_blocked(self, tx: Connection, devices: frozenset[ChildName]) -> frozenset[ChildName]:
        """Those among `devices` that are."""


class NobodyBlocked:
    """No removals are asked for, so nobody can be overdue."""

    def is_blocked(self, tx: Connection, devices: frozenset[ChildName]) -> frozenset[ChildName]:  # noqa: ARG002
        return frozenset()
