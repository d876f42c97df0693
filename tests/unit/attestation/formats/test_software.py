"""The software statement: its encoding, byte by byte, and what it may say."""

from datetime import UTC, datetime

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import mldsa

from attestation import Expectation, Policy, SecurityLevel, Unchecked, cbor, cbor_encode, verify_case
from attestation.cbor import Tagged
from attestation.errors import ArgumentError
from attestation.formats.software import PROFILE, evidence, make_statement
from attestation.testing.certificates import spki_of
from attestation.testing.software import CHALLENGE, good_case

NOW = datetime(2026, 6, 1, tzinfo=UTC)
KEY = mldsa.MLDSA65PrivateKey.generate()


def test_the_encoding_is_the_documented_one():
    protected, unprotected, payload, signature = cbor2.loads(make_statement(KEY, b"challenge", model="M", software="S"))
    assert (protected, unprotected, len(signature)) == (bytes.fromhex("a1013830"), {}, 3309)
    claims = cbor2.loads(payload)
    assert list(claims) == [8, 10, 259, 265, 270]
    assert {name: claims[name] for name in (10, 259, 265, 270)} == {10: b"challenge", 259: b"M", 265: PROFILE, 270: "S"}
    key = dict(claims[8][1])
    assert (list(key), key[1], key[3], len(key[-1])) == ([1, 3, -1], 7, -49, 1952)
    assert cbor2.dumps(claims, canonical=True) == payload


def test_claims_and_the_lowest_level():
    found = verify_case(good_case(KEY)(NOW))
    assert found.claims.security_level is SecurityLevel.SOFTWARE
    assert (found.claims.device.model, found.claims.vendor_claim("software")) == ("Virtual Device", "factory 1")
    assert (found.claims.key.spki, found.claims.key.algorithm) == (spki_of(KEY), "ML-DSA-65")
    assert found.not_checked == (Unchecked.KEY_BINDING,)


def test_the_default_policy_refuses_it_although_it_is_authentic():
    case = good_case(KEY)(NOW)
    found = verify_case(type(case)(case.evidence, case.expectation, case.anchors, case.collateral, Policy(), NOW))
    assert (found.authentic, found.appraised) == (True, False)


def test_a_challenge_of_any_length():
    case = good_case(KEY)(NOW)
    for challenge in (b"1", bytes(1024)):
        made = evidence(make_statement(KEY, challenge))
        found = verify_case(type(case)(made, Expectation(challenge), case.anchors, case.collateral, case.policy, NOW))
        assert found.appraised


VALUES = [
    0, 23, 24, 255, 256, 65535, 65536, 2**32, 2**64 - 1, -1, -24, -25, -(2**64), b"", b"x" * 300, "", "ä" * 30, (),
    (1, (2, b"3")), {}, {1: 2, -1: 3, "a": b"b", b"c": None}, True, False, None, Tagged(18, (1,)), CHALLENGE,
]  # fmt: skip


@pytest.mark.parametrize("index", range(len(VALUES)))
def test_the_writer_is_read_back_and_is_canonical(index):
    value = VALUES[index]
    data = cbor_encode.encode(value)
    assert cbor.decode(data) == value
    if not isinstance(value, Tagged | dict):
        assert data == cbor2.dumps(value, canonical=True)


@pytest.mark.parametrize("value", [1.5, 2**64, [1], {1}])
def test_the_writer_takes_nothing_else(value):
    with pytest.raises(ArgumentError):
        cbor_encode.encode(value)


def test_map_keys_are_in_the_order_of_their_bytes():
    assert cbor_encode.encode({-1: 0, 10: 0, 265: 0, 8: 0, "a": 0}).hex() == "a508000a001901090020006161" + "00"
