"""Changes of a device's assurance that are noted with what made them (kms.revocation.assurance_store)."""

from datetime import datetime

from kms.core.ids import new_id
from kms.core.names import ChildName
from kms.core.randomness import Randomness
from kms.devices.model import Device, DeviceVerdict
from kms.events.model import InitiatingEntity
from kms.revocation.model import AssuranceChange, AssuranceLevel


def regained(device: Device, verdict: DeviceVerdict, randomness: Randomness) -> AssuranceChange:
    """It attested anew after it had lost its appraisal."""
    return _change(
        device.name, verdict, AssuranceLevel.APPRAISED, InitiatingEntity.USER, randomness, verdict.verify_time
    )


def taken_back(device: Device, randomness: Randomness, now: datetime) -> AssuranceChange:
    """Somebody revoked the verdict that it stands on."""
    verdict = device.latest_verdict
    return _change(device.name, verdict, AssuranceLevel.NOT_APPRAISED, InitiatingEntity.ADMIN, randomness, now)


def _change(
    device: ChildName,
    verdict: DeviceVerdict,
    current: AssuranceLevel,
    initiator: InitiatingEntity,
    randomness: Randomness,
    now: datetime,
) -> AssuranceChange:
    """There are two levels: it had the other one."""
    (previous,) = set(AssuranceLevel) - {current}
    return AssuranceChange(
        id=new_id(now, randomness),
        subject=device,
        verdict=str(verdict.name),
        current=current,
        previous=previous,
        event_time=now,
        initiating_entity=initiator,
    )
