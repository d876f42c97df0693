"""Devices as holders of leases: what kms.devices says of them."""

from sqlalchemy.engine import Connection

from kms.core.errors import FailedPrecondition, Reason, not_found
from kms.core.names import ChildName
from kms.devices import store
from kms.devices.appraised import appraised
from kms.devices.model import DeviceState


class AttestedDevices:
    """A kms.consent.ports.Holders."""

    def trusted(self, tx: Connection, devices: frozenset[ChildName]) -> frozenset[ChildName]:
        return appraised(tx, devices)

    def check_known(self, tx: Connection, device: ChildName) -> None:
        state = store.find_state(tx, device)
        if state is None:
            raise not_found(str(device))
        if state is not DeviceState.ATTESTED:
            raise FailedPrecondition(Reason.DEVICE_REVOKED, f"{device} was revoked", resource=str(device))
