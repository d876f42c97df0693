"""What the device behind each use of a key must be."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from hallmark_client.model.enums import DeviceClass, EvidenceFormat, SecurityLevel
from hallmark_client.model.result import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestationGate(Result):
    """Every use of the key names a device, whose newest verdict must be appraised and fit, and which is not revoked.

    formats: empty is any. minimum_level: None is any, also none at all. device_classes: how the device came to be
    believed. measurements: by the name in the verdict's claims, the digests it may have. max_verdict_age: how long ago
    the device may have answered a fresh challenge. device_callers: devices may use the key themselves, each for itself
    with its own certificate (sign, open an envelope, make a data key).
    """

    formats: tuple[EvidenceFormat, ...] = ()
    minimum_level: SecurityLevel | None = None
    device_classes: tuple[DeviceClass, ...] = (DeviceClass.HARDWARE, DeviceClass.FACTORY)
    measurements: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict)
    max_verdict_age: timedelta = timedelta(days=1)
    device_callers: bool = False
