"""AMD SEV-SNP: does this report speak of a virtual machine on a genuine AMD processor, made for this challenge?

The steps, in the order in which their findings are listed:

 1. bounds; report of exactly 1184 bytes, certificates (or the host's table) that can be read (else MALFORMED)
 2. the endorsement key (VCEK or VLEK) was issued by AMD's signing key of a product, up to one of the caller's anchors
 3. the report is signed by that key: ECDSA P-384 with SHA-384, nothing unsigned beside the two numbers
 4. issuers are CAs; every certificate below the root is valid now
 5. the certificate says what the report says: kind of key, product, TCB part by part, chip
 6. the report carries the challenge

REPORT_DATA is 64 bytes which the guest chooses. It must hold the challenge itself, followed by zeros (up to 64 bytes; a
longer challenge as its SHA-512); where a key is to be enrolled, SHA-512(challenge || key), with the key as DER
SubjectPublicKeyInfo.

Only authentic evidence is appraised (attestation.formats.sev_snp_appraisal). Evidence without a report says something
about an endorsement key alone, and nothing about a machine; the policy must allow it.
Sources: AMD publications 56860 (firmware ABI), 57230 (certificates and key distribution), 56421 (GHCB).
"""

import hmac
from hashlib import sha512
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from attestation.case import Case
from attestation.errors import EvidenceError
from attestation.formats.sev_snp_appraisal import appraise
from attestation.formats.sev_snp_chain import KeyChain, check_key_chain, check_validity
from attestation.formats.sev_snp_claims import build_claims
from attestation.formats.sev_snp_evidence import read_parts
from attestation.formats.sev_snp_key import Endorsement, parse_endorsement, root_name
from attestation.formats.sev_snp_report import ECDSA_P384_SHA384, VERSIONS, Report
from attestation.formats.sev_snp_tcb import Tcb
from attestation.model import Expectation, Finding, Judgement
from attestation.reasons import Reason, Unchecked
from attestation.signatures import load_key
from attestation.x509 import COMMON_NAME, Certificate

REPORT_DATA_BYTES: Final = 64


def judge(case: Case) -> Judgement:
    """Authenticate, and appraise what is authentic."""
    parts = read_parts(case.evidence)
    chain = check_key_chain(parts.chain, case.anchors.for_format(case.evidence.format), at=case.at)
    endorsement, unreadable = _endorsement(chain.key)
    report = parts.report
    findings = [*chain.findings]
    if report is not None:
        findings += _check_signature(report, chain.key)
    findings += (*check_validity(chain, at=case.at), *unreadable, *_check_product_line(chain, endorsement))
    if report is not None:
        findings += _check_endorsement(report, endorsement)
        findings += _check_challenge(report, case.expectation)
    claims = build_claims(report, endorsement, anchor=chain.anchor, key_spki=case.expectation.key_spki)
    not_checked = _not_checked(report, case.expectation)
    if findings or endorsement is None:
        return Judgement(tuple(findings), claims, not_checked)
    appraisal = appraise(
        report, endorsement, chain,
        policy=case.policy.amd_sev_snp, collateral=case.collateral.amd,
        anchors=case.anchors.for_format(case.evidence.format), at=case.at,
    )  # fmt: skip
    return Judgement(appraisal.findings, claims, (*not_checked, *appraisal.not_checked))


def report_data_for(expectation: Expectation) -> bytes:
    """The 64 bytes a guest has to put into REPORT_DATA."""
    if expectation.key_spki is not None:
        return sha512(expectation.challenge + expectation.key_spki).digest()
    if len(expectation.challenge) > REPORT_DATA_BYTES:
        return sha512(expectation.challenge).digest()
    return expectation.challenge.ljust(REPORT_DATA_BYTES, b"\0")


def _endorsement(key: Certificate) -> tuple[Endorsement | None, list[Finding]]:
    """An unreadable certificate is a finding in its turn: that nobody trusted signed it is the greater cause."""
    try:
        return parse_endorsement(key), []
    except EvidenceError as error:
        return None, [Finding(error.reason, f"endorsement key: {error.detail}")]


