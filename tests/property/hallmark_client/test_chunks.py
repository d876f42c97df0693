"""Cobblestone-256 as written and read here, against `cryptography.cobblestone`, in both directions."""

import hashlib
import os
import tempfile
from pathlib import Path

import pytest
from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from hypothesis import assume, given
from hypothesis import strategies as st

from hallmark_client.device.chunks import CHUNK, HEADER, SEALED_CHUNK, MessageKey, SealedFile, SealedWriter, sealed_size
from hallmark_client.device.chunks.layout import BLOCK_CHUNKS, plain_size
from hallmark_client.device.errors import ContentInvalid

KEY = bytes(range(32))
CONTEXT = b'{"part":""}'
FIRST, BLOCK = 16 * CHUNK, BLOCK_CHUNKS * CHUNK  # blocks as the writer makes them
around = st.sampled_from(
    [0, CHUNK, 5 * CHUNK, FIRST - CHUNK, FIRST, FIRST + BLOCK, FIRST + 2 * BLOCK, FIRST + 4 * BLOCK]
)
sizes = st.builds(lambda base, off: max(0, base + off), around, st.integers(-17, 17)) | st.integers(0, 3 * CHUNK)


def plaintext(size: int) -> bytes:
    """Of that size; no two chunks are alike."""
    return hashlib.shake_256(b"chunks").digest(size)


def sealed(plain: bytes, pieces: int = 1 << 20) -> bytes:
    out = bytearray()
    writer = SealedWriter(MessageKey(KEY, CONTEXT, os.urandom(24)), out.extend)
    for start in range(0, len(plain), pieces):
        writer.write(plain[start : start + pieces])
    told = writer.finish()
    writer.close()
    assert (told.size, told.sha256) == (len(plain), hashlib.sha256(plain).hexdigest())
    assert (told.sealed_size, told.sealed_sha256) == (len(out), hashlib.sha256(out).hexdigest())
    return bytes(out)


def by_library(plain: bytes) -> bytes:
    encryptor = Cobblestone256Encryptor(KEY, CONTEXT)
    return encryptor.update(plain) + encryptor.finalize()


def opened(message: bytes, key: bytes = KEY, context: bytes = CONTEXT) -> SealedFile:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "message"
        path.write_bytes(message)
        return SealedFile.at(path, key, context)


def whole(message: bytes, key: bytes = KEY, context: bytes = CONTEXT) -> bytes:
    file = opened(message, key, context)
    try:
        return file.read(0, file.size)
    finally:
        file.close()


@given(size=sizes, pieces=st.sampled_from([1 << 20, CHUNK, CHUNK + 1, 70_001]))
def test_what_is_written_here_the_library_opens(size: int, pieces: int) -> None:
    plain = plaintext(size)
    message = sealed(plain, pieces)
    decryptor = Cobblestone256Decryptor(KEY, CONTEXT)
    assert decryptor.update(message) + decryptor.finalize() == plain
    assert len(message) == sealed_size(size)
    assert plain_size(len(message)) == size


@given(size=sizes)
def test_what_the_library_writes_is_opened_here(size: int) -> None:
    assert whole(by_library(plaintext(size))) == plaintext(size)


@given(size=sizes, places=st.lists(st.tuples(st.integers(0, 5 * BLOCK), st.integers(0, 3 * CHUNK)), max_size=8))
def test_any_place_in_any_order_gives_its_bytes(size: int, places: list[tuple[int, int]]) -> None:
    plain = plaintext(size)
    file = opened(by_library(plain))
    try:
        for offset, length in places:
            assert file.read(offset, length) == plain[offset : offset + length]
        buffer = bytearray(b"\xaa" * (size + 5))
        assert file.read_into(0, memoryview(buffer)) == size
        assert bytes(buffer) == plain + b"\xaa" * 5
    finally:
        file.close()


@given(size=st.integers(0, 3 * CHUNK), data=st.data())
def test_a_changed_byte_is_found_wherever_it_is(size: int, data: st.DataObject) -> None:
    message = bytearray(by_library(plaintext(size)))
    place = data.draw(st.integers(0, len(message) - 1))
    message[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ContentInvalid):
        whole(bytes(message))


@given(size=st.integers(2 * CHUNK, 4 * CHUNK), changed=st.integers(0, 1))
def test_no_byte_of_a_changed_chunk_is_given(size: int, changed: int) -> None:
    message = bytearray(by_library(plaintext(size)))
    message[HEADER + changed * SEALED_CHUNK + 77] ^= 1
    file = opened(bytes(message))
    try:
        buffer = bytearray(b"\xaa" * size)
        with pytest.raises(ContentInvalid):
            file.read_into(0, memoryview(buffer))
        kept = bytes(buffer[: changed * CHUNK])
        assert kept in (bytes(len(kept)), plaintext(size)[: len(kept)])
        assert set(buffer[changed * CHUNK : (changed + 1) * CHUNK]) == {0}
    finally:
        file.close()


@given(size=sizes, data=st.data())
def test_a_truncated_message_gives_nothing(size: int, data: st.DataObject) -> None:
    message = by_library(plaintext(size))
    edges = [HEADER + number * SEALED_CHUNK for number in range(size // CHUNK + 1)]
    cut = data.draw(st.sampled_from(edges) | st.integers(0, len(message) - 1))
    with pytest.raises(ContentInvalid):
        opened(message[:cut])


@given(size=sizes, more=st.integers(1, 2 * SEALED_CHUNK))
def test_an_extended_message_gives_nothing(size: int, more: int) -> None:
    with pytest.raises(ContentInvalid):
        opened(by_library(plaintext(size)) + bytes(more))


@given(size=st.integers(2 * CHUNK, 5 * CHUNK), data=st.data())
def test_chunks_that_changed_places_are_found(size: int, data: st.DataObject) -> None:
    message = by_library(plaintext(size))
    one, other = data.draw(st.lists(st.integers(0, size // CHUNK - 1), min_size=2, max_size=2, unique=True))
    places = [slice(HEADER + n * SEALED_CHUNK, HEADER + (n + 1) * SEALED_CHUNK) for n in (one, other)]
    swapped = bytearray(message)
    swapped[places[0]], swapped[places[1]] = message[places[1]], message[places[0]]
    with pytest.raises(ContentInvalid):
        whole(bytes(swapped))


@given(size=st.integers(0, CHUNK), key=st.binary(min_size=32, max_size=32), context=st.binary(max_size=40))
def test_another_key_or_context_opens_nothing(size: int, key: bytes, context: bytes) -> None:
    assume((key, context) != (KEY, CONTEXT))
    with pytest.raises(ContentInvalid):
        opened(by_library(plaintext(size)), key, context)


@given(foreign=st.binary(max_size=200) | st.integers(0, 3 * SEALED_CHUNK).map(bytes))
def test_foreign_bytes_raise_nothing_else(foreign: bytes) -> None:
    with pytest.raises(ContentInvalid):
        opened(foreign)


@given(size=st.integers(0, 2**50))
def test_lengths_of_messages_tell_the_lengths_of_plaintexts(size: int) -> None:
    assert plain_size(sealed_size(size)) == size


@given(number=st.integers(0, 2**38 - 1), rest=st.integers(0, 15))
def test_no_other_length_is_one_of_a_message(number: int, rest: int) -> None:
    """Section "Implementation notes": 56 + k * 16400 is a truncation, and fewer than 16 bytes more are no chunk."""
    with pytest.raises(ContentInvalid):
        plain_size(HEADER + number * SEALED_CHUNK + rest)
