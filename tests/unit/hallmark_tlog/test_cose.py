import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hallmark_tlog.cose import (
    Algorithm,
    CoseKey,
    decode_cbor,
    encode_cbor,
    encode_sign1,
    load_key,
    parse_sign1,
    protected_header,
    signed_bytes,
    verify_sign1,
)
from hallmark_tlog.errors import BadSignature, FormatError, NotSigned
from unit.hallmark_tlog.cose_signers import ED25519, SIGNERS, CoseSigner

EVERY_SIGNER = pytest.mark.parametrize("signer", SIGNERS, ids=lambda signer: signer.algorithm.name)
ED25519_SIGNER = SIGNERS[0]
PAYLOAD = b"what is signed"


def header(algorithm: Algorithm, kid: bytes = b"kid") -> bytes:
    return protected_header(algorithm=algorithm, kid=kid, issuer="https://issuer.example", subject="sub")


def message(signer: CoseSigner, *, kid: bytes = b"kid", attached: bool = True) -> bytes:
    protected = header(signer.algorithm, kid)
    signature = signer.sign(signed_bytes(protected, PAYLOAD))
    return encode_sign1(protected, {}, PAYLOAD if attached else None, signature)


def pem(public_key) -> bytes:
    return public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@EVERY_SIGNER
def test_a_message_verifies_attached_and_detached(signer: CoseSigner) -> None:
    assert verify_sign1(message(signer), [signer.key]) is signer.key
    assert verify_sign1(message(signer), [signer.key], payload=PAYLOAD) is signer.key
    assert verify_sign1(message(signer, attached=False), [signer.key], payload=PAYLOAD) is signer.key
    assert verify_sign1(message(signer).removeprefix(b"\xd2"), [signer.key]) is signer.key


@EVERY_SIGNER
def test_any_change_breaks_the_signature(signer: CoseSigner) -> None:
    parsed = parse_sign1(message(signer))
    flipped = parsed.signature[:-1] + bytes([parsed.signature[-1] ^ 1])
    for signature in (flipped, parsed.signature[:-1], parsed.signature + b"\0", b"", bytes(len(flipped))):
        with pytest.raises(BadSignature):
            verify_sign1(encode_sign1(parsed.protected, {}, PAYLOAD, signature), [signer.key])
    with pytest.raises(BadSignature):
        verify_sign1(encode_sign1(parsed.protected, {}, PAYLOAD + b"!", parsed.signature), [signer.key])
    with pytest.raises(BadSignature):
        verify_sign1(encode_sign1(header(signer.algorithm, b"x"), {}, PAYLOAD, parsed.signature), [signer.key])


@EVERY_SIGNER
def test_an_algorithm_goes_with_its_kind_of_key_only(signer: CoseSigner) -> None:
    others = [other.key for other in SIGNERS if signer.algorithm not in other.key.algorithms]
    assert others
    with pytest.raises(NotSigned):
        verify_sign1(message(signer), others)
    assert verify_sign1(message(signer), [*others, signer.key]) is signer.key


@EVERY_SIGNER
def test_keys_are_loaded_from_pem(signer: CoseSigner) -> None:
    assert verify_sign1(message(signer), [load_key(pem(signer.key.public_key))])


def test_the_key_id_chooses_among_keys_that_have_one() -> None:
    public = ED25519.public_key()
    data = message(ED25519_SIGNER)
    assert verify_sign1(data, [CoseKey(public, b"kid")]).kid == b"kid"
    with pytest.raises(NotSigned):
        verify_sign1(data, [CoseKey(public, b"other")])
    without = encode_cbor({1: -8})
    data = encode_sign1(without, {}, PAYLOAD, ED25519.sign(signed_bytes(without, PAYLOAD)))
    assert verify_sign1(data, [CoseKey(public, b"other")])


