"""COSE_Sign1 (RFC 9052): what is read, what is refused, and every algorithm with a key that fits and one that does not."""

import cbor2
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from attestation import EvidenceError, Reason
from attestation.cose_sign1 import MAX_MESSAGE_BYTES, CoseAlgorithm, parse_cose_sign1, sig_structure

ECDSA = {
    CoseAlgorithm.ES256: (ec.SECP256R1(), hashes.SHA256()),
    CoseAlgorithm.ES384: (ec.SECP384R1(), hashes.SHA384()),
    CoseAlgorithm.ES512: (ec.SECP521R1(), hashes.SHA512()),
}
KEYS = {algorithm: ec.generate_private_key(curve) for algorithm, (curve, _) in ECDSA.items()} | {
    CoseAlgorithm.EDDSA: ed25519.Ed25519PrivateKey.generate(),
    CoseAlgorithm.ML_DSA_44: mldsa.MLDSA44PrivateKey.generate(),
    CoseAlgorithm.ML_DSA_65: mldsa.MLDSA65PrivateKey.generate(),
    CoseAlgorithm.ML_DSA_87: mldsa.MLDSA87PrivateKey.generate(),
}
ALL = frozenset(CoseAlgorithm)


def spki(algorithm: CoseAlgorithm) -> bytes:
    return KEYS[algorithm].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def sign(algorithm: CoseAlgorithm, message: bytes) -> bytes:
    key = KEYS[algorithm]
    if algorithm not in ECDSA:
        return key.sign(message)
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(ECDSA[algorithm][1])))
    size = (key.key_size + 7) // 8
    return r.to_bytes(size) + s.to_bytes(size)


def message(algorithm: CoseAlgorithm = CoseAlgorithm.ES384, *, aad: bytes = b"", payload: bytes = b"payload") -> list:
    protected = cbor2.dumps({1: int(algorithm)})
    return [protected, {}, payload, sign(algorithm, sig_structure(protected, payload, external_aad=aad))]


def reason_of(data: bytes, key: bytes, *, allowed: frozenset[CoseAlgorithm] = ALL, aad: bytes = b"") -> Reason:
    with pytest.raises(EvidenceError) as caught:
        parse_cose_sign1(data).verify(key, algorithms=allowed, external_aad=aad)
    return caught.value.reason


@pytest.mark.parametrize("algorithm", CoseAlgorithm)
def test_every_algorithm(algorithm):
    fields = message(algorithm, aad=b"aad")
    for data in (cbor2.dumps(fields), cbor2.dumps(cbor2.CBORTag(18, fields))):
        parse_cose_sign1(data).verify(spki(algorithm), algorithms={algorithm}, external_aad=b"aad")
        assert reason_of(data, spki(algorithm)) is Reason.BAD_SIGNATURE
        assert reason_of(data, spki(algorithm), allowed=ALL - {algorithm}, aad=b"aad") is Reason.UNSUPPORTED_ALGORITHM
    for other in ALL - {algorithm}:
        assert reason_of(cbor2.dumps(fields), spki(other), aad=b"aad") is Reason.UNSUPPORTED_ALGORITHM


def test_every_bit_of_the_message_counts():
    data = cbor2.dumps(message())
    for index in range(len(data)):
        changed = bytearray(data)
        changed[index] ^= 1
        with pytest.raises(EvidenceError):
            parse_cose_sign1(bytes(changed)).verify(spki(CoseAlgorithm.ES384), algorithms=ALL)


@pytest.mark.parametrize("size", [0, 23, 24, 255, 256, 60_000])
def test_sig_structure_is_the_deterministic_array(size):
    """Against an independent CBOR writer, at every length of a byte string's head."""
    payload = bytes(size)
    assert sig_structure(b"\xa0", payload, external_aad=b"x") == cbor2.dumps(["Signature1", b"\xa0", b"x", payload])


def test_ecdsa_signatures_are_two_numbers_of_full_length():
    fields = message()
    fields[3] = fields[3][1:]
    assert reason_of(cbor2.dumps(fields), spki(CoseAlgorithm.ES384)) is Reason.BAD_SIGNATURE
    fields[3] = b""
    assert reason_of(cbor2.dumps(fields), spki(CoseAlgorithm.ES384)) is Reason.BAD_SIGNATURE


@pytest.mark.parametrize("protected", [b"", cbor2.dumps({}), cbor2.dumps({1: -37}), cbor2.dumps({1: "ES384"})])
def test_the_algorithm_must_be_named_and_known(protected):
    fields = message()
    fields[0] = protected
    assert reason_of(cbor2.dumps(fields), spki(CoseAlgorithm.ES384)) is Reason.UNSUPPORTED_ALGORITHM


def test_a_boolean_is_no_algorithm():
    fields = message()
    fields[0] = cbor2.dumps({1: True})
    assert reason_of(cbor2.dumps(fields), spki(CoseAlgorithm.ES384)) is Reason.UNSUPPORTED_ALGORITHM


GOOD = message()
REFUSED = {
    "no array": cbor2.dumps({1: 2}),
    "three fields": cbor2.dumps(GOOD[:3]),
    "five fields": cbor2.dumps([*GOOD, b""]),
    "another tag": cbor2.dumps(cbor2.CBORTag(17, GOOD)),
    "tag twice": cbor2.dumps(cbor2.CBORTag(18, cbor2.CBORTag(18, GOOD))),
    "bytes behind": cbor2.dumps(GOOD) + b"\0",
    "detached payload": cbor2.dumps([*GOOD[:2], None, GOOD[3]]),
    "text for a payload": cbor2.dumps([*GOOD[:2], "payload", GOOD[3]]),
    "protected is a map": cbor2.dumps([{1: -35}, *GOOD[1:]]),
    "protected holds an array": cbor2.dumps([cbor2.dumps([1]), *GOOD[1:]]),
    "bytes behind the protected map": cbor2.dumps([GOOD[0] + b"\0", *GOOD[1:]]),
    "unprotected is bytes": cbor2.dumps([GOOD[0], b"", *GOOD[2:]]),
    "header twice": cbor2.dumps([GOOD[0], {1: -35}, *GOOD[2:]]),
    "critical header": cbor2.dumps([cbor2.dumps({1: -35, 2: [4]}), *GOOD[1:]]),
    "critical outside": cbor2.dumps([GOOD[0], {2: [4]}, *GOOD[2:]]),
    "indefinite length": b"\x9f" + b"".join(map(cbor2.dumps, GOOD)) + b"\xff",
    "too long": cbor2.dumps([GOOD[0], {}, bytes(MAX_MESSAGE_BYTES), b""]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    with pytest.raises(EvidenceError) as caught:
        parse_cose_sign1(REFUSED[name])
    assert caught.value.reason is Reason.MALFORMED
