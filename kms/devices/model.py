"""Challenges, verdicts and devices, and the rules about them as pure functions."""

import hashlib
import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from attestation.model import Verdict
from attestation.report import verdict_to_dict
from kms.core.canonical import Json
from kms.core.names import ChildName
from kms.log.model import LogPromise

CHALLENGE_BYTES = 32
EVIDENCE_BYTES_MAX = 64 * 1024
CERTIFICATES_MAX = 8
KEY_SPKI_BYTES_MAX = 8 * 1024
"""The largest key in use, RSA-16384 or ML-DSA-87, needs less than 3 KiB."""
DEVICE_REVOKED = "DEVICE_REVOKED"
"""Our own reason beside those of the attestation library: the evidence is right, the device was revoked here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """32 random bytes for one attestation, for the caller who asked."""

    name: ChildName
    value: bytes
    expire_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceVerdict:
    """What was found, as plain data. `claims` leaves out the identifiers of the device (serial number, IMEI)."""

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


class DeviceState(StrEnum):
    ATTESTED = "attested"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device is its attested key. `revoke_time`: from when it is not to be trusted; REVOKED is for ever."""

    name: ChildName
    state: DeviceState
    key_spki: bytes
    latest_verdict: DeviceVerdict
    create_time: datetime
    update_time: datetime
    revoke_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestAnswer:
    """What AttestDevice remembers: the whole answer. `device` is set when the verdict is positive."""

    verdict: DeviceVerdict
    device: Device | None
    promise: LogPromise


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


def attested_key(verdict: Verdict) -> bytes | None:
    """The key that authentic evidence attests. Claims of other evidence are only what somebody wrote."""
    return verdict.claims.key.spki if verdict.authentic and verdict.claims.key is not None else None


def describe(verdict: Verdict, name: ChildName, *, revoked: bool) -> DeviceVerdict:
    """The verdict as it is stored and answered; a device that was revoked here is never appraised again."""
    report = verdict_to_dict(verdict)
    reasons = [DEVICE_REVOKED, *report["reasons"]] if revoked else report["reasons"]
    return DeviceVerdict(
        name=name,
        format=report["format"],
        authentic=verdict.authentic,
        appraised=verdict.appraised and not revoked,
        reasons=tuple(reasons),
        detail=_sentence(verdict, revoked=revoked),
        claims=report["claims"],
        not_checked=tuple(report["not_checked"]),
        input_sha256=dict(report["inputs"]),
        verify_time=verdict.verified_at,
    )


def log_details(verdict: DeviceVerdict) -> dict[str, Json]:
    """What the log says of a verdict: outcome and digests, nothing that the device said about itself."""
    return {
        "format": verdict.format,
        "authentic": verdict.authentic,
        "appraised": verdict.appraised,
        "reasons": list(verdict.reasons),
        "not_checked": list(verdict.not_checked),
        "evidence_sha256": verdict.input_sha256["evidence"],
        "input_sha256": dict(verdict.input_sha256),
    }


def _sentence(verdict: Verdict, *, revoked: bool) -> str:
    if revoked:
        return "the device with this key was revoked; a revoked device comes back only with a new key"
    if verdict.findings:
        return verdict.findings[0].detail
    return "the evidence is genuine and satisfies the policy"
