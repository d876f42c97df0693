"""Encrypting the files of a release: one pass over each file gives its shards, its pieces and every digest.

Each file becomes one Cobblestone-256 message (C2SP chunked-encryption, by `cryptography.cobblestone`) under the content
key, bound to its context. Three threads share the work on blocks of 1 MiB: one reads, encrypts, writes and hashes
pieces, one hashes the plaintext, one its shards; all of it releases the interpreter's lock. There are two blocks in
memory, whatever the size of the file. The disk writes meanwhile, so that little is left for the last sync.
"""

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

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
)
from hallmark_release.lanes import Flushing, Lanes
from hallmark_release.metadata_files import sync_folder
from hallmark_release.scan import FoundFile, open_file
from hallmark_release.statement import SignedFile

CONTENT_KEY_BYTES: Final = 32
_BLOCKS: Final = 2
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
    plain, shards, pieces = hashlib.sha256(), PieceHash(), PieceHash()  # a shard has the size of a piece
    output = memoryview(bytearray(_OUT_BYTES))
    with _new_file(folder / "parts") as (temporary, target), Flushing() as flushing, Lanes(2, blocks=_BLOCKS) as lanes:
        sync = partial(os.fsync, target.fileno())
        for number, block in enumerate(_blocks(file), 1):
            lanes.begin(0, plain.update, block)
            lanes.begin(1, shards.update, block)
            taken = output[: encryptor.update_into(block, output)]
            _write(target, taken)
            if number % _SYNC_BLOCKS == 0:
                flushing.begin(lambda: sync)
            pieces.update(taken)
            lanes.next_block()
            if progress:
                progress(len(block))
        last = memoryview(encryptor.finalize())
        _write(target, last)
        pieces.update(last)
        lanes.settle()
        flushing.finish()
        sync()
        part = IndexPart(
            path=file.path,
            size=file.size,
            sha256=plain.hexdigest(),
            encrypted_size=encrypted_size(file.size),
            pieces=pieces.finish(),
        )
        _place(temporary, folder / part.location)
    return EncryptedPart(SignedFile(file.path, file.size, shards.finish()), part)


def _blocks(file: FoundFile) -> Iterator[memoryview]:
    """Of 1 MiB, the last may be short; each is overwritten when the one after the next is asked for."""
    buffers = [memoryview(bytearray(min(_BLOCK_BYTES, file.size))) for _ in range(_BLOCKS)]
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
