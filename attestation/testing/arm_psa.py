"""PSA devices of the catalogue: good ones of each profile, and every way to cheat."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from hashlib import sha256, sha384
from typing import Any, Final

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec

from attestation.arm_collateral import ArmDevice, ArmEndorsements
from attestation.case import Case
from attestation.formats.arm_claims import Claim
from attestation.formats.arm_psa import TOKEN, evidence
from attestation.model import Anchors, Collateral, Evidence, Expectation, Format, Part
from attestation.policy import Policy
from attestation.policy_arm import ArmPolicy, SoftwareReference
from attestation.reasons import Reason
from attestation.testing.arm_device import CHALLENGE, IMPLEMENTATION, SIGNER, SOFTWARE, PsaDevice, new_key
from attestation.testing.broken import flip_bit
from attestation.testing.certificates import spki_of
from attestation.testing.cose import sign1
from attestation.testing.variant import Good, Variant

REFERENCES: Final = tuple(
    SoftwareReference(digest, kind, version, SIGNER, IMPLEMENTATION) for kind, version, digest in SOFTWARE
)


def good_case(device: PsaDevice, *, now: datetime) -> Case:
    """A token of this device with all that is needed to accept it."""
    return Case(
        device.attest(), Expectation(CHALLENGE), Anchors(()), Collateral(arm=device.endorsements), Policy(), now
    )


def good(now: datetime) -> Iterator[Good]:
    device = PsaDevice.create()
    case = good_case(device, now=now)
    yield Good("http://arm.com/psa/2.0.0", case)
    tfm = device.attest({Claim.PROFILE: "tag:psacertified.org,2023:psa#tfm", Claim.BOOT_SEED: bytes(8)})
    yield Good("psa#tfm", replace(case, evidence=tfm))
    yield Good("profile 1", replace(case, evidence=device.attest_profile_1()))
    yield Good("profile 1 without its name", replace(case, evidence=device.attest_profile_1({-75000: ...})))
    nothing = device.attest_profile_1({-75006: ..., -75007: 1})
    yield Good("profile 1, measures nothing", replace(case, evidence=nothing))
    untagged = evidence(_token(case)[1:])
    yield Good("untagged", replace(case, evidence=untagged))
    keyed = evidence(sign1(device.key, cbor2.dumps(device.claims()), unprotected={4: b"key id"}))
    yield Good("key id outside the signature", replace(case, evidence=keyed))
    for size, new in ((32, sha256), (48, sha384)):
        key = spki_of(new_key(ec.SECP256R1()))
        bound = device.attest(nonce=new(CHALLENGE + key).digest())
        yield Good(f"enrols a key, {size}", replace(case, evidence=bound, expectation=Expectation(CHALLENGE, key)))
    policy = ArmPolicy(software=REFERENCES, implementation_ids=frozenset({IMPLEMENTATION}))
    yield Good("reference values", replace(case, policy=Policy(arm=policy)))
    others = (spki_of(new_key(ec.SECP256R1())), spki_of(device.key), spki_of(new_key(ec.SECP384R1())))
    rotated = ArmEndorsements.of((ArmDevice(device.instance_id, others),))
    yield Good("several keys", replace(case, collateral=Collateral(arm=rotated)))


def broken(now: datetime) -> Iterator[Variant]:
    device = PsaDevice.create()
    case = good_case(device, now=now)
    for name, (reason, make) in BROKEN.items():
        yield Variant(name, reason, make(case, device))


Maker = Callable[[Case, PsaDevice], Case]


def _token(case: Case) -> bytes:
    return case.evidence.named(TOKEN)[0]


def _claims(changes: dict[int, Any]) -> Maker:
    return lambda case, device: replace(case, evidence=device.attest(changes))


def _profile_1(changes: dict[int, Any]) -> Maker:
    return lambda case, device: replace(case, evidence=device.attest_profile_1(changes))


def _bytes(change: Callable[[bytes], bytes]) -> Maker:
    return lambda case, _: replace(case, evidence=evidence(change(_token(case))))


def _headers(**headers: Any) -> Maker:
    return lambda case, device: replace(
        case, evidence=evidence(sign1(device.key, cbor2.dumps(device.claims()), **headers))
    )


def _payload_edited(old: bytes, new: bytes) -> Maker:
    return _bytes(lambda token: token.replace(old, new))


def _policy(**rules: Any) -> Maker:
    return lambda case, _: replace(case, policy=Policy(arm=ArmPolicy(**rules)))


def _expects(expectation: Expectation) -> Maker:
    return lambda case, _: replace(case, expectation=expectation)


def _store(make: Callable[[PsaDevice], ArmEndorsements | None]) -> Maker:
    return lambda case, device: replace(case, collateral=Collateral(arm=make(device)))


def _mac0(case: Case, device: PsaDevice) -> Case:
    """A tag where the signature belongs: only the device's own secret could tell whether it is right."""
    message = [cbor2.dumps({1: 5}), {}, cbor2.dumps(device.claims()), bytes(32)]
    return replace(case, evidence=evidence(b"\xd1" + cbor2.dumps(message)))


def _another_key(device: PsaDevice) -> ArmEndorsements:
    return ArmEndorsements.of((ArmDevice(device.instance_id, (spki_of(PsaDevice.create().key),)),))


def _another_implementation(device: PsaDevice) -> ArmEndorsements:
    return ArmEndorsements.of((ArmDevice(device.instance_id, (spki_of(device.key),), bytes(32)),))


def _unsigned_claims(case: Case, device: PsaDevice) -> Case:
    """Claims that cannot be read, and that nobody signed: the signature is the graver cause."""
    return replace(case, evidence=replace(device, key=new_key(ec.SECP256R1())).attest(
        {Claim.INSTANCE_ID: device.instance_id, Claim.PROFILE: "http://arm.com/psa/9.9.9"}
    ))  # fmt: skip


