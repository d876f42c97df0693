"""What leases ask of others, answered: devices by kms.devices, artifacts by kms.artifacts."""

from sqlalchemy.engine import Connection

from kms.artifacts import store as artifact_store
from kms.core.errors import FailedPrecondition, Reason, not_found
from kms.core.names import ChildName, DigestName
from kms.devices import store
from kms.devices.appraised import appraised
from kms.devices.model import DeviceState


class AttestedDevices:
    """A kms.consent.ports.Holders."""

    def trusted(self, tx: Connection, devices: frozenset[ChildName]) -> frozenset[ChildName]:
        return appraised(tx, devices)

    def check_known(self, tx: Connection, device: ChildName) -> None:
        (state,) = store.find_states(tx, [device])
        if state is None:
            raise not_found(str(device))
        if state is not DeviceState.ATTESTED:
            raise FailedPrecondition(Reason.DEVICE_REVOKED, f"{device} was revoked", resource=str(device))


class RegisteredArtifacts:
    """A kms.consent.ports.Artifacts."""

    def withheld(self, tx: Connection, artifacts: frozenset[DigestName]) -> frozenset[DigestName]:
        found: set[DigestName] = set()
        for tenant in {each.tenant for each in artifacts}:
            mine = [each for each in artifacts if each.tenant == tenant]
            blocked = artifact_store.blocked(tx, tenant, [each.digest for each in mine])
            found.update(each for each in mine if each.digest in blocked)
        return frozenset(found)

    def hold(self, tx: Connection, artifacts: frozenset[DigestName]) -> None:
        artifact_store.hold(tx, *sorted(artifacts, key=str))

    def hold_all(self, tx: Connection, tenant: str) -> None:
        artifact_store.hold_all(tx, tenant)
