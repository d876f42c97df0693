"""What a device holds, whichever consent it came from: for whoever asks it to delete (kms.removal), and for its end.

A device that only reads files goes by the entries of its leases in the public status lists: what happens to the device
is told there too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from kms.consent import lease_store, store
from kms.core.names import ChildName, DigestName
from kms.events.model import Status
from kms.revocation.model import RevocationReason, Subject
from kms.revocation.payload import Telling
from kms.revocation.subjects import RevocableSubject
from kms.status import lists


class GivenLeases:
    """A kms.removal.ports.Leases."""

    def last_end(self, tx: Connection, device: ChildName, artifact: DigestName) -> datetime | None:
        """When nothing of it can be usable any more although the device hears nothing; None when it had no lease.

        A public snapshot from just before the end of a consent may prolong a lease to the promised time: for a consent
        that ended it is that time, for others the end of the lease and its grace.
        """
        ends: list[datetime] = []
        for each in lease_store.of_device(tx, device, artifact):
            ends.append(each.expire_time + each.offline_grace)
            consent = store.find(tx, each.consent)
            if consent is not None and consent.end_time is not None:
                ends.append(consent.end_time + consent.removal_time)
        return max(ends, default=None)

    def end_in(self, tx: Connection, device: ChildName, artifact: DigestName, now: datetime) -> None:  # noqa: ARG002
        """Ends every live lease of the two, for ever; their consents go on."""
        leases = lease_store.of_device(tx, device, artifact)
        lease_store.end_of_device(tx, device, artifact)
        for each in leases:
            lists.set_value(tx, each.name.tenant, str(each.name), Status.INVALID)

    def suspend_in(self, tx: Connection, device: ChildName) -> None:
        """No public snapshot prolongs any of them, until they are renewed."""
        for each in lease_store.live_of_holder(tx, device):
            lists.set_value(tx, device.tenant, str(each), Status.SUSPENDED)

    def resume_in(self, tx: Connection, device: ChildName, now: datetime) -> None:
        """They are renewed soon, by the rules for all (kms.consent.renewing)."""
        lease_store.hurry_of_holder(tx, device, now)


@dataclass(frozen=True, slots=True)
class RevocableHolders:
    """Devices as something that can be revoked (kms.revocation.subjects): their leases end with them."""

    devices: RevocableSubject

    def telling(self, tx: Connection, subject: Subject) -> Telling:
        return self.devices.telling(tx, subject)

    def check_exists(self, tx: Connection, subject: Subject) -> None:
        self.devices.check_exists(tx, subject)

    def feeds(self, tx: Connection, subject: Subject) -> Sequence[str]:
        return self.devices.feeds(tx, subject)

    def revoke_in(
        self, tx: Connection, subject: Subject, *, reason: RevocationReason, effective_time: datetime, now: datetime
    ) -> None:
        self.devices.revoke_in(tx, subject, reason=reason, effective_time=effective_time, now=now)
        assert isinstance(subject, ChildName)
        leases = lease_store.live_of_holder(tx, subject)
        lease_store.end_of_holder(tx, subject)
        for each in leases:
            lists.set_value(tx, subject.tenant, str(each), Status.INVALID)
