"""Giving leases for one consent, inside the transaction of the act that asks for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from kms.consent import lease_store
from kms.consent.issuing import Conditions, Issuer
from kms.consent.leases import Lease, Renewal, first_lease, renewed
from kms.consent.model import Consent
from kms.core.names import ChildName, DigestName
from kms.status import lists

Pair = tuple[ChildName, DigestName]
"""A device and an artifact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Giving:
    """`renew_fraction`: when so much of a lease is over, it is due."""

    issuer: Issuer
    conditions: Conditions
    renew_fraction: float

    def give_in(self, tx: Connection, consent: Consent, pairs: Sequence[Pair], now: datetime) -> list[Lease]:
        """The caller has seen the consent open and the devices trusted, and holds the consent and the artifacts against
        changes. Artifacts that are withheld get none; a pair that had a lease gets it anew.
        """
        withheld = self.conditions.artifacts.withheld(tx, frozenset(artifact for _, artifact in pairs))
        wanted = [pair for pair in pairs if pair[1] not in withheld]
        if not wanted:
            return []
        known = {(each.device, each.artifact): each for each in lease_store.of_consent(tx, consent.name)}
        again = [self._again(consent, known[pair], now) for pair in wanted if pair in known]
        fresh = self._first(tx, consent, [pair for pair in wanted if pair not in known], now)
        lease_store.renew_many(tx, again)
        lists.resume(tx, consent.name.tenant, [str(each.name) for each in again])
        lease_store.insert_many(tx, fresh, consent.terms.duration)
        leases = [*again, *fresh]
        self.issuer.issue_in(tx, self.issuer.prepare(leases, now))
        return leases

    def _again(self, consent: Consent, lease: Lease, now: datetime) -> Lease:
        due = Renewal(lease, consent.terms.duration)
        return renewed(due, now=now, renew_fraction=self.renew_fraction)

    def _first(self, tx: Connection, consent: Consent, pairs: Sequence[Pair], now: datetime) -> list[Lease]:
        tenant, events = consent.name.tenant, self.issuer.events
        names = [ChildName(tenant, "leases", events.new_id(now)) for _ in pairs]
        places = lists.allocate_many(tx, tenant, [str(name) for name in names], events.randomness)
        return [
            first_lease(
                consent,
                device,
                artifact,
                name=name,
                status=places[str(name)],
                now=now,
                renew_fraction=self.renew_fraction,
            )
            for (device, artifact), name in zip(pairs, names, strict=True)
        ]
