"""Writer of the KeyDescription extension, from the state a virtual phone is in."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from attestation.claims import BootVerification, DeviceIdentity, SecurityLevel
from attestation.formats.android_authorization import BOOT_STATES
from attestation.testing import asn1

GENERATED, IMPORTED = 0, 2
SIGN, VERIFY, ATTEST_KEY = 2, 3, 7

Tags = list[tuple[int, bytes]]


def _digest(text: str) -> bytes:
    return sha256(text.encode()).digest()


VIRTUAL: Final = DeviceIdentity(brand="virtual", device="virtual", model="Virtual Phone")


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneState:
    """What a virtual phone says about itself and its keys. The defaults are a good phone of the day it was made."""

    made_at: datetime
    level: SecurityLevel = SecurityLevel.TEE
    keymint_level: SecurityLevel | None = None  # None: the same as `level`
    attestation_version: int = 400
    keymint_version: int = 400
    origin: int | None = GENERATED
    purposes: tuple[int, ...] = (SIGN, VERIFY)
    locked: bool = True
    boot: BootVerification = BootVerification.VERIFIED
    boot_key: bytes = _digest("virtual boot key")
    boot_hash: bytes | None = _digest("virtual system image")
    root_of_trust: bool = True
    os_version: int = 160000
    os_patch_level: int | None = None  # None: the month of `made_at`
    vendor_patch_level: int | None = None
    boot_patch_level: int | None = None
    packages: tuple[tuple[str, int], ...] = (("org.example.virtual", 1),)
    signature_digests: tuple[bytes, ...] = (_digest("virtual app signer"),)
    identity: DeviceIdentity = VIRTUAL
    module_hash: bytes = _digest("virtual modules")
    write_true_as_one: bool = False  # as Qualcomm's Keymaster 4 writes BOOLEAN
    reverse_tags: bool = False

    @property
    def month(self) -> int:
        return int(f"{self.made_at:%Y%m}")


_LEVELS = list(SecurityLevel)


def write_key_description(state: PhoneState, challenge: bytes, *, algorithm_tags: Tags) -> bytes:
    """DER of the extension value. `algorithm_tags` describe the attested key (algorithm, size, curve)."""
    keymint_level = state.keymint_level or state.level
    hardware = _hardware(state, algorithm_tags)
    return asn1.sequence(
        asn1.integer(state.attestation_version),
        asn1.enumerated(_LEVELS.index(state.level)),
        asn1.integer(state.keymint_version),
        asn1.enumerated(_LEVELS.index(keymint_level)),
        asn1.octets(challenge),
        asn1.octets(b""),
        _tags(_software(state), reverse=False),
        _tags(hardware, reverse=state.reverse_tags),
    )


def _tags(tags: Tags, *, reverse: bool) -> bytes:
    return asn1.sequence(*(asn1.explicit(number, value) for number, value in sorted(tags, reverse=reverse)))


def _software(state: PhoneState) -> Tags:
    packages = (
        asn1.sequence(asn1.octets(package.encode()), asn1.integer(version)) for package, version in state.packages
    )
    application = asn1.sequence(asn1.set_of(*packages), asn1.set_of(*map(asn1.octets, state.signature_digests)))
    return [
        (701, asn1.integer(int(state.made_at.timestamp() * 1000))),
        (709, asn1.octets(application)),
        (724, asn1.octets(state.module_hash)),
    ]


def _or(level: int | None, default: int) -> int:
    return default if level is None else level


def _hardware(state: PhoneState, algorithm_tags: Tags) -> Tags:
    tags = [
        (1, asn1.set_of(*map(asn1.integer, state.purposes))),
        *algorithm_tags,
        (503, asn1.null()),
        (705, asn1.integer(state.os_version)),
        (706, asn1.integer(_or(state.os_patch_level, state.month))),
        (718, asn1.integer(_or(state.vendor_patch_level, state.month * 100 + 5))),
        (719, asn1.integer(_or(state.boot_patch_level, state.month * 100 + 5))),
        *_identity(state.identity),
    ]
    if state.origin is not None:
        tags.append((702, asn1.integer(state.origin)))
    if state.root_of_trust:
        tags.append((704, _root_of_trust(state)))
    return tags


def _root_of_trust(state: PhoneState) -> bytes:
    locked = asn1.tlv(0x01, b"\x01") if state.locked and state.write_true_as_one else asn1.boolean(state.locked)
    boot_state = asn1.enumerated(BOOT_STATES.index(state.boot))
    boot_hash = () if state.boot_hash is None else (asn1.octets(state.boot_hash),)
    return asn1.sequence(asn1.octets(state.boot_key), locked, boot_state, *boot_hash)


_IDENTITY_TAGS: dict[int, Callable[[DeviceIdentity], str | None]] = {
    710: lambda identity: identity.brand,
    711: lambda identity: identity.device,
    712: lambda identity: identity.product,
    713: lambda identity: identity.serial,
    714: lambda identity: identity.imeis[0] if identity.imeis else None,
    715: lambda identity: identity.meid,
    716: lambda identity: identity.manufacturer,
    717: lambda identity: identity.model,
    723: lambda identity: identity.imeis[1] if len(identity.imeis) > 1 else None,
}


def _identity(identity: DeviceIdentity) -> Tags:
    return [(number, asn1.octets(text.encode())) for number, read in _IDENTITY_TAGS.items() if (text := read(identity))]
