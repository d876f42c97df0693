"""Plaintext from any place of a Cobblestone message in a file, never before its chunk was authenticated."""

import os
import stat
import threading
from pathlib import Path
from typing import Final, Self

from hallmark_client.device.chunks.layout import BLOCK_CHUNKS, CHUNK, HEADER, SEALED_CHUNK, TAG, plain_size
from hallmark_client.device.chunks.message import MessageKey
from hallmark_client.device.errors import ContentInvalid, StoreFailed

_NONE: Final = -1

# Until a block of this size was freed once, glibc maps every block of 128 KiB or more anew (mallopt(3),
# M_MMAP_THRESHOLD); the page faults of that cost more time than opening what is read into it.
bytearray(BLOCK_CHUNKS * SEALED_CHUNK)


class SealedFile:
    """size: of the plaintext, in bytes. sealed_size: of the file.

    Checks length, commitment and the last chunk when it is made: what was cut, extended or belongs elsewhere gives
    nothing. Owns the descriptor from then on, also when it refuses. One reader at a time, from any thread: calls wait
    for each other. Raises ContentInvalid, and StoreFailed where the disk does not give the bytes.
    """

    def __init__(self, descriptor: int, key: bytes | bytearray, context: bytes) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._sealed = bytearray()
        self._cache = bytearray(CHUNK)
        self._cached = _NONE
        self._message: MessageKey | None = None
        try:
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode):
                raise ContentInvalid("CONTENT_INVALID", "what lies in the place of the encrypted file is no file")
            self.sealed_size = facts.st_size
            self.size = plain_size(self.sealed_size)
            message = MessageKey.of_header(key, context, os.pread(descriptor, HEADER, 0))
            self._load(message, self.size // CHUNK)
            self._message = message
        except OSError as error:
            self.close()
            raise _unreadable(error) from error
        except ContentInvalid:
            self.close()
            raise

    @classmethod
    def at(cls, path: Path, key: bytes | bytearray, context: bytes) -> Self:
        """Raises OSError where there is no such file."""
        # Not blocking: a pipe in its place would wait for somebody to write to it.
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        return cls(os.open(path, flags), key, context)

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fills `buffer` from `offset` on; fewer bytes only at the end. When it raises, `buffer` holds no byte that
        was not authenticated.
        """
        at, end = 0, max(0, min(len(buffer), self.size - offset))
        with self._lock:
            message = self._check_open()
            while at < end:
                chunk, within = divmod(offset + at, CHUNK)
                whole = 0 if within or chunk == self._cached else min((end - at) // CHUNK, BLOCK_CHUNKS)
                if whole:
                    at += self._open(message, chunk, whole, buffer[at : at + whole * CHUNK])
                else:
                    self._load(message, chunk)
                    count = min(end - at, CHUNK - within)
                    buffer[at : at + count] = memoryview(self._cache)[within : within + count]
                    at += count
        return end

    def read(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset` on."""
        buffer = bytearray(max(0, min(size, self.size - offset)))
        self.read_into(offset, memoryview(buffer))
        return bytes(buffer)

    def close(self) -> None:
        with self._lock:
            if self._descriptor != _NONE:
                os.close(self._descriptor)
                self._descriptor = self._cached = _NONE
                self._message = None
                self._cache[:] = bytes(CHUNK)

    def _load(self, message: MessageKey, chunk: int) -> None:
        if chunk != self._cached:
            self._cached = _NONE
            self._open(message, chunk, 1, memoryview(self._cache))
            self._cached = chunk

    def _open(self, message: MessageKey, first: int, count: int, into: memoryview) -> int:
        """Chunks `first` to `first + count`, as they lie in the file side by side."""
        start = HEADER + first * SEALED_CHUNK
        length = min(count * SEALED_CHUNK, self.sealed_size - start)
        if len(self._sealed) < length:
            self._sealed = bytearray(length)
        sealed = memoryview(self._sealed)[:length]
        try:
            found = os.preadv(self._descriptor, [sealed], start)
        except OSError as error:
            raise _unreadable(error) from error
        if found != length:
            raise ContentInvalid("CONTENT_INVALID", "the encrypted file became shorter while it was read")
        return message.open(first, sealed, into[: length - TAG * count])

    def _check_open(self) -> MessageKey:
        if self._message is None:
            raise ValueError("I/O operation on closed file")
        return self._message


def _unreadable(error: OSError) -> StoreFailed:
    return StoreFailed("STORE_FAILED", f"the encrypted file can not be read: {error.strerror or error}")
