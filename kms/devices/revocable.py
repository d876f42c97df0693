"""Devices as something that can be revoked (kms.revocation.subjects)."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.engine import Connection

from kms.core.errors import not_found
from kms.core.names import ChildName
from kms.devices import store
from kms.events.model import Status, device_feed
from kms.revocation.model import RevocationReason, Subject
from kms.revocation.payload import Telling, credential_change
from kms.status import lists


class RevocableDevices:
    """tenants/{tenant}/devices/{device}. A revoked device is never attested again: DEVICE_REVOKED."""

    def telling(self, tx: Connection, subject: Subject) -> Telling:  # noqa: ARG002 - whichever device it is
        return credential_change("device-key")

    def feeds(self, tx: Connection, subject: Subject) -> Sequence[str]:  # noqa: ARG002 - itself alone, whoever it is
        return [device_feed(_device(subject))]

    def check_exists(self, tx: Connection, subject: Subject) -> None:
        if store.find_device(tx, _device(subject)) is None:
            raise not_found(str(subject))

    def revoke_in(
        self,
        tx: Connection,
        subject: Subject,
        *,
        reason: RevocationReason,  # noqa: ARG002 - for a device the outcome is the same, whatever the reason
        effective_time: datetime,
        now: datetime,
    ) -> None:
        store.set_revoked(tx, _device(subject), effective_time=effective_time, now=now)
        lists.set_value(tx, subject.tenant, str(subject), Status.INVALID)


def _device(subject: Subject) -> ChildName:
    if not isinstance(subject, ChildName) or subject.collection != "devices":
        raise not_found(str(subject))
    return subject
