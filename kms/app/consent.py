"""Consents and leases, put together."""

from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import timedelta

from kms.config_permission import ConsentConfig
from kms.consent.acquiring import LeaseService
from kms.consent.ending import Endings
from kms.consent.expiring import Expiry
from kms.consent.giving import Giving
from kms.consent.holders import AttestedDevices, RegisteredArtifacts
from kms.consent.issuing import Conditions, Issuer
from kms.consent.payload import StatusUri
from kms.consent.pseudonyms import open_pseudonyms
from kms.consent.removal_port import Blocked, RemovalRequests
from kms.consent.renewing import Renewer
from kms.consent.rpc import ConsentServicer
from kms.consent.service import ConsentService
from kms.consent.upkeep import ConsentUpkeep
from kms.consent.withdrawing import WithdrawalService
from kms.core.clock import Clock
from kms.events.appending import Events


@dataclass(frozen=True, slots=True)
class ConsentParts:
    servicer: ConsentServicer
    upkeep: ConsentUpkeep

    def run(self) -> Coroutine[None, None, None]:
        """Renews and ends what is due, until cancelled."""
        return self.upkeep.run()


async def make_consent(
    settings: ConsentConfig,
    events: Events,
    *,
    clock: Clock,
    status_uri: StatusUri,
    removals: RemovalRequests,
    blocked: Blocked,
) -> ConsentParts:
    """`status_uri`: tenant and place -> the stable URI of the status list. Makes the key of pseudonyms at first use."""
    giving = Giving(
        issuer=Issuer(events=events, status_uri=status_uri),
        conditions=Conditions(holders=AttestedDevices(), artifacts=RegisteredArtifacts(), blocked=blocked),
        renew_fraction=settings.renew_fraction,
    )
    endings = Endings(events=events, removals=removals)
    pseudonyms = await open_pseudonyms(events.database, events.randomness)
    servicer = ConsentServicer(
        consents=ConsentService(events=events, pseudonyms=pseudonyms, giving=giving),
        withdrawals=WithdrawalService(endings=endings),
        leases=LeaseService(giving=giving),
        removal_default=timedelta(seconds=settings.removal_seconds),
    )
    upkeep = ConsentUpkeep(
        expiry=Expiry(endings=endings),
        renewer=Renewer(giving=giving),
        clock=clock,
        interval_seconds=settings.renew_interval_seconds,
    )
    return ConsentParts(servicer, upkeep)
