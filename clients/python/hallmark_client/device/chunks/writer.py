"""Plaintext in, a Cobblestone message out, in one pass with both digests and a fixed amount of memory.

The calling thread hashes and encrypts a block; a second one hashes and writes what was encrypted before. OpenSSL lets
go of the interpreter while it works, so both cores are busy.
"""

import hashlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from hallmark_client.device.chunks.layout import BLOCK_CHUNKS, CHUNK, SEALED_CHUNK, TAG
from hallmark_client.device.chunks.message import MessageKey

_FIRST: Final = 16
"""Chunks of the first block: small messages need little memory. Others have BLOCK_CHUNKS."""
_SLOTS: Final = 3
"""Blocks under way: one being filled, one being written, one between them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """size, sha256: of the plaintext. sealed_size, sealed_sha256: of the whole message. Digests as hex."""

    size: int
    sha256: str
    sealed_size: int
    sealed_sha256: str


class _Slot:
    def __init__(self, chunks: int) -> None:
        self.plain = bytearray(chunks * CHUNK)
        self.sealed = bytearray(chunks * SEALED_CHUNK + TAG)
        self.written: Future[None] | None = None


class SealedWriter:
    """Takes pieces of any size; `write_out` gets the message from start to end, called by one thread at a time, and
    raises OSError where it can not. After an error the message is worth nothing: close and discard it.
    """

    def __init__(self, message: MessageKey, write_out: Callable[[memoryview], None]) -> None:
        self._message = message
        self._write_out = write_out
        self._plain_hash = hashlib.sha256()
        self._sealed_hash = hashlib.sha256()
        self._slots = [_Slot(_FIRST)]
        self._slot = self._slots[0]
        self._filled = 0
        self._size = self._sealed_size = 0
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="hallmark-sealed-writer")
        self._put_out(memoryview(message.header))

    def space(self) -> memoryview:
        """Where the next bytes may be read into, never empty; then say `filled`."""
        return memoryview(self._slot.plain)[self._filled :]

    def filled(self, count: int) -> None:
        self._filled += count
        if self._filled == len(self._slot.plain):
            self._seal_block()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        view = memoryview(data).cast("B")
        while view:
            space = self.space()
            count = min(len(space), len(view))
            space[:count] = view[:count]
            self.filled(count)
            view = view[count:]

    def finish(self) -> Sealed:
        """The last chunk is out, and everything before it."""
        slot, whole = self._slot, self._filled // CHUNK * CHUNK
        plain, into = memoryview(slot.plain)[: self._filled], memoryview(slot.sealed)
        self._plain_hash.update(plain)
        first = self._size // CHUNK
        count = self._message.seal(first, plain[:whole], into)
        count += self._message.seal_last(first + whole // CHUNK, plain[whole:], into[count:])
        self._size += self._filled
        self._wait()
        self._put_out(into[:count])
        return Sealed(
            size=self._size,
            sha256=self._plain_hash.hexdigest(),
            sealed_size=self._sealed_size,
            sealed_sha256=self._sealed_hash.hexdigest(),
        )

    def close(self) -> None:
        """Nothing is written after this. What was plaintext is overwritten."""
        self._writer.shutdown(wait=True, cancel_futures=True)
        for slot in self._slots:
            slot.plain[:] = bytes(len(slot.plain))
        self._slots.clear()

    def _seal_block(self) -> None:
        slot = self._slot
        self._plain_hash.update(slot.plain)
        count = self._message.seal(self._size // CHUNK, memoryview(slot.plain), memoryview(slot.sealed))
        self._size += len(slot.plain)
        slot.written = self._writer.submit(self._put_out, memoryview(slot.sealed)[:count])
        self._filled = 0
        self._slot = self._next_slot()

    def _next_slot(self) -> _Slot:
        """The one that was used longest ago, as soon as it is written; a new one while there are few. The first and
        small one is used once.
        """
        if len(self._slots) <= _SLOTS:
            self._slots.append(_Slot(BLOCK_CHUNKS))
        else:
            self._slots.append(self._slots.pop(1))
            _raise_error_of(self._slots[-1])
        return self._slots[-1]

    def _wait(self) -> None:
        for slot in self._slots:
            _raise_error_of(slot)

    def _put_out(self, sealed: memoryview) -> None:
        self._sealed_hash.update(sealed)
        self._write_out(sealed)
        self._sealed_size += len(sealed)


def _raise_error_of(slot: _Slot) -> None:
    if slot.written is not None:
        written, slot.written = slot.written, None
        written.result()
