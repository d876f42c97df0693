"""COSE keys: every kind that counts becomes the SPKI of the same key; everything inexact is refused."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from attestation import EvidenceError, Reason
from attestation import cose_key as cose
from attestation.cose_key import parse_cose_key
from attestation.testing.authenticator import cose_map, credential_spki
from attestation.testing.webauthn import KEYS

P256 = cose_map(KEYS["ES256"]())
RSA = {1: 3, 3: cose.RS256, -1: (2**2047 + 1).to_bytes(256), -2: b"\x01\x00\x01"}


@pytest.mark.parametrize("name", KEYS)
def test_a_key_and_its_cose_form_have_one_spki(name):
    key = KEYS[name]()
    found = parse_cose_key(cose_map(key), algorithm_required=True)
    assert found.spki == credential_spki(key)
    assert found.algorithm == cose_map(key)[3]


def test_the_algorithm_may_be_absent_where_it_is_not_asked_for():
    without = {label: value for label, value in P256.items() if label != 3}
    assert parse_cose_key(without).algorithm is None
    with pytest.raises(EvidenceError) as caught:
        parse_cose_key(without, algorithm_required=True)
    assert caught.value.reason is Reason.MALFORMED


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, Reason.MALFORMED),
        ({}, Reason.UNSUPPORTED_ALGORITHM),
        (P256 | {1: 4}, Reason.UNSUPPORTED_ALGORITHM),  # symmetric
        (P256 | {3: "ES256"}, Reason.MALFORMED),
        (P256 | {3: True}, Reason.MALFORMED),
        (P256 | {3: cose.ES384}, Reason.UNSUPPORTED_ALGORITHM),
        (P256 | {-1: 8}, Reason.UNSUPPORTED_ALGORITHM),  # secp256k1
        (P256 | {-2: P256[-2][1:]}, Reason.MALFORMED),
        (P256 | {-2: b"\x00" + P256[-2]}, Reason.MALFORMED),
        (P256 | {-2: 7}, Reason.MALFORMED),
        (P256 | {-3: bytes(32)}, Reason.MALFORMED),  # off the curve
        (P256 | {-3: True}, Reason.MALFORMED),  # compressed points are not used by authenticators
        (P256 | {-4: bytes(32)}, Reason.MALFORMED),  # private
        (RSA | {3: cose.RS1}, Reason.UNSUPPORTED_ALGORITHM),
        (RSA | {-2: b"\x02"}, Reason.MALFORMED),
        (RSA | {-2: bytes(5)}, Reason.MALFORMED),
        (RSA | {-1: bytes(1025)}, Reason.MALFORMED),
        (RSA | {-3: b"\x01"}, Reason.MALFORMED),  # private
        ({1: 1, 3: cose.EDDSA, -1: 6, -2: bytes(31)}, Reason.MALFORMED),
        ({1: 1, 3: cose.ED448, -1: 6, -2: bytes(32)}, Reason.UNSUPPORTED_ALGORITHM),
        ({1: 7, 3: cose.ML_DSA_44, -1: bytes(1311)}, Reason.MALFORMED),
        ({1: 7, -1: bytes(1312)}, Reason.UNSUPPORTED_ALGORITHM),  # the algorithm names the parameter set
    ],
)
def test_what_is_not_exact_is_refused(value, reason):
    with pytest.raises(EvidenceError) as caught:
        parse_cose_key(value)
    assert caught.value.reason is reason


def test_ed448_and_esp256_count():
    assert parse_cose_key({1: 1, 3: cose.EDDSA, -1: 7, -2: bytes(57)}).spki
    numbers = ec.derive_private_key(7, ec.SECP256R1()).public_key().public_numbers()
    key = {1: 2, 3: cose.ESP256, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)}
    assert parse_cose_key(key).algorithm == cose.ESP256
