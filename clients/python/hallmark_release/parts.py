"""Encrypting the files of a release: one pass over each file gives its shards, its pieces and every digest.

Each file becomes one Cobblestone-256 message (C2SP chunked-encryption, by `cryptography.cobblestone`) under the content
key, bound to its context. Three threads share the work on blocks of 1 MiB: one reads, encrypts, writes and hashes
pieces, one hashes the plaintext, one the whole encrypted file; all of it releases the interpreter's lock. There are two
blocks in memory, whatever the size of the file. The disk writes meanwhile, so that little is left for the last sync.
"""

import hashlib
import os
import secrets
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Final, Self

from cryptography.cobblestone import Cobblestone256Encryptor

from hallmark_release.errors import FolderUnusable
from hallmark_release.folder import Progress
from hallmark_release.index import (
    CHUNK_BYTES,
    HEADER_BYTES,
    PIECE_SIZE,
    TAG_BYTES,
    IndexPart,
    encrypted_size,
    part_location,
)
from hallmark_release.metadata_files import sync_folder
from hallmark_release.scan import FoundFile, open_file
from hallmark_release.statement import SignedFile

CONTENT_KEY_BYTES: Final = 32
_IN_MEMORY: Final = 2
_BLOCK_BYTES: Final = 1024 * 1024
_SYNC_BLOCKS: Final = 64
_OUT_BYTES: Final = HEADER_BYTES + _BLOCK_BYTES + TAG_BYTES * (_BLOCK_BYTES // CHUNK_BYTES + 2)


@dataclass(frozen=True, slots=True)
class EncryptedPart:
    """What one pass over a file gave: its row in the statement and its row in the index."""

    signed: SignedFile
    part: IndexPart


class PieceHash:
    """SHA-256 of each 4 MiB of a stream that comes in any portions."""

    def __init__(self) -> None:
        self._piece = hashlib.sha256()
        self._filled = 0
        self._done: list[bytes] = []

    def update(self, data: memoryview) -> None:
        while data:
            taken = data[: PIECE_SIZE - self._filled]
            self._piece.update(taken)
            self._filled += len(taken)
            data = data[len(taken) :]
            if self._filled == PIECE_SIZE:
                self._close()

    def finish(self) -> tuple[bytes, ...]:
        if self._filled:
            self._close()
        return tuple(self._done)

    def _close(self) -> None:
        self._done.append(self._piece.digest())
        self._piece, self._filled = hashlib.sha256(), 0


def encrypt_file(
    file: FoundFile, *, key: bytes | bytearray, context: bytes, folder: Path, progress: Progress | None = None
) -> EncryptedPart:
    """Encrypt one file into `folder` at the place that its index row says; fsynced there before this returns.

    key: 32 bytes. Raises FolderUnusable, also for a file that changes its size meanwhile; OSError of the target.
    """
    encryptor = Cobblestone256Encryptor(key, context)
    pieces = PieceHash()
    outputs = [memoryview(bytearray(_OUT_BYTES)) for _ in range(_IN_MEMORY)]
    with _new_file(folder / "parts") as (temporary, target), _Flushing(target) as flushing, _Hashing() as hashing:
        for number, block in enumerate(_blocks(file), 1):
            output = outputs[number % _IN_MEMORY]
            taken = output[: encryptor.update_into(block, output)]
            hashing.begin(block, taken)
            _write(target, taken)
            if number % _SYNC_BLOCKS == 0:
                flushing.begin()
            pieces.update(taken)
            hashing.free_one()
            if progress:
                progress(len(block))
        last = memoryview(encryptor.finalize())
        hashing.begin(memoryview(b""), last)
        _write(target, last)
        pieces.update(last)
        (sha256, shards), encrypted_sha256 = hashing.finish()
        flushing.finish()
        _place(temporary, folder / part_location(encrypted_sha256))
    part = IndexPart(
        path=file.path,
        size=file.size,
        sha256=sha256,
        encrypted_size=encrypted_size(file.size),
        encrypted_sha256=encrypted_sha256,
        pieces=pieces.finish(),
    )
    return EncryptedPart(SignedFile(file.path, file.size, shards), part)


class _PlainHash:
    """A shard of the statement has the size of a piece."""

    def __init__(self) -> None:
        self._whole = hashlib.sha256()
        self._shards = PieceHash()

    def update(self, block: memoryview) -> None:
        self._whole.update(block)
        self._shards.update(block)

    def finish(self) -> tuple[str, tuple[bytes, ...]]:
        return self._whole.hexdigest(), self._shards.finish()


class _Hashing:
    """What needs no borders of pieces: the plaintext and the encrypted file, each in order in a thread of its own."""

    def __init__(self) -> None:
        self._plain, self._whole = _PlainHash(), hashlib.sha256()
        self._threads = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
        self._begun: list[tuple[Future[None], Future[None]]] = []

    def begin(self, block: memoryview, taken: memoryview) -> None:
        """taken: the encrypted bytes that encrypting `block` gave."""
        of_plain, of_whole = self._threads
        self._begun.append((of_plain.submit(self._plain.update, block), of_whole.submit(self._whole.update, taken)))

    def free_one(self) -> None:
        """When this returns, the next block and its output may overwrite the oldest ones."""
        while len(self._begun) >= _IN_MEMORY:
            for each in self._begun.pop(0):
                each.result()

    def finish(self) -> tuple[tuple[str, tuple[bytes, ...]], str]:
        """As `_PlainHash.finish`; the digest of the encrypted file, hex."""
        for each in chain.from_iterable(self._begun):
            each.result()
        return self._plain.finish(), self._whole.hexdigest()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.shutdown(wait=True)


class _Flushing:
    """Syncs in a thread of its own. A disk reports a failed write to one sync alone, so each is asked what it met."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target
        self._thread = ThreadPoolExecutor(1)
        self._begun: Future[None] | None = None

    def begin(self) -> None:
        """Unless the disk has not come so far yet. Raises OSError of the sync before."""
        if self._begun is None or self._begun.done():
            self._settle()
            self._begun = self._thread.submit(os.fsync, self._target.fileno())

    def finish(self) -> None:
        """All that was written is durable. Raises OSError."""
        self._settle()
        os.fsync(self._target.fileno())

    def _settle(self) -> None:
        if self._begun is not None:
            self._begun.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(wait=True)


def _blocks(file: FoundFile) -> Iterator[memoryview]:
    """Of 1 MiB, the last may be short; each is overwritten when the one after the next is asked for."""
    buffers = [memoryview(bytearray(min(_BLOCK_BYTES, file.size))) for _ in range(_IN_MEMORY)]
    left = file.size
    with open_file(file) as opened:
        while left:
            block = buffers[0][: min(_BLOCK_BYTES, left)]
            buffers.reverse()
            if opened.readinto(block) != len(block):  # type: ignore[attr-defined]  # a FileIO
                raise FolderUnusable(f"{file.path!r} changes while it is read")
            left -= len(block)
            yield block
        if opened.read(1):
            raise FolderUnusable(f"{file.path!r} changes while it is read")


@contextmanager
def _new_file(folder: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A file of a random name that is gone when it was not moved away."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f".{secrets.token_hex(8)}.new"
    with path.open("xb", buffering=0) as opened:
        try:
            yield path, opened
        finally:
            path.unlink(missing_ok=True)


def _write(target: BinaryIO, data: memoryview) -> None:
    while data:
        data = data[target.write(data) :]


def _place(temporary: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    temporary.replace(target)
    sync_folder(target.parent)
