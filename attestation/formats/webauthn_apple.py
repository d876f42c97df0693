"""WebAuthn statement "apple" (8.8): Apple certifies the credential's own key, with a nonce over this registration."""

import hmac
from hashlib import sha256

from attestation.claims import SecurityLevel
from attestation.errors import EvidenceError
from attestation.formats.apple_certificate import certified_nonce
from attestation.formats.webauthn_registration import Registration
from attestation.formats.webauthn_statement import Ceremony, Outcome, chain_of, check_aaguid, check_not_ca, finding_of
from attestation.model import Finding
from attestation.reasons import Reason
from attestation.trust_path import find_path


def judge_apple(registration: Registration, ceremony: Ceremony) -> Outcome:
    """Nonce, then key: nothing is signed by the key itself, so both must stand in the certificate."""
    chain = chain_of(registration.statement)
    path = find_path(chain, ceremony.anchors("apple"), at=ceremony.case.at)
    findings = list(path.findings)
    try:
        nonce = certified_nonce(chain[0])
        if not hmac.compare_digest(nonce, sha256(registration.signed).digest()):
            findings.append(Finding(Reason.NONCE_MISMATCH, "the certificate was made for another registration"))
    except EvidenceError as error:
        findings.append(finding_of(error))
    if not hmac.compare_digest(chain[0].spki, registration.key.spki):
        findings.append(Finding(Reason.BAD_BINDING, "the certificate is for another key than the credential"))
    findings += check_aaguid(chain[0], registration.credential.aaguid)
    findings += check_not_ca(chain[0])
    return Outcome(tuple(findings), path.dates, chain=chain, anchor=path.anchor, level=SecurityLevel.SECURE_ENCLAVE)