def _check_product_line(chain: KeyChain, endorsement: Endorsement | None) -> list[Finding]:
    """The signing key of a product is issued by the root of that product, where the evidence shows who issued it."""
    if endorsement is None or len(chain.certificates) == 1:
        return []
    root = chain.certificates[1].issuer.get(COMMON_NAME)
    if root == root_name(endorsement.product):
        return []
    detail = f"the signing key of {endorsement.product} was issued by {(root or 'nobody')[:64]!r}"
    return [Finding(Reason.BINDING_MISMATCH, detail)]


def _check_signature(report: Report, key: Certificate) -> list[Finding]:
    """Step 3. The layout of the signature is the same in all versions, so it is checked before the version is."""
    findings: list[Finding] = []
    try:
        _verify(report, key.spki)
    except InvalidSignature:
        findings.append(Finding(Reason.BAD_SIGNATURE, "the report does not verify with the endorsement key"))
    except EvidenceError as error:
        findings.append(Finding(error.reason, f"endorsement key: {error.detail}"))
    if report.signature_algorithm != ECDSA_P384_SHA384:
        detail = f"signature algorithm {report.signature_algorithm} of the report"
        findings.append(Finding(Reason.UNSUPPORTED_ALGORITHM, detail))
    if report.version not in VERSIONS:
        findings.append(Finding(Reason.MALFORMED, f"report version {report.version}"))
    return findings


def _verify(report: Report, spki: bytes) -> None:
    key = load_key(spki)
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        raise EvidenceError("is not a key on P-384", reason=Reason.UNSUPPORTED_ALGORITHM)
    numbers = report.signature_numbers()
    if numbers is None:
        raise InvalidSignature
    key.verify(encode_dss_signature(*numbers), report.signed, ec.ECDSA(hashes.SHA384()))


def _check_endorsement(report: Report, endorsement: Endorsement | None) -> list[Finding]:
    """Step 5. The chip is not compared where the host masks it: that is for the policy."""
    if endorsement is None:
        return []
    findings: list[Finding] = []
    if report.signing_key is not endorsement.kind:
        said = "no known key" if report.signing_key is None else report.signing_key.name
        detail = f"the report says {said} signed it, the certificate is one of a {endorsement.kind.name}"
        findings.append(Finding(Reason.BINDING_MISMATCH, detail))
    if report.cpuid is not None and report.product is not endorsement.product:
        family, model, _ = report.cpuid
        detail = f"processor family {family:#x} model {model:#x}, endorsement key for {endorsement.product}"
        findings.append(Finding(Reason.BINDING_MISMATCH, detail))
    if Tcb.parse(report.reported_tcb, endorsement.product) != endorsement.tcb:
        detail = f"reported TCB {report.reported_tcb.hex()} is not the one the endorsement key was derived for"
        findings.append(Finding(Reason.BINDING_MISMATCH, detail))
    hardware_id = endorsement.hardware_id
    if hardware_id is not None and any(report.chip_id) and report.chip_id != hardware_id.ljust(64, b"\0"):
        findings.append(Finding(Reason.CHIP_ID_MISMATCH, "the endorsement key is that of another chip"))
    return findings


def _check_challenge(report: Report, expectation: Expectation) -> list[Finding]:
    """Step 6, compared in constant time."""
    if hmac.compare_digest(report_data_for(expectation), report.report_data):
        return []
    without_key = report_data_for(Expectation(expectation.challenge))
    if hmac.compare_digest(without_key, report.report_data):
        return [Finding(Reason.KEY_MISMATCH, "the report was made for this challenge, but names no key")]
    return [Finding(Reason.CHALLENGE_MISMATCH, "the report was made for another challenge or key")]


def _not_checked(report: Report | None, expectation: Expectation) -> tuple[Unchecked, ...]:
    if report is None:
        return Unchecked.REPORT, Unchecked.CHALLENGE, Unchecked.KEY_BINDING
    return (Unchecked.KEY_BINDING,) if expectation.key_spki is None else ()
