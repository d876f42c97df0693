"""Apple App Attest: is this key in the Secure Enclave of an Apple device, made by an app for this client data?

`Expectation.challenge` is the client data that the app hashed for `attestKey`, byte by byte. An app that binds more
than the challenge sends, and the caller expects, SHA-256(challenge || SubjectPublicKeyInfo of the other key) or the
like. Evidence may also hold one assertion by the new key over data of its own, such as another public key; then
`Expectation.key_spki` may name that key as well as the attested one.

The steps, in the order in which their findings are listed:

 1. bounds; attestation object, authenticator data and certificates can be read (else MALFORMED and nothing more)
 2. every certificate is named and signed by the next, up to an anchor, each issuer a CA with a key of decent strength
 3. the nonce in the leaf is SHA-256(authenticator data || SHA-256(client data))
 4. the leaf's key is the credential: its hash is the credential id, and the key id the app named
 5. the counter is 0, and the AAGUID is one of App Attest's two
 6. the assertion, where there is one, is signed by this key, made by the same app, and its counter has advanced
 7. the caller's key is the attested or the asserted one
 8. the certificates are valid at this time: leaves live for three days until iOS 15, for about ten months since
 9. the receipt is signed by Apple and names this certificate, app and client data

Appraisal of what is authentic: the app is the relying party's, the environment is production, there is a receipt.
It attests the app instance's key, not the state of the operating system; Apple publishes no list of revoked keys.
Source: https://developer.apple.com/documentation/devicecheck/validating-apps-that-connect-to-your-server.
"""

import hmac
from collections.abc import Iterator
from hashlib import sha256

from attestation.case import Case
from attestation.cose_key import parse_cose_key
from attestation.errors import EvidenceError
from attestation.formats.apple_assertion import check_assertion, key_id_of
from attestation.formats.apple_attestation_object import DEVELOPMENT, AppAttestFacts, evidence, read
from attestation.formats.apple_certificate import certified_nonce
from attestation.formats.apple_claims import attestation_claims
from attestation.formats.apple_receipt import Receipt, check_signer, parse_receipt
from attestation.model import RECEIPT, Expectation, Finding, Format, Judgement, TrustAnchor
from attestation.policy_apple import ApplePolicy
from attestation.reasons import Reason, Unchecked
from attestation.trust_path import find_path

__all__ = ["evidence", "judge"]


def judge(case: Case) -> Judgement:
    """Authenticate, and appraise what is authentic."""
    facts, expectation, policy = read(case.evidence), case.expectation, case.policy.apple
    path = find_path(facts.chain, case.anchors.for_use(Format.APPLE_APP_ATTEST, "attestation"), at=case.at)
    receipt_anchors = case.anchors.for_use(Format.APPLE_APP_ATTEST, RECEIPT)
    nonce_findings = tuple(_check_nonce(facts, expectation.challenge))
    receipt, receipt_findings = _check_receipt(facts, receipt_anchors, expectation)
    findings = [
        *path.findings,
        *nonce_findings,
        *_check_key(facts),
        *_check_new(facts),
        *_check_assertion(facts, expectation),
        *_check_binding(facts, expectation),
        *path.dates,
        *receipt_findings,
    ]
    if not findings:
        findings += _appraise(facts, policy)
    claims = attestation_claims(
        facts, receipt, challenge=None if nonce_findings else expectation.challenge, anchor=path.anchor
    )
    return Judgement(
        tuple(findings), claims, _not_checked(facts, expectation, policy, receipt_anchored=bool(receipt_anchors))
    )


def _check_nonce(facts: AppAttestFacts, client_data: bytes) -> Iterator[Finding]:
    expected = sha256(facts.data.raw + sha256(client_data).digest()).digest()
    try:
        found = certified_nonce(facts.chain[0])
    except EvidenceError as error:
        yield Finding(error.reason, error.detail)
        return
    if not hmac.compare_digest(expected, found):
        yield Finding(Reason.NONCE_MISMATCH, "the nonce is not the hash of this authenticator data and client data")


