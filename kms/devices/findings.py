"""What this service finds beside the attestation library: about the device as it is known here, and the challenge.

1. Authentic evidence that shows neither freshness nor possession of the key enrols nobody: EVIDENCE_INCOMPLETE.
2. An assertion is by a key that App Attest enrolled: DEVICE_UNKNOWN.
3. Revoked is for ever: DEVICE_REVOKED.
4. Software-sealed devices enrol with challenges for them, and nobody else does; a device whose hardware vouched for it
   does not come back without: PROVISIONING_MISMATCH.

A verdict that was revoked since counts as refused: VERDICT_REVOKED.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from attestation.claims import SecurityLevel
from attestation.model import Format, Verdict
from attestation.reasons import Unchecked
from attestation.report import verdict_to_dict
from kms.core.names import ChildName
from kms.devices.model import ChallengePurpose, Device, DeviceClass, DeviceState, DeviceVerdict


class OwnReason(StrEnum):
    """Codes in a verdict's reasons beside those of attestation.reasons."""

    DEVICE_REVOKED = "DEVICE_REVOKED"
    DEVICE_UNKNOWN = "DEVICE_UNKNOWN"
    EVIDENCE_INCOMPLETE = "EVIDENCE_INCOMPLETE"
    PROVISIONING_MISMATCH = "PROVISIONING_MISMATCH"
    VERDICT_REVOKED = "VERDICT_REVOKED"


_SENTENCES = {
    OwnReason.DEVICE_REVOKED: "the device with this key was revoked; a revoked device comes back only with a new key",
    OwnReason.DEVICE_UNKNOWN: "no device with this key is enrolled; attest it first, then send assertions",
    OwnReason.EVIDENCE_INCOMPLETE: "the evidence is genuine, but shows no challenge or no possession of the key",
    OwnReason.PROVISIONING_MISMATCH: "what vouches for the key does not fit the purpose of the challenge",
    OwnReason.VERDICT_REVOKED: "this verdict was revoked; the device has to attest anew",
}
# Without these, anybody could send what somebody else's device once made.
_NEEDED = frozenset({Unchecked.CHALLENGE, Unchecked.POSSESSION, Unchecked.REPORT})
_CLASSES = list(DeviceClass)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The device the evidence is about, as far as it may be believed: its name, its row when it is known, its class."""

    target: ChildName | None
    known: Device | None
    device_class: DeviceClass


def class_of(verdict: Verdict, purpose: ChallengePurpose, known: Device | None) -> DeviceClass:
    """By who vouches for the key. An assertion changes nothing; who came through the factory stays so. A maker's chain
    that says nothing of a level (FIDO U2F) is hardware; a key that vouches for itself is not.
    """
    if verdict.format is Format.APPLE_APP_ASSERTION:
        return DeviceClass.HARDWARE if known is None else known.device_class
    level, anchor = verdict.claims.security_level, verdict.claims.anchor
    if verdict.format is Format.SOFTWARE or level is SecurityLevel.SOFTWARE or (level is None and anchor is None):
        return DeviceClass.SOFTWARE
    if purpose is ChallengePurpose.FACTORY or (known is not None and known.device_class is DeviceClass.FACTORY):
        return DeviceClass.FACTORY
    return DeviceClass.HARDWARE


def own_reasons(verdict: Verdict, purpose: ChallengePurpose | None, standing: Standing) -> tuple[OwnReason, ...]:
    """In the order of the module's list; nothing about evidence that is not authentic: a forger is told nothing.

    `purpose` is None for evidence that is judged again.
    """
    if not verdict.authentic:
        return ()
    reasons = []
    if _NEEDED & set(verdict.not_checked):
        reasons.append(OwnReason.EVIDENCE_INCOMPLETE)
    if verdict.format is Format.APPLE_APP_ASSERTION and not _came_with_app_attest(standing.known):
        reasons.append(OwnReason.DEVICE_UNKNOWN)
    if standing.known is not None and standing.known.state is DeviceState.REVOKED:
        reasons.append(OwnReason.DEVICE_REVOKED)
    if purpose is not None and _misfits(purpose, standing):
        reasons.append(OwnReason.PROVISIONING_MISMATCH)
    return tuple(reasons)


def describe(
    verdict: Verdict, name: ChildName, *, reasons: tuple[OwnReason, ...] = (), device: ChildName | None = None
) -> DeviceVerdict:
    """The verdict as it is stored and answered; with reasons of our own it is not appraised."""
    report = verdict_to_dict(verdict)
    return DeviceVerdict(
        name=name,
        format=report["format"],
        authentic=verdict.authentic,
        appraised=verdict.appraised and not reasons,
        reasons=(*reasons, *report["reasons"]),
        detail=_sentence(verdict, reasons),
        claims=report["claims"],
        not_checked=tuple(report["not_checked"]),
        input_sha256=dict(report["inputs"]),
        verify_time=verdict.verified_at,
        own_reasons=tuple(reasons),
        device="" if device is None else str(device),
    )


def revoked(verdict: DeviceVerdict) -> DeviceVerdict:
    """As it counts since it was revoked: for nothing."""
    reason = OwnReason.VERDICT_REVOKED
    return replace(
        verdict,
        appraised=False,
        reasons=(reason, *verdict.reasons),
        own_reasons=(reason, *verdict.own_reasons),
        detail=_SENTENCES[reason],
    )


def _came_with_app_attest(known: Device | None) -> bool:
    return known is not None and known.latest_verdict.format == Format.APPLE_APP_ATTEST


def _misfits(purpose: ChallengePurpose, standing: Standing) -> bool:
    is_software = standing.device_class is DeviceClass.SOFTWARE
    if purpose is ChallengePurpose.ASSERTION:
        return False
    known = standing.known
    lowered = known is not None and _CLASSES.index(standing.device_class) < _CLASSES.index(known.device_class)
    return lowered or is_software is not (purpose is ChallengePurpose.SOFTWARE_SEALED)


def _sentence(verdict: Verdict, reasons: tuple[OwnReason, ...]) -> str:
    if reasons:
        return _SENTENCES[reasons[0]]
    if verdict.findings:
        return verdict.findings[0].detail
    return "the evidence is genuine and satisfies the policy"