_COMPONENT: Final = {2: bytes(32), 5: bytes(32)}
_TWO_TOKENS: Final = lambda case, _: replace(  # noqa: E731 - one of many makers
    case, evidence=Evidence(Format.ARM_PSA, (Part(TOKEN, _token(case)),) * 2)
)

BROKEN: Final[dict[str, tuple[Reason, Maker]]] = {
    # bytes
    "two tokens": (Reason.MALFORMED, _TWO_TOKENS),
    "oversize": (Reason.MALFORMED, _claims({-1: bytes(16 * 1024)})),
    "byte behind the token": (Reason.MALFORMED, _bytes(lambda token: token + b"\0")),
    "cut": (Reason.MALFORMED, _bytes(lambda token: token[:-1])),
    "no claims": (Reason.MALFORMED, _bytes(lambda _: b"\xd2\x84\x43\xa1\x01\x26\xa0\x40\x40")),
    "unknown header outside the signature": (Reason.MALFORMED, _headers(unprotected={33: b"chain"})),
    "no nonce": (Reason.MALFORMED, _claims({Claim.NONCE: ...})),
    "nonce of odd size": (Reason.MALFORMED, _claims({Claim.NONCE: bytes(65)})),
    "no instance id": (Reason.MALFORMED, _claims({Claim.INSTANCE_ID: ...})),
    "instance id of odd size": (Reason.MALFORMED, _claims({Claim.INSTANCE_ID: bytes(32)})),
    "implementation id of odd size": (Reason.MALFORMED, _claims({Claim.IMPLEMENTATION_ID: bytes(4)})),
    "lifecycle that is no state": (Reason.MALFORMED, _claims({Claim.LIFECYCLE: 0xFFFF})),
    "lifecycle is text": (Reason.MALFORMED, _claims({Claim.LIFECYCLE: "secured"})),
    "client id is true": (Reason.MALFORMED, _claims({Claim.CLIENT_ID: True})),
    "long boot seed": (Reason.MALFORMED, _claims({Claim.BOOT_SEED: bytes(33)})),
    "no software": (Reason.MALFORMED, _claims({Claim.SOFTWARE: ...})),
    "software is empty": (Reason.MALFORMED, _claims({Claim.SOFTWARE: []})),
    "software is no map": (Reason.MALFORMED, _claims({Claim.SOFTWARE: [1]})),
    "software without signer": (Reason.MALFORMED, _claims({Claim.SOFTWARE: [{2: bytes(32)}]})),
    "65 components": (Reason.MALFORMED, _claims({Claim.SOFTWARE: [_COMPONENT] * 65})),
    "claims of two profiles": (Reason.MALFORMED, _profile_1({Claim.NONCE: CHALLENGE})),
    "profile 1 under another name": (Reason.MALFORMED, _profile_1({-75000: "PSA_IOT_PROFILE_2"})),
    "profile 1 with and without software": (Reason.MALFORMED, _profile_1({-75007: 1})),
    "profile 1 without boot seed": (Reason.MALFORMED, _profile_1({-75004: ...})),
    "unknown profile": (Reason.WRONG_TYPE, _claims({Claim.PROFILE: "http://arm.com/psa/9.9.9"})),
    # key and signature
    "MAC0": (Reason.UNSUPPORTED_ALGORITHM, _mac0),
    "unknown algorithm": (Reason.UNSUPPORTED_ALGORITHM, _headers(protected={1: -999})),
    "algorithm of another curve": (Reason.UNSUPPORTED_ALGORITHM, _headers(protected={1: -35})),
    "no store": (Reason.COLLATERAL_MISSING, _store(lambda _: None)),
    "unknown instance": (Reason.UNKNOWN_INSTANCE, _store(lambda _: PsaDevice.create().endorsements)),
    "key of another device": (Reason.BAD_SIGNATURE, _store(_another_key)),
    "signature bit": (Reason.BAD_SIGNATURE, _bytes(lambda token: flip_bit(token, octet=-1))),
    "claim edited": (Reason.BAD_SIGNATURE, _payload_edited(SOFTWARE[0][2], bytes(32))),
    "claims nobody signed": (Reason.BAD_SIGNATURE, _unsigned_claims),
    # binding
    "another implementation": (Reason.BINDING_MISMATCH, _store(_another_implementation)),
    "another challenge": (Reason.CHALLENGE_MISMATCH, _expects(Expectation(bytes(32)))),
    "challenge for another key": (Reason.KEY_MISMATCH, _expects(Expectation(CHALLENGE, b"another key"))),
    # policy
    "debug": (Reason.LIFECYCLE_NOT_ALLOWED, _claims({Claim.LIFECYCLE: 0x4000})),
    "decommissioned": (Reason.LIFECYCLE_NOT_ALLOWED, _claims({Claim.LIFECYCLE: 0x60FF})),
    "implementation not allowed": (
        Reason.IDENTITY_NOT_ALLOWED,
        _policy(implementation_ids=frozenset({bytes(32)})),
    ),
    "other software": (Reason.MEASUREMENT_MISMATCH, _policy(software=REFERENCES[:1])),
    "software of another signer": (
        Reason.MEASUREMENT_MISMATCH,
        _policy(software=(REFERENCES[0], replace(REFERENCES[1], signer_id=bytes(32)))),
    ),
    "measures nothing": (
        Reason.MEASUREMENT_MISSING,
        lambda case, device: replace(
            case,
            evidence=device.attest_profile_1({-75006: ..., -75007: 1}),
            policy=Policy(arm=ArmPolicy(software=REFERENCES)),
        ),
    ),
}
