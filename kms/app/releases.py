"""Releases put together: who makes them known, who gives devices their keys, who asks for them back."""

from dataclasses import dataclass

from kms.consent.acquiring import LeaseService
from kms.core.clock import Clock
from kms.envelopes.opening import EnvelopeOpener
from kms.events.appending import Events
from kms.releases.anchoring import AuditAnchors
from kms.releases.conditions import KeyConditions
from kms.releases.creating import ReleaseCreation
from kms.releases.giving import ArtifactKeys
from kms.releases.rpc import ReleaseServicer
from kms.releases.service import ReleaseReader
from kms.releases.upkeep import ReleaseUpkeep
from kms.removal.requests import RemovalOrders


@dataclass(frozen=True, slots=True)
class ReleaseParts:
    """`upkeep.run` until cancelled."""

    servicer: ReleaseServicer
    upkeep: ReleaseUpkeep


def make_releases(
    events: Events,
    *,
    opener: EnvelopeOpener,
    leases: LeaseService,
    orders: RemovalOrders,
    clock: Clock,
    interval_seconds: float,
) -> ReleaseParts:
    """`orders` must know of held keys (kms.releases.holding.HeldKeys). `interval_seconds`: of looking for revoked ones.

    Their revocation is listed with the other subjects: kms.releases.holding.RevocableReleases.
    """
    conditions = KeyConditions(verdicts=opener.verdicts, blocked=leases.giving.conditions.blocked)
    servicer = ReleaseServicer(
        creation=ReleaseCreation(events=events, opener=opener),
        reader=ReleaseReader(events.database),
        keys=ArtifactKeys(events=events, opener=opener, leases=leases, conditions=conditions),
        anchors=AuditAnchors(events=events),
    )
    return ReleaseParts(servicer, ReleaseUpkeep(orders=orders, clock=clock, interval_seconds=interval_seconds))
