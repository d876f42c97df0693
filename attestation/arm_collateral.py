"""The trust anchor store for Arm devices: which attestation key belongs to which instance.

Arm's tokens carry no certificate. The maker of a device hands out, as an endorsement, the public half of its initial
attestation key (IAK; on CCA platforms CPAK) under the instance id that the token names (RFC 9783, 4.2.1 and 7).
"""

import json
from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Self

from attestation.errors import CollateralError, EvidenceError
from attestation.signatures import load_key

MAX_FILE_BYTES: Final = 16 * 1024 * 1024
MAX_DEVICES: Final = 10_000
MAX_KEYS: Final = 16  # of one instance
INSTANCE_ID_BYTES: Final = 33  # a UEID of type RAND: 0x01 and 32 bytes (RFC 9711, 4.2.1)


@dataclass(frozen=True, slots=True)
class ArmDevice:
    """One instance: its id (33 bytes), its keys (DER SubjectPublicKeyInfo, 1 to 16), and where it is known, the
    implementation id (32 bytes) that its tokens must name.
    """

    instance_id: bytes
    keys: tuple[bytes, ...]
    implementation_id: bytes | None = None


@dataclass(frozen=True, slots=True)
class ArmEndorsements:
    """Devices by instance id; each id once. Every verdict hashes all of them, so a service that knows many devices
    looks the one up that a token names (`formats.arm_claims.instance_id_of`) and gives that alone.
    """

    devices: tuple[ArmDevice, ...]

    @classmethod
    def of(cls, devices: Iterable[ArmDevice]) -> Self:
        """Check and collect; CollateralError for ids, keys or numbers that cannot be."""
        found = tuple(devices)
        if len(found) > MAX_DEVICES:
            raise CollateralError(f"{len(found)} devices, at most {MAX_DEVICES}")
        if len({device.instance_id for device in found}) != len(found):
            raise CollateralError("an instance id is endorsed twice")
        for device in found:
            _check(device)
        return cls(found)

    def find(self, instance_id: bytes) -> ArmDevice | None:
        return next((device for device in self.devices if device.instance_id == instance_id), None)


def parse_arm_devices(data: bytes) -> ArmEndorsements:
    """Read a list in JSON; CollateralError says what is wrong with it:

    {"arm_devices": [{"instance_id": hex, "implementation_id": hex (optional), "keys": [base64 of DER keys]}]}
    """
    if len(data) > MAX_FILE_BYTES:
        raise CollateralError(f"device list of {len(data)} bytes, at most {MAX_FILE_BYTES}")
    try:
        document = json.loads(data)
        items = document["arm_devices"]
        return ArmEndorsements.of(_device(item) for item in items)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CollateralError("file is not a list of Arm devices") from error


def _device(item: Any) -> ArmDevice:
    implementation = item.get("implementation_id") if isinstance(item, dict) else None
    return ArmDevice(
        bytes.fromhex(item["instance_id"]),
        tuple(b64decode(key, validate=True) for key in item["keys"]),
        None if implementation is None else bytes.fromhex(implementation),
    )


def _check(device: ArmDevice) -> None:
    if len(device.instance_id) != INSTANCE_ID_BYTES or not 1 <= len(device.keys) <= MAX_KEYS:
        raise CollateralError(f"instance id of {len(device.instance_id)} bytes with {len(device.keys)} keys")
    if device.implementation_id is not None and len(device.implementation_id) != 32:
        raise CollateralError("implementation id is not 32 bytes")
    for key in device.keys:
        try:
            load_key(key)
        except EvidenceError as error:
            raise CollateralError(f"key of instance {device.instance_id.hex()}: {error.detail}") from error
