"""What a device holds, whichever consent it came from: for whoever asks it to delete (kms.removal)."""

from datetime import datetime

from sqlalchemy.engine import Connection

from kms.consent import lease_store, store
from kms.core.names import ChildName, DigestName
from kms.events.model import Status
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
