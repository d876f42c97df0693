"""NVIDIA GPUs in confidential mode (SPDM measurements): did a genuine GPU sign these for this challenge?

The steps, in the order in which their findings are listed:

 1. bounds; report and certificates can be read, no byte is left over (else MALFORMED). One NUL behind the report, which
    NVIDIA's own tools write, is taken off
 2. the chain: firmware, chip, NVIDIA's CAs, each named, signed and allowed by the next; the root's key, or the key that
    signed the last certificate, is one of the caller's anchors; all are valid
 3. the key of the first certificate signed request and response (ECDSA P-384, SHA-384)
 4. the firmware in the report is the one that the certificate was made for
 5. the nonce of the request is the challenge (32 bytes), or SHA-256(challenge || key)

Only authentic evidence is appraised: revocation by NVIDIA's CRLs, product, versions, measurements. NVIDIA publishes
good measurements as signed RIMs of driver and VBIOS; give their values in the policy, or the verdict says that it did
not compare any. Reading RIM files and asking OCSP is not done here.

Sources: DMTF DSP0274 (SPDM 1.1); NVIDIA nvtrust, guest attestation.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from attestation.case import Case
from attestation.chain import parse_chain
from attestation.claims import Claims, DeviceIdentity, Freshness, Measurement, SecurityLevel, VendorValue
from attestation.errors import EvidenceError
from attestation.formats.nvidia_certificate import device_name, firmware_ids
from attestation.formats.nvidia_revocation import can_check_revocation, check_revocation
from attestation.formats.nvidia_spdm import MAX_REPORT_BYTES, GpuReport, OpaqueField, parse_report
from attestation.model import CERTIFICATE, Evidence, Expectation, Finding, Format, Judgement, Part
from attestation.nonce import check_nonce
from attestation.policy_nvidia import NvidiaPolicy
from attestation.public_key import describe_key
from attestation.reasons import Reason, Unchecked
from attestation.signatures import load_key
from attestation.trust_path import TrustPath, find_path
from attestation.x509 import Certificate

REPORT: Final = "report"
MAX_EVIDENCE_BYTES: Final = MAX_REPORT_BYTES + 32 * 1024
MIN_CERTIFICATES: Final = 2


@dataclass(frozen=True, slots=True)
class GpuFacts:
    """What was read, before any judgement. `firmware` are the digests in the first certificate."""

    report: GpuReport
    chain: tuple[Certificate, ...]
    firmware: tuple[bytes, ...]
    device: tuple[str, str, str] | None


def evidence(report: bytes, certificates: tuple[bytes, ...]) -> Evidence:
    """Request and response in one buffer, and the chain of the GPU, DER, the firmware's certificate first."""
    chain = (Part(CERTIFICATE, bytes(der)) for der in certificates)
    return Evidence(Format.NVIDIA_GPU, (Part(REPORT, report), *chain))


def judge(case: Case) -> Judgement:
    """Authenticate, and appraise what is authentic."""
    facts = read(case.evidence)
    path = find_path(facts.chain, case.anchors.for_format(case.evidence.format), at=case.at)
    binding = check_nonce(facts.report.nonce, case.expectation)
    findings = [*path.findings, *path.dates, *_check_report(facts), *binding]
    claims = _claims(facts, path, None if binding else case.expectation)
    policy = case.policy.nvidia
    if not findings:
        findings = [*check_revocation(facts.chain, case), *_appraise(facts, policy)]
    return Judgement(tuple(findings), claims, tuple(_not_checked(facts, case)))


def read(found: Evidence) -> GpuFacts:
    """Parse within bounds; EvidenceError (MALFORMED, or INCOMPLETE_CHAIN for one certificate alone)."""
    reports, certificates = found.named(REPORT), found.named(CERTIFICATE)
    if len(reports) != 1 or len(reports) + len(certificates) != len(found.parts):
        raise EvidenceError("evidence is not one report and certificates")
    if found.size > MAX_EVIDENCE_BYTES:
        raise EvidenceError(f"evidence of {found.size} bytes, at most {MAX_EVIDENCE_BYTES}")
    chain = parse_chain(certificates)
    if len(chain) < MIN_CERTIFICATES:
        raise EvidenceError("one certificate alone", reason=Reason.INCOMPLETE_CHAIN)
    return GpuFacts(_parse_padded(reports[0]), chain, firmware_ids(chain[0]), device_name(chain[0]))


def _parse_padded(data: bytes) -> GpuReport:
    try:
        return parse_report(data)
    except EvidenceError:
        if not data.endswith(b"\0"):
            raise
        return parse_report(data[:-1])


