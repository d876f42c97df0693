"""Arm PSA tokens: did a device whose key its maker endorsed make this token for this challenge?

The steps, in the order in which their findings are listed:

 1. bounds; one COSE_Sign1 message with a map of claims (else MALFORMED). COSE_Mac0 is refused
 2. the trust anchor store has a key of the instance that the token names
 3. that key signed the token
 4. the claims are those of a PSA profile, each of a type and size it may have
 5. the device is of the implementation that its key was endorsed for
 6. the nonce is the challenge, or the hash of challenge || key (attestation.nonce)

Only authentic evidence is appraised: lifecycle, implementation, software components. The nonce of a PSA token has 32,
48 or 64 bytes: give a challenge of that size, or a key to bind.

Sources: RFC 9783; draft-tschofenig-rats-psa-token-07 for PSA_IOT_PROFILE_1.
"""

from dataclasses import replace
from typing import Final

from attestation.case import Case
from attestation.claims import Claims, SecurityLevel
from attestation.errors import EvidenceError
from attestation.formats.arm_appraisal import appraise_device, not_checked
from attestation.formats.arm_claims import parse_psa_claims
from attestation.formats.arm_token import check_device, check_implementation, device_claims, open_token
from attestation.model import Evidence, Finding, Format, Judgement, Part
from attestation.nonce import check_nonce
from attestation.public_key import describe_key

TOKEN: Final = "token"  # noqa: S105 - the name of a part
MAX_EVIDENCE_BYTES: Final = 16 * 1024


def evidence(token: bytes) -> Evidence:
    """The token as the device's attestation API gave it."""
    return Evidence(Format.ARM_PSA, (Part(TOKEN, token),))


def judge(case: Case) -> Judgement:
    """Authenticate, and appraise what is authentic."""
    message = open_token(token_of(case.evidence))
    endorsements, policy = case.collateral.arm, case.policy.arm
    findings = check_device(message, endorsements)
    try:
        token = parse_psa_claims(message.payload)
    except EvidenceError as error:  # the graver cause first: claims that nobody signed may say anything
        return Judgement((*findings, Finding(error.reason, error.detail)), Claims())
    binding = check_nonce(token.nonce, case.expectation)
    claims = device_claims(token, SecurityLevel.TEE, nonce=token.nonce)
    if case.expectation.key_spki is not None and not binding:
        claims = replace(claims, key=describe_key(case.expectation.key_spki))
    findings += [*check_implementation(token, endorsements), *binding]
    if not findings:
        findings = list(appraise_device(token, policy))
    unchecked = not_checked(key_given=case.expectation.key_spki is not None, references=bool(policy.software))
    return Judgement(tuple(findings), claims, unchecked)


def token_of(found: Evidence) -> bytes:
    """The only part, within bounds."""
    tokens = found.named(TOKEN)
    if len(tokens) != 1 or len(found.parts) != 1:
        raise EvidenceError("evidence is not one token")
    if found.size > MAX_EVIDENCE_BYTES:
        raise EvidenceError(f"evidence of {found.size} bytes, at most {MAX_EVIDENCE_BYTES}")
    return tokens[0]
