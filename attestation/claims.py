"""One claim schema for phones, enclaves and TPMs. A field is None (or empty) where the vendor says nothing about it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

VendorValue = str | int | bool | None


class SecurityLevel(StrEnum):
    """Where the key lives and who made the statement, weakest first."""

    SOFTWARE = "SOFTWARE"
    TEE = "TEE"
    STRONGBOX = "STRONGBOX"
    SECURE_ENCLAVE = "SECURE_ENCLAVE"
    ENCLAVE = "ENCLAVE"
    TPM = "TPM"


class BootVerification(StrEnum):
    """Result of verified boot (Android: VerifiedBootState)."""

    VERIFIED = "VERIFIED"
    SELF_SIGNED = "SELF_SIGNED"
    UNVERIFIED = "UNVERIFIED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class DeviceIdentity:
    """Identifiers the device attests, where it was asked for them. They are personal data: never log them."""

    brand: str | None = None
    device: str | None = None
    product: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    serial: str | None = None
    imeis: tuple[str, ...] = ()
    meid: str | None = None


@dataclass(frozen=True, slots=True)
class KeyClaim:
    """The attested key. `spki` is DER; `algorithm` a short name such as EC, RSA, ML-DSA-65."""

    spki: bytes
    spki_sha256: str
    algorithm: str
    size_bits: int | None = None
    curve: str | None = None
    origin: str | None = None
    purposes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BootState:
    locked: bool
    verification: BootVerification
    key: bytes
    hash: bytes | None


@dataclass(frozen=True, slots=True)
class Measurement:
    name: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Versions:
    """Versions and patch levels as the vendor writes them (Android: 140000, YYYYMM or YYYYMMDD)."""

    attestation: int | None = None
    implementation: int | None = None
    os: int | None = None
    os_patch_level: int | None = None
    vendor_patch_level: int | None = None
    boot_patch_level: int | None = None


@dataclass(frozen=True, slots=True)
class Application:
    """Software that may use the key: package names with versions, and SHA-256 digests of the signing certificates."""

    packages: tuple[tuple[str, int], ...]
    signature_digests: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Freshness:
    """The challenge found in the evidence, and when the device says the key was made."""

    challenge: bytes
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Claims:
    """What the evidence says. `vendor` holds what has no common meaning, as sorted (name, value) pairs. `counter` is
    the signature counter of the key, which the relying party stores with it.
    """

    device: DeviceIdentity | None = None
    key: KeyClaim | None = None
    security_level: SecurityLevel | None = None
    boot: BootState | None = None
    measurements: tuple[Measurement, ...] = ()
    versions: Versions | None = None
    application: Application | None = None
    debug: bool | None = None
    freshness: Freshness | None = None
    counter: int | None = None
    anchor: str | None = None
    certificate_serials: tuple[str, ...] = ()
    vendor: tuple[tuple[str, VendorValue], ...] = ()

    def vendor_claim(self, name: str) -> VendorValue:
        return dict(self.vendor).get(name)
