"""WebAuthn registration: is this credential's key in a genuine authenticator, made for this challenge?

`Expectation.challenge` is the challenge given to `navigator.credentials.create`, byte by byte; relying party ids and
origins are the policy's. Statements of kind packed (with and without certificates), tpm, android-key, apple and
fido-u2f are verified; "none" proves nothing and is refused.

The steps, in the order in which their findings are listed:

 1. bounds; attestation object, authenticator data, credential key and client data can be read (else MALFORMED, or
    UNSUPPORTED_ALGORITHM for the key, and nothing more)
 2. the client data is that of a registration, with the challenge given
 3. FIDO metadata, where it was passed in, is signed by FIDO
 4. the statement: its certificates up to an anchor for this kind of statement (or, for packed and fido-u2f, a root that
    FIDO metadata names for this model), its signature or nonce, its binding to this credential and client data, the
    profile of its certificate
 5. the credential's key is the one to enrol
 6. the certificates are valid at this time

Appraisal of what is authentic: relying party and origin; user present (and verified, on demand); what kinds and models
the policy accepts; reports of compromise in FIDO metadata; for android-key all that the Android policy asks.
Source: https://www.w3.org/TR/webauthn-3/, 7.1 and 8.
"""

import hmac
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Final

from attestation.authenticator_data import Flag
from attestation.case import Case
from attestation.errors import EvidenceError
from attestation.formats.webauthn_android import judge_android_key
from attestation.formats.webauthn_apple import judge_apple
from attestation.formats.webauthn_claims import build_claims
from attestation.formats.webauthn_metadata import Lookup, appraise_metadata, look_up, not_checked
from attestation.formats.webauthn_packed import judge_packed, judge_u2f
from attestation.formats.webauthn_registration import Registration, evidence, read
from attestation.formats.webauthn_statement import Ceremony, Outcome, finding_of
from attestation.formats.webauthn_tpm import judge_tpm
from attestation.model import Expectation, Finding, Judgement
from attestation.policy_webauthn import WebAuthnPolicy
from attestation.reasons import Reason, Unchecked

__all__ = ["evidence", "judge"]

CREATE: Final = "webauthn.create"
_WITH_METADATA: Final = frozenset({"packed", "fido-u2f"})


def _judge_none(registration: Registration, _: Ceremony) -> Outcome:
    if registration.statement:
        raise EvidenceError("a statement of kind none has fields")
    return Outcome((Finding(Reason.NO_ATTESTATION, "the statement proves nothing"),))


STATEMENTS: Final[dict[str, Callable[[Registration, Ceremony], Outcome]]] = {
    "android-key": judge_android_key,
    "apple": judge_apple,
    "fido-u2f": judge_u2f,
    "none": _judge_none,
    "packed": judge_packed,
    "tpm": judge_tpm,
}


def judge(case: Case) -> Judgement:
    """Authenticate, and appraise what is authentic."""
    registration, policy = read(case.evidence), case.policy.webauthn
    lookup = look_up(case, registration)
    outcome = _judge_statement(registration, case, lookup)
    findings = [
        *_check_client_data(registration, case.expectation),
        *lookup.broken,
        *outcome.findings,
        *_check_key(registration, case.expectation),
        *outcome.dates,
    ]
    if not findings:
        findings += _appraise(registration, policy)
        findings += outcome.appraisal
        findings += appraise_metadata(lookup, policy, at=case.at)
    claims = build_claims(registration, outcome, lookup.entry)
    return Judgement(tuple(findings), claims, _not_checked(case, outcome, lookup))


def _judge_statement(registration: Registration, case: Case, lookup: Lookup) -> Outcome:
    """An unreadable statement is a finding, not the end: what is wrong with the client data is told as well."""
    judge_kind = STATEMENTS.get(registration.format)
    if judge_kind is None:
        detail = f"statements of kind {registration.format[:32]!r} are not supported"
        return Outcome((Finding(Reason.WRONG_TYPE, detail),))
    anchors = lookup.anchors if registration.format in _WITH_METADATA else ()
    try:
        return judge_kind(registration, Ceremony(case, anchors))
    except EvidenceError as error:
        return Outcome((finding_of(error),))


def _check_client_data(registration: Registration, expectation: Expectation) -> Iterator[Finding]:
    client_data = registration.client_data
    if client_data.type != CREATE:
        yield Finding(Reason.WRONG_TYPE, f"the client data is of type {client_data.type[:32]!r}")
    if not expectation.challenge_matches(client_data.challenge):
        yield Finding(Reason.CHALLENGE_MISMATCH, "the registration was made for another challenge")


def _check_key(registration: Registration, expectation: Expectation) -> Iterator[Finding]:
    wanted = expectation.key_spki
    if wanted is not None and not hmac.compare_digest(wanted, registration.key.spki):
        yield Finding(Reason.KEY_MISMATCH, "the credential's key is not the key to enrol")


def _appraise(registration: Registration, policy: WebAuthnPolicy) -> Iterator[Finding]:
    data, client_data = registration.data, registration.client_data
    if policy.rp_ids and data.rp_id_hash not in {sha256(rp_id.encode()).digest() for rp_id in policy.rp_ids}:
        yield Finding(Reason.RP_ID_MISMATCH, "the credential was made for another relying party")
    if policy.origins and client_data.origin not in policy.origins:
        yield Finding(Reason.ORIGIN_MISMATCH, f"the registration was made on {client_data.origin[:128]!r}")
    if policy.require_user_presence and Flag.USER_PRESENT not in registration.flags:
        yield Finding(Reason.USER_NOT_PRESENT, "no user was present")
    if policy.require_user_verification and Flag.USER_VERIFIED not in registration.flags:
        yield Finding(Reason.USER_NOT_VERIFIED, "the user was not verified")
    if policy.aaguids is not None and registration.model not in policy.aaguids:
        detail = f"AAGUID {registration.credential.aaguid.hex()}, vouched for {registration.model.hex()}"
        yield Finding(Reason.AUTHENTICATOR_NOT_ALLOWED, detail)


def _not_checked(case: Case, outcome: Outcome, lookup: Lookup) -> tuple[Unchecked, ...]:
    unchecked: list[Unchecked] = []
    if case.expectation.key_spki is None:
        unchecked.append(Unchecked.KEY_BINDING)
    if not case.policy.webauthn.rp_ids or not case.policy.webauthn.origins:
        unchecked.append(Unchecked.RELYING_PARTY)
    return tuple(dict.fromkeys((*unchecked, *not_checked(lookup), *outcome.not_checked)))
