"""WebAuthn statements that sign with a certified key: packed (8.2) and fido-u2f (8.6), and packed self attestation."""

from collections.abc import Iterator

from attestation import cose_key as cose
from attestation.errors import EvidenceError
from attestation.formats.webauthn_registration import Registration
from attestation.formats.webauthn_signature import check_statement_signature
from attestation.formats.webauthn_statement import (
    Ceremony,
    Outcome,
    algorithm_of,
    chain_of,
    check_aaguid,
    check_not_ca,
    finding_of,
    octets_of,
)
from attestation.model import Finding
from attestation.public_key import describe_key
from attestation.reasons import Reason
from attestation.trust_path import find_path
from attestation.x509 import COMMON_NAME, ORGANIZATION, Certificate

COUNTRY = "2.5.4.6"
ORGANIZATIONAL_UNIT = "2.5.4.11"
ATTESTATION_UNIT = "Authenticator Attestation"

_COORDINATES = 64  # octets of a P-256 point without its leading 04


def judge_packed(registration: Registration, ceremony: Ceremony) -> Outcome:
    """Signature by the certificate's key, or by the credential's own where there are no certificates at all."""
    statement = registration.statement
    algorithm, signature = algorithm_of(statement), octets_of(statement, "sig")
    if "x5c" not in statement:
        return _judge_self(registration, ceremony, algorithm, signature)
    chain = chain_of(statement)
    path = find_path(chain, ceremony.anchors("packed"), at=ceremony.case.at, leaf_may_be_anchor=True)
    findings = (
        *path.findings,
        *_check_signature(algorithm, signature, spki=chain[0].spki, message=registration.signed),
        *check_aaguid(chain[0], registration.credential.aaguid),
        *_check_profile(chain[0]),
    )
    return Outcome(findings, path.dates, chain=chain, anchor=path.anchor)


def _judge_self(registration: Registration, ceremony: Ceremony, algorithm: int, signature: bytes) -> Outcome:
    """Proof of possession and nothing more: nobody vouches for the authenticator."""
    findings = list(_check_signature(algorithm, signature, spki=registration.key.spki, message=registration.signed))
    if algorithm != registration.key.algorithm:
        findings.append(Finding(Reason.BAD_BINDING, "self attestation names another algorithm than its key"))
    detail = "the statement is signed by the new key itself"
    allowed = ceremony.case.policy.webauthn.allow_self_attestation
    return Outcome(tuple(findings), appraisal=() if allowed else (Finding(Reason.SELF_ATTESTATION, detail),))


def _check_signature(algorithm: int, signature: bytes, *, spki: bytes, message: bytes) -> Iterator[Finding]:
    try:
        check_statement_signature(algorithm, spki=spki, signature=signature, message=message)
    except EvidenceError as error:
        yield finding_of(error)


def _check_profile(leaf: Certificate) -> Iterator[Finding]:
    """Section 8.2.1. The unit keeps keys of other kinds out that a trusted CA may have certified too."""
    if leaf.subject.get(ORGANIZATIONAL_UNIT) != ATTESTATION_UNIT:
        detail = f'the certificate is not of the unit "{ATTESTATION_UNIT}"'
        yield Finding(Reason.CERTIFICATE_PROFILE, detail)
    if not all(leaf.subject.get(kind) for kind in (COUNTRY, ORGANIZATION, COMMON_NAME)):
        yield Finding(Reason.CERTIFICATE_PROFILE, "the certificate names no country, vendor or model")
    yield from check_not_ca(leaf)


def judge_u2f(registration: Registration, ceremony: Ceremony) -> Outcome:
    """U2F signs a message of its own, and knows P-256 only; one certificate."""
    chain = chain_of(registration.statement)
    if len(chain) != 1:
        raise EvidenceError(f"a U2F statement has one certificate, not {len(chain)}")
    path = find_path(chain, ceremony.anchors("fido-u2f"), at=ceremony.case.at, leaf_may_be_anchor=True)
    if describe_key(chain[0].spki).curve != "P-256" or registration.key.algorithm != cose.ES256:
        unsupported = Finding(Reason.UNSUPPORTED_ALGORITHM, "U2F keys are on P-256")
        return Outcome((*path.findings, unsupported), path.dates, chain=chain, anchor=path.anchor)
    data, credential = registration.data, registration.credential
    point = registration.key.spki[-_COORDINATES:]
    message = b"".join(
        (b"\x00", data.rp_id_hash, registration.client_data.hash, credential.credential_id, b"\x04", point)
    )
    signature = octets_of(registration.statement, "sig")
    findings_of_signature = _check_signature(cose.ES256, signature, spki=chain[0].spki, message=message)
    findings = (*path.findings, *findings_of_signature, *check_not_ca(chain[0]))
    return Outcome(findings, path.dates, chain=chain, anchor=path.anchor)
