import hashlib

import pytest

from hallmark_client import Algorithm, SignatureInvalid, VerificationFailed, load_public_key, prehash_file, verify_file
from hallmark_composite import DEFAULT_ALGORITHM


@pytest.fixture
def signed(client, tmp_path):
    """(file, key file, signature)"""
    client.keys.create("manifest")
    file, key = tmp_path / "model.bin", tmp_path / "manifest.pem"
    file.write_bytes(b"weights" * 500_000)
    key.write_text(client.keys.public_key("manifest").pem)
    return file, key, client.signing.sign_file("manifest", file, context=b"models/v1").signature


def test_a_file_verifies_with_the_public_key_alone(signed, client) -> None:
    file, key, signature = signed
    fact = verify_file(load_public_key(key), file, signature, b"models/v1")
    assert fact.algorithm is Algorithm.MLDSA65_ECDSA_P256_SHA512
    assert fact.public_key_sha256 == client.keys.get("manifest").versions[0].public_key_sha256
    assert fact.to_dict()["path"] == str(file)


@pytest.mark.parametrize("change", ["content", "signature", "context", "no signature"])
def test_what_was_not_signed_is_refused(signed, change: str) -> None:
    file, key, signature = signed
    context = b"models/v1"
    match change:
        case "content":
            file.write_bytes(file.read_bytes()[:-1])
        case "signature":
            signature = signature[:-1] + bytes([signature[-1] ^ 1])
        case "context":
            context = b""
        case "no signature":
            signature = b""
    with pytest.raises(SignatureInvalid) as refused:
        verify_file(load_public_key(key), file, signature, context)
    assert refused.value.grpc_code is None
    assert str(file) in refused.value.message


def test_another_key_does_not_verify(signed, client) -> None:
    file, _, signature = signed
    client.keys.create("other")
    with pytest.raises(SignatureInvalid):
        verify_file(client.keys.public_key("other").composite(), file, signature, b"models/v1")


@pytest.mark.parametrize("content", [b"", b"no key", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_what_is_no_composite_key_is_named(tmp_path, content: bytes) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(content)
    with pytest.raises(VerificationFailed, match=r"key\.pem") as refused:
        load_public_key(file)
    assert refused.value.reason == "PUBLIC_KEY_INVALID"


def test_the_prehash_is_that_of_the_algorithm(tmp_path) -> None:
    file = tmp_path / "f"
    file.write_bytes(bytes(2_500_000))
    assert prehash_file(DEFAULT_ALGORITHM, file) == hashlib.sha512(bytes(2_500_000)).digest()


def test_a_key_whose_forms_differ_is_refused(fake, client) -> None:
    from hallmark_client.checksum import crc32c

    client.keys.create("one")
    client.keys.create("two")
    other = client.keys.public_key("two").raw

    def swap(answer) -> None:
        answer.public_key, answer.public_key_crc32c = other, crc32c(other)

    fake.change_answer("GetPublicKey", swap)
    with pytest.raises(VerificationFailed) as refused:
        client.keys.public_key("one").composite()
    assert refused.value.reason == "PUBLIC_KEY_INVALID"
    fake.change_answer("GetPublicKey", lambda answer: setattr(answer, "pem", "nonsense"))
    with pytest.raises(VerificationFailed):
        client.keys.public_key("one").composite()
