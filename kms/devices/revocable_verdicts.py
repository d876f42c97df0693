"""Verdicts as something that can be revoked (kms.revocation.subjects)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from kms.core.errors import not_found
from kms.core.names import ChildName
from kms.core.randomness import Randomness
from kms.devices import store, verdict_store
from kms.devices.assurance_changes import taken_back
from kms.devices.model import DeviceVerdict
from kms.events.model import Status, device_feed
from kms.revocation import assurance_store
from kms.revocation.model import RevocationReason, Subject
from kms.revocation.payload import Telling, credential_change
from kms.status import lists


@dataclass(frozen=True, slots=True)
class RevocableVerdicts:
    """tenants/{tenant}/verdicts/{verdict}. When it is the newest one about its device, the device counts as not
    appraised with the commit, and until it attests anew: judging the same evidence again does not help it. The AK of a
    TPM that this verdict enrolled is not known any more.
    """

    randomness: Randomness

    def telling(self, tx: Connection, subject: Subject) -> Telling:  # noqa: ARG002 - whichever verdict it is
        return credential_change("attestation-verdict")

    def feeds(self, tx: Connection, subject: Subject) -> Sequence[str]:
        """The device's that it is about; a refusal may be about nobody."""
        device = _verdict(tx, subject).device
        return [device_feed(ChildName.parse(device, "devices"))] if device else []

    def check_exists(self, tx: Connection, subject: Subject) -> None:
        _verdict(tx, subject)

    def revoke_in(
        self,
        tx: Connection,
        subject: Subject,
        *,
        reason: RevocationReason,  # noqa: ARG002 - for a verdict the outcome is the same, whatever the reason
        effective_time: datetime,  # noqa: ARG002 - the event says it
        now: datetime,
    ) -> None:
        verdict = _verdict(tx, subject)
        store.forget_activation(tx, verdict.name)
        device = store.find_device(tx, ChildName.parse(verdict.device, "devices")) if verdict.device else None
        if device is None or not store.set_verdict_revoked(tx, device.name, verdict.name, now):
            return
        lists.set_value(tx, device.name.tenant, str(device.name), Status.SUSPENDED)
        if device.latest_verdict.appraised:
            assurance_store.insert_note(tx, taken_back(device, self.randomness, now))


def _verdict(tx: Connection, subject: Subject) -> DeviceVerdict:
    """Raises the uniform not-found."""
    if not isinstance(subject, ChildName) or subject.collection != "verdicts":
        raise not_found(str(subject))
    found = verdict_store.find_verdict(tx, subject)
    if found is None:
        raise not_found(str(subject))
    return found.verdict