def _check_report(facts: GpuFacts) -> Iterator[Finding]:
    """Steps 3 and 4. A CA signs certificates, and never a report."""
    if facts.chain[0].basic_constraints().ca:
        yield Finding(Reason.CERTIFICATE_PROFILE, "the first certificate is that of a CA")
    try:
        _verify(facts.report, facts.chain[0].spki)
    except EvidenceError as error:
        yield Finding(error.reason, error.detail)
    running = facts.report.fields.get(OpaqueField.FIRMWARE_ID)
    if facts.firmware and running is not None and running not in facts.firmware:
        yield Finding(Reason.BINDING_MISMATCH, "the report is of another firmware than the certificate")


def _verify(report: GpuReport, spki: bytes) -> None:
    key = load_key(spki)
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        raise EvidenceError("the GPU's key is not on P-384", reason=Reason.UNSUPPORTED_ALGORITHM)
    half = len(report.signature) // 2
    r, s = int.from_bytes(report.signature[:half]), int.from_bytes(report.signature[half:])
    try:
        key.verify(encode_dss_signature(r, s), report.signed, ec.ECDSA(hashes.SHA384()))
    except InvalidSignature as error:
        raise EvidenceError("the report's signature does not verify", reason=Reason.BAD_SIGNATURE) from error


def _appraise(facts: GpuFacts, policy: NvidiaPolicy) -> Iterator[Finding]:
    product = facts.device[1] if facts.device else None
    if policy.products and product not in policy.products:
        yield Finding(Reason.PRODUCT_NOT_ALLOWED, f"product {product}")
    driver = facts.report.field_text(OpaqueField.DRIVER_VERSION)
    if policy.min_driver_version is not None and _numbers(driver) < policy.min_driver_version:
        yield Finding(Reason.TCB_TOO_OLD, f"driver {driver}")
    if policy.min_vbios_version is not None and facts.report.vbios_version < policy.min_vbios_version:
        yield Finding(Reason.TCB_TOO_OLD, f"VBIOS {_vbios_text(facts.report)}")
    for expected in policy.measurements:
        found = facts.report.measurements.get(expected.index)
        if found is None:
            yield Finding(Reason.MEASUREMENT_MISSING, f"the report has no measurement {expected.index}")
        elif found not in expected.digests:
            yield Finding(Reason.MEASUREMENT_MISMATCH, f"measurement {expected.index} is {found.hex()}")


def _numbers(version: str | None) -> tuple[int, ...]:
    """Parts of a version up to the first that is no number; nothing is below every floor."""
    numbers: list[int] = []
    for part in (version or "").split("."):
        if not (part.isascii() and part.isdigit() and len(part) < 10):
            break
        numbers.append(int(part))
    return tuple(numbers)


def _vbios_text(report: GpuReport) -> str | None:
    return ".".join(f"{part:02x}" for part in report.vbios_version) or None


def _claims(facts: GpuFacts, path: TrustPath, bound: Expectation | None) -> Claims:
    report, (maker, product, serial) = facts.report, facts.device or (None, None, None)
    vendor: dict[str, VendorValue] = {
        "driver_version": report.field_text(OpaqueField.DRIVER_VERSION),
        "vbios_version": _vbios_text(report),
        "chip_sku": report.field_text(OpaqueField.CHIP_SKU),
        "project": report.field_text(OpaqueField.PROJECT),
        "project_sku": report.field_text(OpaqueField.PROJECT_SKU),
        "board_id": report.fields.get(OpaqueField.BOARD_ID, b"").hex() or None,
        "firmware_id": facts.firmware[0].hex() if facts.firmware else None,
    }
    claims = Claims(
        device=DeviceIdentity(manufacturer=maker, product=product, serial=serial),
        security_level=SecurityLevel.ENCLAVE,
        measurements=tuple(Measurement(f"{index}", digest) for index, digest in sorted(report.measurements.items())),
        freshness=Freshness(report.nonce),
        anchor=path.anchor.name if path.anchor else None,
        certificate_serials=tuple(certificate.serial for certificate in facts.chain),
        vendor=tuple(sorted((name, value) for name, value in vendor.items() if value is not None)),
    )
    bound_key = bound.key_spki if bound else None
    return claims if bound_key is None else replace(claims, key=describe_key(bound_key))


def _not_checked(facts: GpuFacts, case: Case) -> Iterator[Unchecked]:
    if case.expectation.key_spki is None:
        yield Unchecked.KEY_BINDING
    if not can_check_revocation(facts.chain, case.collateral.nvidia):
        yield Unchecked.REVOCATION
    if not case.policy.nvidia.measurements:
        yield Unchecked.RIM
