"""Who holds which key, for whoever takes it back: removals (kms.removal) and revocations (kms.revocation)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from kms.core.names import ChildName, DigestName
from kms.releases import holder_store, store
from kms.releases.model import COLLECTION, FOR_EVER
from kms.removal.ports import Leases
from kms.revocation.model import RevocationReason, Subject
from kms.revocation.payload import Telling
from kms.revocation.subjects import RevocableSubject


@dataclass(frozen=True, slots=True)
class HeldKeys:
    """A kms.removal.ports.Leases that also knows of keys which were released with no lease behind them."""

    leases: Leases

    def last_end(self, tx: Connection, device: ChildName, artifact: DigestName) -> datetime | None:
        """FOR_EVER for such a key: nothing but a receipt shows that it is gone."""
        holder = holder_store.find(tx, device, artifact)
        if holder is not None and holder.unbounded:
            return FOR_EVER
        return self.leases.last_end(tx, device, artifact)

    def end_in(self, tx: Connection, device: ChildName, artifact: DigestName, now: datetime) -> None:
        """From now on the device gets the key again by a lease only, and every lease that it has ends here."""
        holder_store.set_ended(tx, holder_store.lock(tx, device, artifact), now)
        self.leases.end_in(tx, device, artifact, now)

    def suspend_in(self, tx: Connection, device: ChildName) -> None:
        self.leases.suspend_in(tx, device)

    def resume_in(self, tx: Connection, device: ChildName, now: datetime) -> None:
        self.leases.resume_in(tx, device, now)


@dataclass(frozen=True, slots=True)
class RevocableReleases:
    """Artifacts as something that can be revoked (kms.revocation.subjects): who holds the key is asked to delete.

    What asks a device is signed, and nothing can be signed here: kms.releases.upkeep does it soon after.
    """

    artifacts: RevocableSubject

    def telling(self, tx: Connection, subject: Subject) -> Telling:
        return self.artifacts.telling(tx, subject)

    def check_exists(self, tx: Connection, subject: Subject) -> None:
        self.artifacts.check_exists(tx, subject)

    def feeds(self, tx: Connection, subject: Subject) -> Sequence[str]:
        return self.artifacts.feeds(tx, subject)

    def revoke_in(
        self, tx: Connection, subject: Subject, *, reason: RevocationReason, effective_time: datetime, now: datetime
    ) -> None:
        self.artifacts.revoke_in(tx, subject, reason=reason, effective_time=effective_time, now=now)
        assert isinstance(subject, DigestName)
        store.set_removal_due(tx, DigestName(subject.tenant, COLLECTION, subject.digest), due=True)