def _check_key(facts: AppAttestFacts) -> Iterator[Finding]:
    """Step 4. The credential id is a hash of the key, so it needs no signature of its own."""
    leaf = facts.chain[0]
    try:
        credential_key = parse_cose_key(facts.credential.public_key)
        expected = key_id_of(leaf.spki)
    except EvidenceError as error:
        yield Finding(error.reason, f"credential: {error.detail}")
        return
    if not hmac.compare_digest(credential_key.spki, leaf.spki):
        yield Finding(Reason.BAD_BINDING, "the credential's key is not the key of the certificate")
    if not hmac.compare_digest(expected, facts.credential.credential_id):
        yield Finding(Reason.BAD_BINDING, "the credential id is not the hash of the certified key")
    if facts.key_id is not None and not hmac.compare_digest(expected, facts.key_id):
        yield Finding(Reason.KEY_MISMATCH, "the attested key is not the one the app named")


def _check_new(facts: AppAttestFacts) -> Iterator[Finding]:
    if facts.data.counter != 0:
        yield Finding(Reason.COUNTER_NOT_ZERO, f"the counter of a new key is {facts.data.counter}")
    if facts.environment is None:
        yield Finding(Reason.WRONG_TYPE, f"AAGUID {facts.credential.aaguid.hex()} is not one of App Attest")


def _check_assertion(facts: AppAttestFacts, expectation: Expectation) -> Iterator[Finding]:
    if facts.assertion is not None:
        yield from check_assertion(
            facts.assertion, spki=facts.chain[0].spki, rp_id_hash=facts.data.rp_id_hash,
            last_counter=expectation.last_counter or 0,
        )  # fmt: skip


def _check_binding(facts: AppAttestFacts, expectation: Expectation) -> Iterator[Finding]:
    wanted = expectation.key_spki
    if wanted is None or hmac.compare_digest(wanted, facts.chain[0].spki):
        return
    if facts.assertion is None or not hmac.compare_digest(wanted, facts.assertion.client_data):
        yield Finding(Reason.KEY_MISMATCH, "the key to enrol is neither the attested nor the asserted one")


def _check_receipt(
    facts: AppAttestFacts, anchors: tuple[TrustAnchor, ...], expectation: Expectation
) -> tuple[Receipt | None, tuple[Finding, ...]]:
    """Step 9. Without anchors for receipts only its own signature and what it names are checked."""
    if facts.receipt is None:
        return None, ()
    try:
        receipt = parse_receipt(facts.receipt)
        if anchors:
            check_signer(receipt, anchors)
    except EvidenceError as error:
        return None, (Finding(Reason.BAD_RECEIPT, error.detail),)
    names_this = (
        hmac.compare_digest(receipt.certificate, facts.chain[0].der)
        and hmac.compare_digest(sha256(receipt.app_id.encode()).digest(), facts.data.rp_id_hash)
        and hmac.compare_digest(receipt.client_data_hash, sha256(expectation.challenge).digest())
    )
    if not names_this:
        return receipt, (Finding(Reason.BAD_RECEIPT, "the receipt is that of another key, app or client data"),)
    return receipt, ()


def _appraise(facts: AppAttestFacts, policy: ApplePolicy) -> Iterator[Finding]:
    yield from appraise_app(facts.data.rp_id_hash, policy)
    if facts.credential.aaguid == DEVELOPMENT and not policy.allow_development:
        yield Finding(Reason.DEV_ENVIRONMENT, "the key was attested in the development environment")
    if facts.receipt is None and policy.require_receipt:
        yield Finding(Reason.RECEIPT_MISSING, "the statement has no receipt")


def appraise_app(rp_id_hash: bytes, policy: ApplePolicy) -> Iterator[Finding]:
    """The evidence was made by one of the policy's apps, whose App ID is hashed in the authenticator data."""
    if policy.app_ids and rp_id_hash not in {sha256(app_id.encode()).digest() for app_id in policy.app_ids}:
        yield Finding(Reason.APP_ID_MISMATCH, "the evidence was made by an app that is not allowed")


def _not_checked(
    facts: AppAttestFacts, expectation: Expectation, policy: ApplePolicy, *, receipt_anchored: bool
) -> tuple[Unchecked, ...]:
    unchecked: list[Unchecked] = []
    if expectation.key_spki is None:
        unchecked.append(Unchecked.KEY_BINDING)
    if not policy.app_ids:
        unchecked.append(Unchecked.APP_IDENTITY)
    if facts.receipt is None or not receipt_anchored:
        unchecked.append(Unchecked.RECEIPT)
    return tuple(unchecked)
