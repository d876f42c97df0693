"""Challenges, verdicts and devices."""

import hashlib
import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from attestation.model import Verdict
from attestation.reasons import Unchecked
from attestation.tpm_credential import Credential
from kms.core.canonical import Json
from kms.core.identity import CERTIFICATE_NAME_PREFIX
from kms.core.names import ChildName
from kms.keys.model import ServiceSignature
from kms.log.model import LogPromise

CHALLENGE_BYTES = 32
EVIDENCE_BYTES_MAX = 2 * 1024 * 1024
PARTS_MAX = 256
ANDROID_BYTES_MAX = 64 * 1024
CERTIFICATES_MAX = 8
KEY_SPKI_BYTES_MAX = 8 * 1024
"""The largest key in use, RSA-16384 or ML-DSA-87, needs less than 3 KiB."""


class ChallengePurpose(StrEnum):
    """What a challenge is for; it is good for nothing else."""

    FIRST_BOOT = "first_boot"
    FACTORY = "factory"
    SOFTWARE_SEALED = "software_sealed"
    ASSERTION = "assertion"


class DeviceClass(StrEnum):
    """How a device came to be believed, weakest first."""

    SOFTWARE = "software"
    HARDWARE = "hardware"
    FACTORY = "factory"


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeCredential:
    """What a TPM's credential was made for: the name of its AK, the SubjectPublicKeyInfo of its EK; and its SHA-256."""

    ak_name: bytes
    ek_spki: bytes
    sha256: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """32 random bytes for one attestation, for the caller who asked, this purpose, and this key when it names one.

    `made`: the bytes went out inside a credential for a TPM and in no other way; the answer to the caller has that
    `credential` and an empty value.
    """

    name: ChildName
    value: bytes
    expire_time: datetime
    purpose: ChallengePurpose = ChallengePurpose.FIRST_BOOT
    key_spki: bytes | None = None
    made: MadeCredential | None = None
    credential: Credential | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceVerdict:
    """What was found, as plain data. `claims` leaves out the identifiers of the device (serial number, IMEI).

    `own_reasons` are those of `reasons` that this service found beside the attestation library (kms.devices.findings).
    `device`: whom it is about, empty when no key of the evidence may be believed.
    """

    name: ChildName
    format: str
    authentic: bool
    appraised: bool
    reasons: tuple[str, ...]
    detail: str
    claims: dict[str, Any]
    not_checked: tuple[str, ...]
    input_sha256: dict[str, str]
    verify_time: datetime
    own_reasons: tuple[str, ...] = ()
    device: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedResult:
    """An EAR (attestation.ear): the payload, a composite signature over it, and the same payload as a JWT (ES256)."""

    payload: bytes
    signature: ServiceSignature
    jwt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HpkeKey:
    """To seal envelopes to a device."""

    kem_id: int
    public_key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCertificate:
    """A client certificate (DER) for the attested key."""

    certificate: bytes
    spiffe_id: str
    expire_time: datetime


class DeviceState(StrEnum):
    ATTESTED = "attested"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device is its attested key. `revoke_time`: from when it is not to be trusted; REVOKED is for ever.

    `attest_time`: when it last gave evidence of itself; a re-appraisal of old evidence does not move it. `assert_time`:
    when its key last asserted a challenge. `latest_verdict` may be a refusal after a re-appraisal: whoever relies on a
    device looks at `state` and at `latest_verdict.appraised`.
    """

    name: ChildName
    state: DeviceState
    key_spki: bytes
    latest_verdict: DeviceVerdict
    create_time: datetime
    update_time: datetime
    attest_time: datetime
    revoke_time: datetime | None = None
    device_class: DeviceClass = DeviceClass.HARDWARE
    hpke_key: HpkeKey | None = None
    assert_time: datetime | None = None
    counter: int = 0

    @property
    def live_time(self) -> datetime:
        """When it last answered a fresh challenge."""
        return max(self.attest_time, self.assert_time or self.attest_time)


@dataclass(frozen=True, slots=True, kw_only=True)
class TpmEnrolment:
    """An AK whose TPM opened a credential made for it: the device that it is, its name, the verdict about that."""

    device: ChildName
    ak_name: bytes
    activation: ChildName


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestAnswer:
    """What AttestDevice remembers: the whole answer. `device` is set when the verdict is positive."""

    verdict: DeviceVerdict
    device: Device | None
    promise: LogPromise
    result: SignedResult
    certificate: DeviceCertificate | None = None


def device_name(tenant: str, key_spki: bytes) -> ChildName:
    """The name follows from tenant and key: a UUIDv8 (RFC 9562, section 5.8 and appendix B.2) over SHA-256 of
    "hallmark/device-id/v1", tenant and SubjectPublicKeyInfo, with a zero byte between.

    The same phone has unrelated names in two tenants, and the name does not tell the key.
    """
    digest = hashlib.sha256(b"hallmark/device-id/v1\0" + tenant.encode() + b"\0" + key_spki).digest()
    value = int.from_bytes(digest[:16], "big")
    value = value & ~(0xF << 76) | 8 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    return ChildName(tenant, "devices", str(uuid.UUID(int=value)))


def certificate_name(device: ChildName) -> str:
    """Last part of the SPIFFE id in the device's certificate."""
    return CERTIFICATE_NAME_PREFIX + device.id


def log_details(verdict: DeviceVerdict, result: SignedResult) -> dict[str, Json]:
    """What the log says of a verdict: outcome and digests, nothing that the device said about itself."""
    return {
        "format": verdict.format,
        "authentic": verdict.authentic,
        "appraised": verdict.appraised,
        "reasons": list(verdict.reasons),
        "not_checked": list(verdict.not_checked),
        "evidence_sha256": verdict.input_sha256["evidence"],
        "input_sha256": dict(verdict.input_sha256),
        "result_sha256": hashlib.sha256(result.payload).hexdigest(),
    }


def attested_key(verdict: Verdict, expected: bytes | None) -> bytes | None:
    """The key that authentic evidence attests. Claims of other evidence are only what somebody wrote.

    A key that was expected is the attested one, or one that the evidence was made over (an enclave's report data): the
    judge refuses anything else with KEY_MISMATCH, or says that it did not check.
    """
    if not verdict.authentic:
        return None
    if expected is not None:
        return None if Unchecked.KEY_BINDING in verdict.not_checked else expected
    return verdict.claims.key.spki if verdict.claims.key is not None else None
