"""An App Attest assertion on its own: a later sign of life of a key whose attestation was verified before.

The caller brings what it stored at enrolment: `Expectation.key_spki`, the attested key; `Expectation.last_counter`, the
counter of the last accepted assertion (0 after enrolment). `Expectation.challenge` is the client data that the app
hashed for `generateAssertion`, byte by byte. The verdict's `claims.counter` is to be stored in the same transaction
that accepts the assertion; otherwise two copies of one assertion both pass.

The steps, in the order in which their findings are listed:

 1. bounds; the assertion can be read
 2. the signature is made by the stored key over SHA-256(authenticator data || SHA-256(client data))
 3. the counter is greater than the last one

Appraisal of what is authentic: the app is the relying party's.
Source: https://developer.apple.com/documentation/devicecheck/validating-apps-that-connect-to-your-server.
"""

from attestation.case import Case
from attestation.errors import EvidenceError
from attestation.formats.apple_app_attest import appraise_app
from attestation.formats.apple_assertion import check_assertion, key_id_of, parse_assertion
from attestation.formats.apple_claims import assertion_claims
from attestation.model import Evidence, Format, Judgement, Part
from attestation.reasons import Reason, Unchecked

ASSERTION = "assertion"


def evidence(assertion: bytes) -> Evidence:
    """The CBOR object that `generateAssertion` gave."""
    return Evidence(Format.APPLE_APP_ASSERTION, (Part(ASSERTION, assertion),))


def judge(case: Case) -> Judgement:
    """Authenticate, and appraise what is authentic."""
    if [part.name for part in case.evidence.parts] != [ASSERTION]:
        raise EvidenceError("evidence is not one assertion")
    expectation = case.expectation
    assertion = parse_assertion(case.evidence.parts[0].data, expectation.challenge)
    if expectation.key_spki is None:
        raise EvidenceError("the caller named no attested key to verify with", reason=Reason.KEY_MISMATCH)
    findings = tuple(
        check_assertion(assertion, spki=expectation.key_spki, rp_id_hash=None, last_counter=expectation.last_counter)
    )
    if not findings:
        findings = tuple(appraise_app(assertion.data.rp_id_hash, case.policy.apple))
    unchecked: list[Unchecked] = []
    if expectation.last_counter is None:
        unchecked.append(Unchecked.COUNTER)
    if not case.policy.apple.app_ids:
        unchecked.append(Unchecked.APP_IDENTITY)
    claims = assertion_claims(assertion, spki=expectation.key_spki, key_id=_key_id(expectation.key_spki))
    return Judgement(findings, claims, tuple(unchecked))


def _key_id(spki: bytes) -> bytes | None:
    try:
        return key_id_of(spki)
    except EvidenceError:
        return None  # said as a finding: no signature verifies with such a key
