"""Arm CCA: did an endorsed platform vouch for the key with which this realm signed this challenge?

The steps, in the order in which their findings are listed:

 1. bounds; a collection of one platform token and one realm token, both COSE_Sign1 (else MALFORMED)
 2. the trust anchor store has a key (CPAK) of the instance that the platform token names, and that key signed it
 3. the claims of the platform are those of a CCA profile; it is of the implementation its key was endorsed for
 4. the platform's nonce is the hash of the realm's key (RAK): otherwise tokens of two devices could be mixed
 5. the RAK signed the realm token
 6. the claims of the realm can be read
 7. the realm's challenge (64 bytes) is the challenge, filled up with zeros, or SHA-512(challenge || key)

Only authentic evidence is appraised: lifecycle, implementation, software and configuration of the platform,
measurements of the realm.

Sources: Arm DEN0137 (RMM specification 1.0), A7.2; draft-ffm-rats-cca-token.
"""

import hmac
from dataclasses import replace
from typing import Final

from attestation.case import Case
from attestation.claims import Claims, Freshness, Measurement, SecurityLevel
from attestation.cose_sign1 import CoseSign1
from attestation.errors import EvidenceError
from attestation.formats.arm_appraisal import appraise_device, appraise_realm, not_checked
from attestation.formats.arm_claims import DeviceClaims, parse_platform_claims
from attestation.formats.arm_psa import TOKEN, token_of
from attestation.formats.arm_realm import (
    RealmClaims,
    RealmKey,
    parse_realm_claims,
    parse_realm_key,
    split_collection,
)
from attestation.formats.arm_token import ALGORITHMS, check_device, check_implementation, device_claims, open_token
from attestation.model import Evidence, Finding, Format, Judgement, Part
from attestation.nonce import check_nonce
from attestation.public_key import describe_key
from attestation.reasons import Reason

__all__ = ["TOKEN", "evidence", "judge"]

_NO_CLAIMS: Final = Claims()


def evidence(token: bytes) -> Evidence:
    """The token as the realm got it from the RMM: the whole collection."""
    return Evidence(Format.ARM_CCA, (Part(TOKEN, token),))


def judge(case: Case) -> Judgement:
    """Authenticate, and appraise what is authentic."""
    platform_message, realm_message = map(open_token, split_collection(token_of(case.evidence)))
    findings = check_device(platform_message, case.collateral.arm)
    try:
        platform = parse_platform_claims(platform_message.payload)
        realm_key = parse_realm_key(realm_message.payload)
    except EvidenceError as error:
        return Judgement((*findings, Finding(error.reason, error.detail)), _NO_CLAIMS)
    findings += check_implementation(platform, case.collateral.arm)
    findings += _check_realm_key(platform, realm_key, realm_message)
    try:
        realm = parse_realm_claims(realm_message.payload)
    except EvidenceError as error:
        return Judgement((*findings, Finding(error.reason, error.detail)), _NO_CLAIMS)
    return _judge_claims(case, platform, realm, findings)


def _check_realm_key(platform: DeviceClaims, key: RealmKey, message: CoseSign1) -> list[Finding]:
    """Steps 4 and 5."""
    findings: list[Finding] = []
    if not hmac.compare_digest(platform.nonce, key.digest):
        findings.append(Finding(Reason.BINDING_MISMATCH, "the platform does not vouch for the key of this realm"))
    try:
        message.verify(key.spki, algorithms=ALGORITHMS)
    except EvidenceError as error:
        findings.append(Finding(error.reason, f"realm token: {error.detail}"))
    return findings


def _judge_claims(case: Case, platform: DeviceClaims, realm: RealmClaims, before: list[Finding]) -> Judgement:
    policy, key = case.policy.arm, case.expectation.key_spki
    binding = check_nonce(realm.challenge, case.expectation, padded=True)
    findings = [*before, *binding]
    claims = _claims(platform, realm)
    if key is not None and not binding:
        claims = replace(claims, key=describe_key(key))
    if not findings:
        findings = [*appraise_device(platform, policy), *appraise_realm(realm, policy)]
    unchecked = not_checked(key_given=key is not None, references=bool(policy.software and policy.realms))
    return Judgement(tuple(findings), claims, unchecked)


def _claims(platform: DeviceClaims, realm: RealmClaims) -> Claims:
    claims = device_claims(platform, SecurityLevel.ENCLAVE, nonce=realm.challenge)
    registers = (Measurement(f"REM{index}", value) for index, value in enumerate(realm.extensible))
    vendor = {
        "platform_nonce": platform.nonce.hex(),
        "realm_hash": realm.hash_algorithm,
        "realm_personalization": realm.personalization.hex(),
    }
    return replace(
        claims,
        measurements=(*claims.measurements, Measurement("RIM", realm.initial), *registers),
        freshness=Freshness(realm.challenge),
        vendor=tuple(sorted((*claims.vendor, *vendor.items()))),
    )
