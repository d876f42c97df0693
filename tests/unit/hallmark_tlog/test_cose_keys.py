import hashlib

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from hallmark_tlog.cose import Algorithm
from hallmark_tlog.cose_keys import encode_key, encode_key_set, parse_key, parse_key_set, thumbprint
from hallmark_tlog.errors import FormatError

ED25519 = Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key().public_bytes_raw()
ML_DSA = MLDSA44PrivateKey.from_seed_bytes(bytes(range(32))).public_key().public_bytes_raw()
BOTH = [(Algorithm.EDDSA, ED25519), (Algorithm.ML_DSA_44, ML_DSA)]


@pytest.mark.parametrize(("algorithm", "public_key"), BOTH)
def test_a_key_comes_back(algorithm: Algorithm, public_key: bytes) -> None:
    key = parse_key(encode_key(algorithm, public_key))
    assert key.public_key.public_bytes_raw() == public_key  # type: ignore[union-attr]
    assert key.kid == thumbprint(algorithm, public_key)
    assert algorithm in key.algorithms


def test_members_and_thumbprint_are_those_of_the_rfcs() -> None:
    """RFC 9052 and RFC 8152 OKP members for Ed25519; RFC 9964 AKP for ML-DSA; RFC 9679 hashes the required ones."""
    okp = cbor2.loads(encode_key(Algorithm.EDDSA, ED25519))
    assert okp == {1: 1, 2: okp[2], 3: -8, -1: 6, -2: ED25519}
    assert okp[2] == hashlib.sha256(cbor2.dumps({1: 1, -1: 6, -2: ED25519}, canonical=True)).digest()
    akp = cbor2.loads(encode_key(Algorithm.ML_DSA_44, ML_DSA))
    assert akp == {1: 7, 2: akp[2], 3: -48, -1: ML_DSA}
    assert akp[2] == hashlib.sha256(cbor2.dumps({1: 7, 3: -48, -1: ML_DSA}, canonical=True)).digest()


def test_a_set_comes_back() -> None:
    assert [key.kid for key in parse_key_set(encode_key_set(BOTH))] == [thumbprint(*each) for each in BOTH]


@pytest.mark.parametrize(
    "change",
    [{2: bytes(32)}, {3: -19}, {1: True}, {-1: 5}, {-2: ED25519[:-1]}, {4: [2]}, {1: 1.0}],
    ids=str,
)
def test_another_key_is_refused(change: dict[int, object]) -> None:
    members = {**cbor2.loads(encode_key(Algorithm.EDDSA, ED25519)), **change}
    for data in (cbor2.dumps(members), cbor2.dumps(members, canonical=True)):
        with pytest.raises(FormatError):
            parse_key(data)
        with pytest.raises(FormatError):
            parse_key_set(b"\x81" + data)


@pytest.mark.parametrize("data", [b"", b"\x80", cbor2.dumps([1] * 65), encode_key(Algorithm.EDDSA, ED25519) + b"\0"])
def test_what_is_no_set_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        parse_key_set(data)


def test_only_what_receipts_are_signed_with_is_a_key() -> None:
    with pytest.raises(FormatError):
        encode_key(Algorithm.ES256, bytes(65))
    with pytest.raises(FormatError):
        encode_key(Algorithm.EDDSA, bytes(31))
