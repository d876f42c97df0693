"""What the property tests do not reach: failures in between, closing, threads."""

import errno
import hashlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hallmark_client.device.chunks import CHUNK, MessageKey, SealedFile, SealedWriter
from hallmark_client.device.chunks.layout import CHUNKS_MAX
from hallmark_client.device.errors import ContentInvalid

KEY = bytes(range(32))
PLAIN = hashlib.shake_256(b"plain").digest(5_000_000)
CALLS = 7  # header, a first block of 256 KiB, four of 1 MiB, the rest


@pytest.fixture
def message(tmp_path: Path) -> Path:
    path = tmp_path / "message"
    with path.open("wb") as file:
        writer = SealedWriter(MessageKey(KEY, b"c", bytes(24)), file.write)
        writer.write(PLAIN)
        writer.finish()
        writer.close()
    return path


@pytest.mark.parametrize("fails_at", range(CALLS + 1))
def test_a_write_that_fails_is_told_to_who_writes(fails_at: int) -> None:
    calls = 0

    def write_out(_: memoryview) -> None:
        nonlocal calls
        calls += 1
        if calls > fails_at:
            raise OSError(errno.ENOSPC, "No space left on device")

    def run() -> None:
        writer = SealedWriter(MessageKey(KEY, b"c", bytes(24)), write_out)
        try:
            writer.write(PLAIN)
            writer.finish()
        finally:
            writer.close()

    if fails_at < CALLS:
        with pytest.raises(OSError, match="No space"):
            run()
    else:
        run()


def test_no_thread_stays_after_closing() -> None:
    before = threading.active_count()
    writer = SealedWriter(MessageKey(KEY, b"c", bytes(24)), lambda _: None)
    writer.write(PLAIN)
    writer.close()
    assert threading.active_count() == before


def test_a_small_message_needs_no_thread() -> None:
    before = threading.active_count()
    writer = SealedWriter(MessageKey(KEY, b"c", bytes(24)), lambda _: None)
    writer.write(PLAIN[:100])
    writer.finish()
    assert threading.active_count() == before
    writer.close()


def test_what_was_plaintext_is_overwritten() -> None:
    writer = SealedWriter(MessageKey(KEY, b"c", bytes(24)), lambda _: None)
    writer.write(PLAIN)
    buffers = [slot.plain for slot in writer._slots]
    assert any(any(buffer) for buffer in buffers)
    writer.close()
    assert not any(any(buffer) for buffer in buffers)


def test_threads_read_one_file_beside_each_other(message: Path) -> None:
    file = SealedFile.at(message, KEY, b"c")
    places = [(number * 77_777 % len(PLAIN), 50_000) for number in range(200)]
    with ThreadPoolExecutor(4) as pool:
        for (offset, size), found in zip(places, pool.map(lambda place: file.read(*place), places), strict=True):
            assert found == PLAIN[offset : offset + size]
    file.close()


def test_a_closed_reader_gives_nothing(message: Path) -> None:
    file = SealedFile.at(message, KEY, b"c")
    file.close()
    file.close()
    with pytest.raises(ValueError, match="closed"):
        file.read(0, 1)


def test_a_refused_file_leaves_no_descriptor_open(message: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for key, context in ((bytes(32), b"c"), (KEY, b"d")):
        with pytest.raises(ContentInvalid):
            SealedFile.at(message, key, context)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_a_file_that_shrinks_while_it_is_read_is_refused(message: Path) -> None:
    file = SealedFile.at(message, KEY, b"c")
    os.truncate(message, 100_000)
    with pytest.raises(ContentInvalid, match="shorter"):
        file.read(0, len(PLAIN))
    file.close()


def test_keys_salts_and_counters_have_their_sizes() -> None:
    for key, salt in ((bytes(31), bytes(24)), (bytes(32), bytes(23))):
        with pytest.raises(ValueError, match="a key has 32 bytes and a salt 24"):
            MessageKey(key, b"", salt)
    sealed, room = MessageKey(KEY, b"", bytes(24)), memoryview(bytearray(2 * CHUNK))
    for plain, first in ((bytes(5), 0), (bytes(CHUNK), CHUNKS_MAX - 1)):
        with pytest.raises(ValueError, match="whole chunks"):
            sealed.seal(first, memoryview(plain), room)
    for plain, first in ((bytes(CHUNK), 0), (b"", CHUNKS_MAX)):
        with pytest.raises(ValueError, match="shorter"):
            sealed.seal_last(first, memoryview(plain), room)
