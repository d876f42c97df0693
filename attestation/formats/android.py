"""Android Key Attestation: is this chain the word of a genuine device, made for this challenge and this key?

The steps, in the order in which their findings are listed:

 1. bounds; every certificate can be read (else the evidence is MALFORMED and nothing more is said)
 2. at least three certificates, root last, each named and signed by the next
 3. the root's public key is one of the caller's anchors
 4. the key description stands in the leaf and in no other certificate, so that no genuine attested key can add a leaf
    of its own making; a true ATTEST_KEY in cert[1] is let through here and left to the policy
 5. every issuer is a CA with a key of decent strength
 6. dates: those of attested keys are written by the device and ignored; factory chains never expire, because their
    keys cannot be renewed; all other chains are held to the dates of their intermediates
 7. the challenge is the one given, and the attested key is the one to enrol
 8. the key was made in secure hardware: level above SOFTWARE, origin GENERATED in hardwareEnforced

Only authentic evidence is appraised (attestation.formats.android_appraisal).
Source: https://developer.android.com/privacy-and-security/security-key-attestation.
"""

import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from attestation.case import Case
from attestation.chain import check_anchor, check_dates, check_issuers, check_links, find_anchor, parse_chain
from attestation.claims import SecurityLevel
from attestation.errors import EvidenceError
from attestation.formats.android_appraisal import appraise
from attestation.formats.android_chain import MIN_CERTIFICATES, AttestKey, find_attest_key, provisioning
from attestation.formats.android_claims import build_claims
from attestation.formats.android_key_description import KEY_DESCRIPTION, KeyDescription, key_description
from attestation.model import CERTIFICATE, Expectation, Finding, Judgement
from attestation.policy import Provisioning
from attestation.reasons import Reason, Unchecked
from attestation.x509 import Certificate

MAX_EVIDENCE_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class AndroidFacts:
    """What was read from the chain, before any judgement."""

    chain: tuple[Certificate, ...]
    description: KeyDescription | None
    description_error: str | None
    attest_key: AttestKey | None

    @property
    def first_issuer(self) -> int:
        """Index of the first certificate that was issued to a CA: behind the leaf, and behind an attest key."""
        return 2 if self.attest_key else 1


def judge(case: Case) -> Judgement:
    """Authenticate, and appraise what is authentic."""
    facts = read(case)
    anchors = case.anchors.for_format(case.evidence.format)
    anchor = find_anchor(facts.chain[-1], anchors)
    claims = build_claims(
        facts.chain, facts.description, attest_key=facts.attest_key, anchor=anchor.name if anchor else None
    )
    findings = [
        *check_links(facts.chain, at_least=MIN_CERTIFICATES),
        *check_anchor(facts.chain, anchors, at=case.at),
        *_check_description(facts),
        *check_issuers(facts.chain, first_issuer=facts.first_issuer),
        *_check_dates(facts, at=case.at),
    ]
    if facts.description is not None:
        findings += _check_binding(facts.chain[0], facts.description, case.expectation)
        findings += _check_hardware(facts.description)
    not_checked = _not_checked(facts, case.expectation)
    if findings or facts.description is None:
        return Judgement(tuple(findings), claims, not_checked)
    appraisal = appraise(
        facts.chain, facts.description, first_issuer=facts.first_issuer,
        policy=case.policy.android, status=case.collateral.android_status, at=case.at,
    )  # fmt: skip
    return Judgement(appraisal.findings, claims, (*not_checked, *appraisal.not_checked))


def read(case: Case) -> AndroidFacts:
    """Parse the evidence within bounds. An unreadable description is a finding, not the end: the chain still counts."""
    if case.evidence.size > MAX_EVIDENCE_BYTES:
        raise EvidenceError(f"evidence of {case.evidence.size} bytes, at most {MAX_EVIDENCE_BYTES}")
    certificates = case.evidence.named(CERTIFICATE)
    if len(certificates) != len(case.evidence.parts):
        raise EvidenceError("evidence has parts that are not certificates")
    chain = parse_chain(certificates)
    try:
        description, problem = key_description(chain[0]), None
    except EvidenceError as error:
        description, problem = None, error.detail
    return AndroidFacts(chain, description, problem, find_attest_key(chain, description))


def _check_description(facts: AndroidFacts) -> list[Finding]:
    """Step 4. Where a leaf without description hangs on a certificate with one, the extension is the cause to name."""
    findings: list[Finding] = []
    for index in range(facts.first_issuer, len(facts.chain)):
        if facts.chain[index].extension(KEY_DESCRIPTION) is not None:
            detail = f"certificate {index} is itself an attested key, so anything it signed proves nothing"
            findings.append(Finding(Reason.CHAIN_EXTENDED, detail))
    if facts.description_error is not None:
        findings.append(Finding(Reason.MALFORMED, f"key description: {facts.description_error}"))
    elif facts.description is None:
        findings.append(Finding(Reason.MISSING_EXTENSION, "the leaf has no key description"))
    return findings


def _check_dates(facts: AndroidFacts, *, at: datetime) -> tuple[Finding, ...]:
    """Step 6. The root is matched by key, and its period stands with the anchor."""
    if provisioning(facts.chain) is Provisioning.FACTORY:
        return ()
    return check_dates(facts.chain, first=facts.first_issuer, last=len(facts.chain) - 1, at=at)


def _check_binding(leaf: Certificate, description: KeyDescription, expectation: Expectation) -> list[Finding]:
    """Step 7, compared in constant time."""
    findings: list[Finding] = []
    if not expectation.challenge_matches(description.challenge):
        findings.append(Finding(Reason.CHALLENGE_MISMATCH, "the evidence was made for another challenge"))
    if expectation.key_spki is not None and not hmac.compare_digest(expectation.key_spki, leaf.spki):
        findings.append(Finding(Reason.KEY_MISMATCH, "the attested key is not the key to enrol"))
    return findings


def _check_hardware(description: KeyDescription) -> list[Finding]:
    """Step 8. The attest key above such a key was checked when it was found."""
    findings: list[Finding] = []
    if SecurityLevel.SOFTWARE in (description.attestation_level, description.keymint_level):
        detail = f"attestation level {description.attestation_level}, key level {description.keymint_level}"
        findings.append(Finding(Reason.SOFTWARE_LEVEL, detail))
    if description.hardware.origin != "GENERATED":
        detail = f"hardwareEnforced origin is {description.hardware.origin or 'absent'}"
        findings.append(Finding(Reason.KEY_NOT_GENERATED, detail))
    return findings


def _not_checked(facts: AndroidFacts, expectation: Expectation) -> tuple[Unchecked, ...]:
    unchecked = [Unchecked.LEAF_DATES]
    if expectation.key_spki is None:
        unchecked.append(Unchecked.KEY_BINDING)
    if provisioning(facts.chain) is Provisioning.FACTORY:
        unchecked.append(Unchecked.ISSUER_EXPIRY)
    return tuple(unchecked)
