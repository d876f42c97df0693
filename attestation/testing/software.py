"""Software statements of the catalogue: good ones (the policy allows them), and every way to cheat."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec, mldsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from attestation.case import Case
from attestation.cose_sign1 import sig_structure
from attestation.formats.software import PROFILE, STATEMENT, evidence, make_statement
from attestation.formats.software import Key as AnyKey
from attestation.model import Anchors, Collateral, Evidence, Expectation, Format, Part
from attestation.policy import Policy
from attestation.policy_software import SoftwarePolicy
from attestation.reasons import Reason
from attestation.testing.broken import flip_bit
from attestation.testing.certificates import KeyKind, new_key, spki_of
from attestation.testing.variant import Good, Variant

CHALLENGE: Final = b"challenge of the evidence factory"
ALLOWED: Final = Policy("software allowed", software=SoftwarePolicy(allow=True))

Key = mldsa.MLDSA65PrivateKey


def good_case(key: AnyKey) -> Callable[[datetime], Case]:
    """A statement of this key under a policy that allows such statements."""
    statement = evidence(make_statement(key, CHALLENGE, model="Virtual Device", software="factory 1"))
    return lambda now: Case(statement, Expectation(CHALLENGE), Anchors(()), Collateral(), ALLOWED, now)


def good(now: datetime) -> Iterator[Good]:
    key = Key.generate()
    case = good_case(key)(now)
    yield Good("with model and software", case)
    yield Good("key and challenge alone", replace(case, evidence=evidence(make_statement(key, CHALLENGE))))
    yield Good("tagged", replace(case, evidence=evidence(b"\xd2" + make_statement(key, CHALLENGE))))
    yield Good("enrols its key", replace(case, expectation=Expectation(CHALLENGE, spki_of(key))))
    yield Good("ES256", good_case(ec.generate_private_key(ec.SECP256R1()))(now))
    rules = SoftwarePolicy(allow=True, models=frozenset({"Virtual Device"}))
    yield Good("model allowed", replace(case, policy=Policy(software=rules)))


def broken(now: datetime) -> Iterator[Variant]:
    key = Key.generate()
    case = good_case(key)(now)
    for name, (reason, make) in BROKEN.items():
        yield Variant(name, reason, make(case, key))


Maker = Callable[[Case, Key], Case]


def _bytes(change: Callable[[bytes], bytes]) -> Maker:
    return lambda case, _: replace(case, evidence=evidence(change(case.evidence.named(STATEMENT)[0])))


def _public(key: Key) -> bytes:
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def sign(key: Key, payload: bytes, *, protected: bytes = b"\xa1\x01\x38\x30", **unprotected: Any) -> bytes:
    signature = key.sign(sig_structure(protected, payload))
    return cbor2.dumps([protected, unprotected, payload, signature])


def _claims(**changes: Any) -> Maker:
    """A properly signed statement with other claims: names stand for numbers, `...` removes one."""

    def make(case: Case, key: Key) -> Case:
        fields: dict[int, Any] = {8: {1: {1: 7, 3: -49, -1: _public(key)}}, 10: CHALLENGE, 265: PROFILE}
        fields |= {int(name.removeprefix("claim_")): value for name, value in changes.items()}
        payload = cbor2.dumps({name: value for name, value in fields.items() if value is not ...}, canonical=True)
        return replace(case, evidence=evidence(sign(key, payload)))

    return make


def _payload(change: Callable[[bytes], bytes]) -> Maker:
    def make(case: Case, key: Key) -> Case:
        payload = cbor2.loads(make_statement(key, CHALLENGE))[2]
        return replace(case, evidence=evidence(sign(key, change(payload))))

    return make


def _other_headers(case: Case, key: Key) -> Case:
    payload = cbor2.loads(make_statement(key, CHALLENGE))[2]
    return replace(case, evidence=evidence(sign(key, payload, note=1)))


def _foreign_key(case: Case, key: Key) -> Case:
    """The statement names a key that its sender does not hold."""
    payload = cbor2.loads(make_statement(key, CHALLENGE))[2]
    return replace(case, evidence=evidence(sign(Key.generate(), payload)))


def _es256(case: Case, key: Key) -> Case:
    payload = cbor2.loads(make_statement(key, CHALLENGE))[2]
    return replace(case, evidence=evidence(sign(key, payload, protected=b"\xa1\x01\x26")))


def _key_of_the_other_algorithm(case: Case, key: Key) -> Case:
    """A statement by a key on P-256 with the header of ML-DSA-65."""
    payload = cbor2.loads(make_statement(ec.generate_private_key(ec.SECP256R1()), CHALLENGE))[2]
    return replace(case, evidence=evidence(sign(key, payload)))


def _reversed_map(payload: bytes) -> bytes:
    return cbor2.dumps(dict(reversed(cbor2.loads(payload).items())))


def _expects(expectation: Expectation) -> Maker:
    return lambda case, _: replace(case, expectation=expectation)


def _policy(policy: Policy) -> Maker:
    return lambda case, _: replace(case, policy=policy)


def _two(case: Case, _: Key) -> Case:
    return replace(case, evidence=Evidence(Format.SOFTWARE, (Part(STATEMENT, b""),) * 2))


_EC_KEY: Final = {1: {1: 2, -1: 1, -2: bytes(32), -3: bytes(32)}}

BROKEN: Final[dict[str, tuple[Reason, Maker]]] = {
    "two statements": (Reason.MALFORMED, _two),
    "oversize": (Reason.MALFORMED, _bytes(lambda statement: statement + bytes(8192))),
    "byte behind the statement": (Reason.MALFORMED, _bytes(lambda statement: statement + b"\0")),
    "cut": (Reason.MALFORMED, _bytes(lambda statement: statement[:-1])),
    "another header": (Reason.MALFORMED, _other_headers),
    "claims in another order": (Reason.MALFORMED, _payload(_reversed_map)),
    "claims are a list": (Reason.MALFORMED, _payload(lambda _: b"\x80")),
    "claim nobody knows": (Reason.MALFORMED, _claims(claim_9=1)),
    "no challenge": (Reason.MALFORMED, _claims(claim_10=...)),
    "no key": (Reason.MALFORMED, _claims(claim_8=...)),
    "key on P-256": (Reason.MALFORMED, _claims(claim_8=_EC_KEY)),
    "model is text": (Reason.MALFORMED, _claims(claim_259="model")),
    "model is not UTF-8": (Reason.MALFORMED, _claims(claim_259=b"\xff")),
    "long name": (Reason.MALFORMED, _claims(claim_270="x" * 65)),
    "other profile": (Reason.WRONG_TYPE, _claims(claim_265="tag:hallmark,2026:other")),
    "ES256": (Reason.UNSUPPORTED_ALGORITHM, _es256),
    "ML-DSA-65 header, P-256 key": (Reason.UNSUPPORTED_ALGORITHM, _key_of_the_other_algorithm),
    "signature bit": (Reason.BAD_SIGNATURE, _bytes(lambda statement: flip_bit(statement, octet=-1))),
    "key of somebody else": (Reason.BAD_SIGNATURE, _foreign_key),
    "another challenge": (Reason.CHALLENGE_MISMATCH, _expects(Expectation(b"another"))),
    "another key": (
        Reason.KEY_MISMATCH,
        _expects(Expectation(CHALLENGE, spki_of(new_key(KeyKind.EC_P256)))),
    ),
    "default policy": (Reason.LEVEL_NOT_ALLOWED, _policy(Policy())),
    "other model": (
        Reason.IDENTITY_NOT_ALLOWED,
        _policy(Policy(software=SoftwarePolicy(allow=True, models=frozenset({"Other Device"})))),
    ),
}
