import hashlib

import pytest

from hallmark_composite import (
    DEFAULT_ALGORITHM,
    MLDSA44_ECDSA_P256_SHA256,
    MalformedInput,
    Prehash,
    message_representative,
    prehash,
)


def test_the_representative_is_prefix_label_context_digest() -> None:
    digest = hashlib.sha512(b"message").digest()
    expected = (
        bytes.fromhex("436f6d706f73697465416c676f726974686d5369676e61747572657332303235")
        + b"COMPSIG-MLDSA65-ECDSA-P256-SHA512"
        + b"\x03ctx"
        + digest
    )
    assert message_representative(DEFAULT_ALGORITHM, digest, b"ctx") == expected


def test_an_empty_context_has_a_zero_length_byte() -> None:
    representative = message_representative(MLDSA44_ECDSA_P256_SHA256, bytes(32))
    assert representative.endswith(b"SHA256" + bytes(1) + bytes(32))


def test_the_longest_representative_has_385_bytes() -> None:
    assert len(message_representative(DEFAULT_ALGORITHM, bytes(64), bytes(255))) == 385


def test_a_context_over_255_bytes_is_refused() -> None:
    with pytest.raises(MalformedInput, match="255"):
        message_representative(DEFAULT_ALGORITHM, bytes(64), bytes(256))


@pytest.mark.parametrize("size", [0, 32, 63, 65])
def test_a_digest_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(MalformedInput, match="64"):
        message_representative(DEFAULT_ALGORITHM, bytes(size))


def test_a_message_in_pieces_has_the_digest_of_the_whole() -> None:
    hasher = Prehash(DEFAULT_ALGORITHM).update(b"mes").update(bytearray(b"sa"))
    assert hasher.digest() == hashlib.sha512(b"messa").digest()
    assert hasher.update(memoryview(b"ge")).digest() == prehash(DEFAULT_ALGORITHM, b"message")