def test_the_claims() -> None:
    parsed = parse_sign1(message(ED25519_SIGNER))
    assert (parsed.kid, parsed.issuer, parsed.subject) == (b"kid", "https://issuer.example", "sub")
    bare = parse_sign1(encode_sign1(encode_cbor({1: -8, 4: 7, 15: {1: 5}}), {}, PAYLOAD, b""))
    assert (bare.kid, bare.issuer, bare.subject) == (None, None, None)
    odd = parse_sign1(encode_sign1(encode_cbor({1: -8, 15: 7}), {}, PAYLOAD, b""))
    assert odd.issuer is None


def test_the_sig_structure() -> None:
    assert cbor2.loads(signed_bytes(b"\xa0", b"p")) == ["Signature1", b"\xa0", b"", b"p"]


def test_payloads_that_are_missing_or_two() -> None:
    with pytest.raises(FormatError):
        verify_sign1(message(ED25519_SIGNER, attached=False), [ED25519_SIGNER.key])
    with pytest.raises(FormatError):
        verify_sign1(message(ED25519_SIGNER), [ED25519_SIGNER.key], payload=b"another")


@pytest.mark.parametrize("algorithm", [None, -7.0, True, [], {}, "ES256"])
def test_an_algorithm_is_an_integer(algorithm: object) -> None:
    protected = encode_cbor({1: algorithm})
    with pytest.raises(FormatError):
        verify_sign1(encode_sign1(protected, {}, PAYLOAD, bytes(64)), [ED25519_SIGNER.key])


def test_an_algorithm_in_the_unprotected_header_is_not_believed() -> None:
    signature = ED25519.sign(signed_bytes(b"", PAYLOAD))
    with pytest.raises(FormatError):
        verify_sign1(encode_sign1(b"", {1: -8}, PAYLOAD, signature), [ED25519_SIGNER.key])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xd2",
        encode_cbor([b"", {}, b""]),
        encode_cbor([b"", {}, b"", b"", b""]),
        encode_cbor(["", {}, b"", b""]),
        encode_cbor([b"", [], b"", b""]),
        encode_cbor([b"", {}, "text", b""]),
        encode_cbor([b"", {}, b"", None]),
        encode_cbor([b"\x01", {}, b"", b""]),
        encode_cbor([b"\xa0\x00", {}, b"", b""]),
        encode_cbor([encode_cbor({2: [1]}), {}, b"", b""]),
        encode_cbor([encode_cbor({1: -8}), {1: -8}, b"", b""]),
        encode_cbor([b"", {}, b"", b""]) + b"\x00",
        b"\xd2" + message(ED25519_SIGNER),
        b"\xd1" + message(ED25519_SIGNER)[1:],
        encode_cbor([b"", {}, bytes(1_000_001), b""]),
    ],
)
def test_what_is_no_message(data: bytes) -> None:
    with pytest.raises(FormatError):
        parse_sign1(data)


@pytest.mark.parametrize(
    "data",
    [
        "",
        "0101",  # two items
        "9fff",  # indefinite length
        "a201020103",  # a label twice
        "a1f503",  # a label that is true, to Python 1
        "81a1f93c0003",  # a label that is 1.0
        "a1810102",  # a label that is a list
        "c11a514b67b0",  # tags
        "d81c81d81d00",
        "81d9010281 01",
        "c249010000000000000000",
        "5affffffff",
        "9affffffff",
        "61ff",
        "81" * 40 + "01",
        "1f",
        "ff",
    ],
)
def test_cbor_that_is_not_accepted(data: str) -> None:
    with pytest.raises(FormatError):
        decode_cbor(bytes.fromhex(data))


def test_keys_of_other_kinds() -> None:
    with pytest.raises(FormatError):
        CoseKey(ec.derive_private_key(5, ec.SECP521R1()).public_key())
    with pytest.raises(FormatError):
        load_key(pem(x25519.X25519PrivateKey.generate().public_key()))
    for data in (b"", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"):
        with pytest.raises(FormatError):
            load_key(data)
