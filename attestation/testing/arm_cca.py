"""CCA realms of the catalogue: good ones, and every way to cheat."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from hashlib import sha256, sha512
from typing import Any, Final

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec

from attestation.case import Case
from attestation.formats.arm_cca import TOKEN, evidence
from attestation.formats.arm_claims import Claim
from attestation.model import Anchors, Collateral, Expectation
from attestation.policy import Policy
from attestation.policy_arm import ArmPolicy, RealmReference
from attestation.reasons import Reason
from attestation.testing.arm_device import CHALLENGE, CONFIG, RIM, CcaPlatform, new_key
from attestation.testing.arm_psa import REFERENCES
from attestation.testing.broken import flip_bit
from attestation.testing.certificates import spki_of
from attestation.testing.cose import sign1
from attestation.testing.variant import Good, Variant

REALM: Final = RealmReference(RIM, ((0, bytes(32)), (3, bytes(32))), bytes(64))


def good_case(platform: CcaPlatform, *, now: datetime) -> Case:
    """A token of this realm with all that is needed to accept it."""
    return Case(
        platform.attest(), Expectation(CHALLENGE), Anchors(()), Collateral(arm=platform.endorsements), Policy(), now
    )


def good(now: datetime) -> Iterator[Good]:
    platform = CcaPlatform.create()
    case = good_case(platform, now=now)
    yield Good("raw realm key", case)
    cose_key = platform.cose_realm_key
    modern = platform.attest(
        platform=platform.platform_token({Claim.PROFILE: "tag:arm.com,2023:cca_platform#1.0.0"}, realm_key=cose_key),
        realm=platform.realm_token({44237: cose_key, 265: "tag:arm.com,2023:realm#1.0.0"}),
    )
    yield Good("COSE realm key", replace(case, evidence=modern))
    tokens = {44234: [263, platform.platform_token()], 44241: [263, platform.realm_token()]}
    later = evidence(cbor2.dumps(cbor2.CBORTag(907, tokens)))
    yield Good("tag 907, tokens with their content format", replace(case, evidence=later))
    key = spki_of(new_key(ec.SECP256R1()))
    bound = platform.attest(realm=platform.realm_token(challenge=sha512(CHALLENGE + key).digest()))
    yield Good("enrols a key", replace(case, evidence=bound, expectation=Expectation(CHALLENGE, key)))
    policy = ArmPolicy(software=REFERENCES, realms=(REALM,), platform_configs=frozenset({CONFIG}))
    yield Good("reference values", replace(case, policy=Policy(arm=policy)))


def broken(now: datetime) -> Iterator[Variant]:
    platform = CcaPlatform.create()
    case = good_case(platform, now=now)
    for name, (reason, make) in BROKEN.items():
        yield Variant(name, reason, make(case, platform))


Maker = Callable[[Case, CcaPlatform], Case]


def _bytes(change: Callable[[bytes], bytes]) -> Maker:
    return lambda case, _: replace(case, evidence=evidence(change(case.evidence.named(TOKEN)[0])))


def _platform(changes: dict[int, Any]) -> Maker:
    return lambda case, made: replace(case, evidence=made.attest(platform=made.platform_token(changes)))


def _realm(changes: dict[int, Any]) -> Maker:
    return lambda case, made: replace(case, evidence=made.attest(realm=made.realm_token(changes)))


def _collection(change: Callable[[dict[Any, Any]], dict[Any, Any]]) -> Maker:
    def change_token(data: bytes) -> bytes:
        token = cbor2.loads(data)
        return cbor2.dumps(cbor2.CBORTag(token.tag, change(dict(token.value))))

    return _bytes(change_token)


def _policy(**rules: Any) -> Maker:
    return lambda case, _: replace(case, policy=Policy(arm=ArmPolicy(**rules)))


def _mixed(case: Case, made: CcaPlatform) -> Case:
    """The platform token of one device with the realm token of another: both genuine, not of one platform."""
    return replace(case, evidence=made.attest(realm=CcaPlatform.create().realm_token()))


def _own_realm_key(case: Case, made: CcaPlatform) -> Case:
    """The realm names the key that the platform vouches for, and is signed by another."""
    forged = sign1(new_key(ec.SECP384R1()), _payload(made.realm_token()))
    return replace(case, evidence=made.attest(realm=forged))


def _payload(token: bytes) -> bytes:
    payload: bytes = cbor2.loads(token).value[2]
    return payload


def _edited(old: bytes, new: bytes) -> Maker:
    return _bytes(lambda token: token.replace(old, new))


def _mac0(case: Case, made: CcaPlatform) -> Case:
    message = cbor2.loads(made.platform_token()).value
    return replace(case, evidence=made.attest(platform=b"\xd1" + cbor2.dumps(list(message))))


def _hash_named(name: str) -> Maker:
    return _realm({44240: name})


def _swapped(tokens: dict[Any, Any]) -> dict[Any, Any]:
    return {44234: tokens[44241], 44241: tokens[44234]}


BROKEN: Final[dict[str, tuple[Reason, Maker]]] = {
    # bytes
    "byte behind the token": (Reason.MALFORMED, _bytes(lambda token: token + b"\0")),
    "cut": (Reason.MALFORMED, _bytes(lambda token: token[:-1])),
    "other tag": (Reason.MALFORMED, lambda case, made: replace(case, evidence=made.attest(tag=400))),
    "no realm token": (Reason.MALFORMED, _collection(lambda tokens: {44234: tokens[44234]})),
    "a third token": (Reason.MALFORMED, _collection(lambda tokens: tokens | {44242: b""})),
    "token is a number": (Reason.MALFORMED, _collection(lambda tokens: tokens | {44241: 1})),
    "tokens swapped": (Reason.MALFORMED, _collection(_swapped)),
    "platform without configuration": (Reason.MALFORMED, _platform({Claim.PLATFORM_CONFIG: ...})),
    "short realm challenge": (Reason.MALFORMED, _realm({10: CHALLENGE})),
    "three registers": (Reason.MALFORMED, _realm({44239: [bytes(32)] * 3})),
    "register of odd size": (Reason.MALFORMED, _realm({44239: [bytes(32)] * 3 + [bytes(31)]})),
    "no realm key": (Reason.MALFORMED, _realm({44237: ...})),
    "realm key is no point": (Reason.MALFORMED, _realm({44237: b"\x04" + bytes(96)})),
    "profile of PSA": (Reason.WRONG_TYPE, _platform({Claim.PROFILE: "http://arm.com/psa/2.0.0"})),
    # keys and signatures
    "MAC0": (Reason.UNSUPPORTED_ALGORITHM, _mac0),
    "hash SHA-1": (Reason.UNSUPPORTED_ALGORITHM, _hash_named("sha-1")),
    "no store": (Reason.COLLATERAL_MISSING, lambda case, _: replace(case, collateral=Collateral())),
    "unknown platform": (
        Reason.UNKNOWN_INSTANCE,
        lambda case, _: replace(case, collateral=Collateral(arm=CcaPlatform.create().endorsements)),
    ),
    "platform edited": (Reason.BAD_SIGNATURE, _edited(CONFIG, CONFIG[::-1])),
    "realm edited": (Reason.BAD_SIGNATURE, _edited(RIM, bytes(32))),
    "realm signed by another key": (Reason.BAD_SIGNATURE, _own_realm_key),
    "signature bit": (Reason.BAD_SIGNATURE, _bytes(lambda token: flip_bit(token, octet=-1))),
    # binding
    "tokens of two devices": (Reason.BINDING_MISMATCH, _mixed),
    "hash of another name": (Reason.BINDING_MISMATCH, _hash_named("sha-512")),
    "platform vouches for another key": (Reason.BINDING_MISMATCH, _platform({Claim.NONCE: sha256(b"x").digest()})),
    "another challenge": (
        Reason.CHALLENGE_MISMATCH,
        lambda case, _: replace(case, expectation=Expectation(b"another")),
    ),
    "challenge for another key": (
        Reason.KEY_MISMATCH,
        lambda case, _: replace(case, expectation=Expectation(CHALLENGE, b"another key")),
    ),
    # policy
    "platform in debug": (Reason.LIFECYCLE_NOT_ALLOWED, _platform({Claim.LIFECYCLE: 0x5000})),
    "other platform software": (Reason.MEASUREMENT_MISMATCH, _policy(software=REFERENCES[1:])),
    "other configuration": (Reason.PLATFORM_NOT_ALLOWED, _policy(platform_configs=frozenset({b"other"}))),
    "other realm": (Reason.MEASUREMENT_MISMATCH, _policy(realms=(replace(REALM, initial=bytes(32)),))),
    "other register": (Reason.MEASUREMENT_MISMATCH, _policy(realms=(replace(REALM, extensible=((1, RIM),)),))),
    "other personalization": (
        Reason.MEASUREMENT_MISMATCH,
        _policy(realms=(replace(REALM, personalization=b"\1" * 64),)),
    ),
}
