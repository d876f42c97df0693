"""Devices as something that can be revoked (kms.revocation.subjects)."""

from datetime import datetime

from sqlalchemy.engine import Connection

from kms.core.errors import not_found
from kms.core.names import ChildName
from kms.devices import store
from kms.revocation.model import RevocationReason, Subject


class RevocableDevices:
    """tenants/{tenant}/devices/{device}. A revoked device is never attested again: DEVICE_REVOKED."""

    @property
    def credential_type(self) -> str:
        return "device-key"

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


def _device(subject: Subject) -> ChildName:
    if not isinstance(subject, ChildName) or subject.collection != "devices":
        raise not_found(str(subject))
    return subject
