"""WebAuthn statement "android-key" (8.4): an Android Key Attestation whose challenge is the hash of the client data.

All rules of attestation.formats.android hold, with the policy and the status list for Android; the specification of
WebAuthn asks for less. Keys that live in software are refused, unless the policy for WebAuthn allows them.
"""

import hmac
from collections.abc import Iterator
from dataclasses import replace

from attestation.case import Case
from attestation.claims import SecurityLevel
from attestation.errors import EvidenceError
from attestation.formats import android
from attestation.formats.android_key_description import KeyDescription, key_description
from attestation.formats.webauthn_registration import Registration
from attestation.formats.webauthn_signature import check_statement_signature
from attestation.formats.webauthn_statement import Ceremony, Outcome, algorithm_of, chain_of, finding_of, octets_of
from attestation.model import Anchors, Evidence, Expectation, Finding, Format, Judgement
from attestation.reasons import Reason
from attestation.trust_path import TrustPath, find_path
from attestation.x509 import Certificate


def judge_android_key(registration: Registration, ceremony: Ceremony) -> Outcome:
    """Path and signature as for all statements, then the Android judge over the same chain."""
    chain = chain_of(registration.statement)
    path = find_path(chain, ceremony.anchors("android-key"), at=ceremony.case.at)
    statement_findings = tuple(_check_statement(registration, chain[0]))
    description = _description(chain[0])
    in_software = description is not None and description.keymint_level is SecurityLevel.SOFTWARE
    if in_software and ceremony.case.policy.webauthn.allow_software_android_keys:
        assert description is not None
        findings = (*path.findings, *statement_findings, *_check_software_key(description, registration))
        return Outcome(findings, path.dates, chain=chain, anchor=path.anchor, level=SecurityLevel.SOFTWARE)
    judgement = android.judge(_inner_case(registration, chain, ceremony))
    return _merge(judgement, path, statement_findings, chain)


def _inner_case(registration: Registration, chain: tuple[Certificate, ...], ceremony: Ceremony) -> Case:
    """The Android judge's case: the client data's hash is the challenge, the credential's key the one to enrol."""
    anchors = (replace(anchor, formats=frozenset({Format.ANDROID_KEY})) for anchor in ceremony.anchors("android-key"))
    return replace(
        ceremony.case,
        evidence=Evidence.android(certificate.der for certificate in chain),
        expectation=Expectation(registration.client_data.hash, key_spki=registration.key.spki),
        anchors=Anchors(tuple(anchors)),
    )


def _merge(
    judgement: Judgement, path: TrustPath, statement_findings: tuple[Finding, ...], chain: tuple[Certificate, ...]
) -> Outcome:
    """Findings of the path come first and once: the Android judge sees the same chain, and asks for its root too."""
    findings = [*path.findings, *statement_findings]
    known = {finding.reason for finding in findings}
    incomplete = [finding for finding in judgement.findings if finding.reason is Reason.INCOMPLETE_CHAIN]
    rest = [item for item in judgement.findings if item not in incomplete and item.reason not in known]
    findings += [item for item in rest if item.reason.breaks_authenticity and item.reason is not Reason.EXPIRED]
    if not findings:
        findings += incomplete  # Android phones send their root; without it nothing was appraised
    return Outcome(
        tuple(findings),
        dates=tuple(item for item in rest if item.reason is Reason.EXPIRED),
        appraisal=tuple(item for item in rest if not item.reason.breaks_authenticity),
        chain=chain,
        anchor=path.anchor,
        level=judgement.claims.security_level,
        inner=judgement.claims,
        not_checked=judgement.not_checked,
    )


def _check_statement(registration: Registration, leaf: Certificate) -> Iterator[Finding]:
    try:
        check_statement_signature(
            algorithm_of(registration.statement),
            spki=leaf.spki,
            signature=octets_of(registration.statement, "sig"),
            message=registration.signed,
        )
    except EvidenceError as error:
        yield finding_of(error)
    if not hmac.compare_digest(leaf.spki, registration.key.spki):
        yield Finding(Reason.BAD_BINDING, "the certificate is for another key than the credential")
    description = _description(leaf)
    if description is not None:
        lists = (description.software, description.hardware)
        if any(item.get("allApplications") is not None for item in lists):
            yield Finding(Reason.BAD_BINDING, "the key may be used by all apps, so it is not one of this relying party")


def _description(leaf: Certificate) -> KeyDescription | None:
    """None for an unreadable one as well: the Android judge says what is wrong with it."""
    try:
        return key_description(leaf)
    except EvidenceError:
        return None


def _check_software_key(description: KeyDescription, registration: Registration) -> Iterator[Finding]:
    """Section 8.4 for a key in software: challenge; origin and purpose from either list. Lists may be silent about
    them, as in the W3C's own test vector; nothing stands behind what they say anyway.
    """
    if not hmac.compare_digest(description.challenge, registration.client_data.hash):
        yield Finding(Reason.CHALLENGE_MISMATCH, "the key was attested for another registration")
    lists = (description.hardware, description.software)
    if not {item.origin for item in lists} <= {"GENERATED", None}:
        yield Finding(Reason.KEY_NOT_GENERATED, "the key was not generated where it is")
    purposes = {purpose for item in lists for purpose in item.purposes}
    if purposes and "SIGN" not in purposes:
        yield Finding(Reason.BAD_BINDING, "the key is for other purposes than signing")
