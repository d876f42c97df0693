"""Plain public keys: what is one, and what verifies with it."""

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from composite_keys import SoftwareCompositeKey
from hallmark_client import PlainPublicKey, SignatureInvalid, VerificationFailed, load_public_key, verify_file
from hallmark_client.bundle import signed_input
from hallmark_client.model.enums import Algorithm
from hallmark_client.verifying_key import MESSAGE_BYTES_MAX, verifying_key
from hallmark_composite import MLDSA65_ECDSA_P256_SHA512, CompositePublicKey

MESSAGE = b"weights" * 200_000
GENERATORS = {
    Algorithm.ML_DSA_44: mldsa.MLDSA44PrivateKey.generate,
    Algorithm.ML_DSA_65: mldsa.MLDSA65PrivateKey.generate,
    Algorithm.ML_DSA_87: mldsa.MLDSA87PrivateKey.generate,
    Algorithm.ECDSA_P256_SHA256: lambda: ec.generate_private_key(ec.SECP256R1()),
    Algorithm.ECDSA_P384_SHA384: lambda: ec.generate_private_key(ec.SECP384R1()),
    Algorithm.ED25519: ed25519.Ed25519PrivateKey.generate,
}
KEYS = {algorithm: generate() for algorithm, generate in GENERATORS.items()}
WITH_CONTEXT = {Algorithm.ML_DSA_44, Algorithm.ML_DSA_65, Algorithm.ML_DSA_87}


def spki(key) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def sign(algorithm: Algorithm, message: bytes, context: bytes = b"") -> bytes:
    key = KEYS[algorithm]
    match algorithm:
        case Algorithm.ECDSA_P256_SHA256:
            return key.sign(message, ec.ECDSA(hashes.SHA256()))
        case Algorithm.ECDSA_P384_SHA384:
            return key.sign(message, ec.ECDSA(hashes.SHA384()))
        case Algorithm.ED25519:
            return key.sign(message)
        case _:
            return key.sign(message, context)


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_file_verifies_with_the_pem_alone(tmp_path, algorithm: Algorithm) -> None:
    context = b"models/v1" if algorithm in WITH_CONTEXT else b""
    file, pem = tmp_path / "file", tmp_path / "key.pem"
    file.write_bytes(MESSAGE)
    pem.write_bytes(KEYS[algorithm].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    key = load_public_key(pem)
    signature = sign(algorithm, MESSAGE, context)
    fact = verify_file(key, file, signature, context)
    assert (fact.algorithm, fact.public_key_sha256) == (algorithm, key.fingerprint().hex())
    other = PlainPublicKey.from_spki_der(spki(GENERATORS[algorithm]()))
    for wrong_key, wrong_signature, wrong_context in (
        (key, signature[:-1], context),
        (key, b"", context),
        (key, signature, b"another"),
        (key, bytes([signature[0] ^ 1]) + signature[1:], context),
        (other, signature, context),
    ):
        with pytest.raises(SignatureInvalid, match="file"):
            verify_file(wrong_key, file, wrong_signature, wrong_context)
    file.write_bytes(MESSAGE[:-1])
    with pytest.raises(SignatureInvalid):
        verify_file(key, file, signature, context)


def test_an_ecdsa_signature_has_one_spelling() -> None:
    algorithm = Algorithm.ECDSA_P256_SHA256
    key = PlainPublicKey.from_spki_der(spki(KEYS[algorithm]))
    signature = sign(algorithm, b"m")
    assert decode_dss_signature(signature)
    with pytest.raises(SignatureInvalid):
        key.verify(b"\x30\x81" + signature[1:], [b"m"])


def test_what_the_log_holds_of_the_input(tmp_path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    ed = PlainPublicKey.from_spki_der(spki(KEYS[Algorithm.ED25519]))
    assert signed_input(ed, tmp_path / "file") == b"content"
    p256 = PlainPublicKey.from_spki_der(spki(KEYS[Algorithm.ECDSA_P256_SHA256]))
    digest = hashes.Hash(hashes.SHA256())
    digest.update(b"content")
    assert signed_input(p256, tmp_path / "file") == digest.finalize()
    pure = PlainPublicKey.from_spki_der(spki(KEYS[Algorithm.ML_DSA_65]))
    assert len(signed_input(pure, tmp_path / "file")) == 64
    assert signed_input(pure, tmp_path / "file") != signed_input(pure, tmp_path / "file", b"context")


def test_bounds() -> None:
    ed = PlainPublicKey.from_spki_der(spki(KEYS[Algorithm.ED25519]))
    with pytest.raises(SignatureInvalid):
        ed.verify(bytes(64), iter([bytes(MESSAGE_BYTES_MAX), b"x"]))
    pure = PlainPublicKey.from_spki_der(spki(KEYS[Algorithm.ML_DSA_44]))
    with pytest.raises(SignatureInvalid):
        pure.verify(bytes(2420), [b"m"], context=bytes(256))


FOREIGN = {
    "nothing": b"",
    "noise": bytes(100),
    "RSA": spki(rsa.generate_private_key(65537, 2048)),
    "another curve": spki(ec.generate_private_key(ec.SECP521R1())),
    "Ed448": spki(ed448.Ed448PrivateKey.generate()),
    "more behind it": spki(KEYS[Algorithm.ED25519]) + b"\0",
    "a compressed point": KEYS[Algorithm.ECDSA_P256_SHA256]
    .public_key()
    .public_bytes(Encoding.X962, PublicFormat.CompressedPoint),
}


@pytest.mark.parametrize("der", FOREIGN.values(), ids=FOREIGN)
def test_what_is_no_key_of_ours_is_refused(der: bytes) -> None:
    with pytest.raises(VerificationFailed) as refused:
        verifying_key(der)
    assert refused.value.reason == "PUBLIC_KEY_INVALID"


def test_a_composite_stays_one() -> None:
    key = SoftwareCompositeKey(MLDSA65_ECDSA_P256_SHA512).public_key
    found = verifying_key(key.to_spki_der())
    assert isinstance(found, CompositePublicKey)
    assert found == key
