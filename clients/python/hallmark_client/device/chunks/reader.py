"""Plaintext from any place of a Cobblestone message in a file, never before its chunk was authenticated."""

import os
import threading
from pathlib import Path
from typing import Final, Self

from hallmark_client.device.chunks.layout import BLOCK_CHUNKS, CHUNK, HEADER, SEALED_CHUNK, TAG, plain_size
from hallmark_client.device.chunks.message import MessageKey
from hallmark_client.device.errors import ContentInvalid, StoreFailed

_NONE: Final = -1


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
        try:
            self.sealed_size = os.fstat(descriptor).st_size
            self.size = plain_size(self.sealed_size)
            self._message = MessageKey.of_header(key, context, os.pread(descriptor, HEADER, 0))
            self._load(self.size // CHUNK)
        except OSError as error:
            self.close()
            raise _unreadable(error) from error
        except ContentInvalid:
            self.close()
            raise

    @classmethod
    def at(cls, path: Path, key: bytes | bytearray, context: bytes) -> Self:
        """Raises OSError where there is no such file."""
        return cls(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW), key, context)

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fills `buffer` from `offset` on; fewer bytes only at the end. When it raises, `buffer` holds no byte that
        was not authenticated.
        """
        at, end = 0, max(0, min(len(buffer), self.size - offset))
        with self._lock:
            self._check_open()
            while at < end:
                chunk, within = divmod(offset + at, CHUNK)
                whole = 0 if within or chunk == self._cached else min((end - at) // CHUNK, BLOCK_CHUNKS)
                if whole:
                    at += self._open(chunk, whole, buffer[at : at + whole * CHUNK])
                else:
                    self._load(chunk)
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
                self._cache[:] = bytes(CHUNK)

    def _load(self, chunk: int) -> None:
        if chunk != self._cached:
            self._cached = _NONE
            self._open(chunk, 1, memoryview(self._cache))
            self._cached = chunk

    def _open(self, first: int, count: int, into: memoryview) -> int:
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
        return self._message.open(first, sealed, into[: length - TAG * count])

    def _check_open(self) -> None:
        if self._descriptor == _NONE:
            raise ValueError("I/O operation on closed file")


def _unreadable(error: OSError) -> StoreFailed:
    return StoreFailed("STORE_FAILED", f"the encrypted file can not be read: {error.strerror or error}")
