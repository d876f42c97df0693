"""A part on its way: check each piece as it arrives, go on where a download stopped, open it only when it is whole.

What is fetched is believed piece by piece against the index, which was verified before. A part is opened in memory once
to be compared with the statement, before anybody is given a byte of it.
"""

import hashlib
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO, Final

from cryptography.cobblestone import Cobblestone256Decryptor
from cryptography.exceptions import InvalidTag

from hallmark_release.errors import ContentInvalid, PieceInvalid, ReleaseMismatch
from hallmark_release.folder import Progress
from hallmark_release.index import PIECE_SIZE, IndexPart
from hallmark_release.parts import CONTENT_KEY_BYTES
from hallmark_release.statement import SHARD_SIZE, SignedFile

_CHUNKS_AHEAD: Final = 64 * 1024
Sink = Callable[[bytes | memoryview], object]


@dataclass(frozen=True, slots=True)
class VerifiedPiece:
    """A piece as it was published: write it at `offset` of the encrypted file."""

    number: int
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class VerifiedPart:
    """The encrypted file opened under the content key, and is byte for byte what the statement says."""

    path: str
    size: int


def piece_size(part: IndexPart, number: int) -> int:
    """4 MiB, the last one what is left."""
    return min(PIECE_SIZE, part.encrypted_size - number * PIECE_SIZE)


def verify_piece(part: IndexPart, number: int, data: bytes) -> VerifiedPiece:
    """Raises PieceInvalid."""
    if not 0 <= number < len(part.pieces) or len(data) != piece_size(part, number):
        raise PieceInvalid(f"piece {number} of {part.path!r} has another size than was published")
    if hashlib.sha256(data).digest() != part.pieces[number]:
        raise PieceInvalid(f"piece {number} of {part.path!r} is not the one that was published")
    return VerifiedPiece(number, number * PIECE_SIZE, data)


def verify_pieces(part: IndexPart, arriving: Iterable[bytes], *, first: int = 0) -> Iterator[VerifiedPiece]:
    """Pieces of a stream in portions of any size that begins with piece `first`; one piece is held at a time.

    Raises PieceInvalid, also when the stream ends early or goes on too long. What was given out before that stays good:
    go on with the piece after it.
    """
    buffer = bytearray()
    number = first
    for portion in chain(arriving, [b""]):
        buffer += portion
        while number < len(part.pieces) and len(buffer) >= piece_size(part, number):
            size = piece_size(part, number)
            yield verify_piece(part, number, _first(buffer, size))
            del buffer[:size]
            number += 1
        if number == len(part.pieces) and buffer:
            raise PieceInvalid(f"{part.path!r} is longer than was published")
    if number < len(part.pieces):
        raise PieceInvalid(f"{part.path!r} ended early, in piece {number}")


def _first(buffer: bytearray, size: int) -> bytes:
    with memoryview(buffer) as view:  # a slice of a bytearray would be one copy more
        return bytes(view[:size])


def good_pieces(part: IndexPart, file: BinaryIO) -> int:
    """How many pieces from the beginning of a partial download are good: fetch on from that one."""
    file.seek(0)
    for number, digest in enumerate(part.pieces):
        if hashlib.sha256(file.read(piece_size(part, number))).digest() != digest:
            return number
    return len(part.pieces)


def open_part(
    part: IndexPart,
    signed: SignedFile,
    *,
    encrypted: BinaryIO,
    key: bytes | bytearray,
    context: bytes,
    sink: Sink | None = None,
    progress: Progress | None = None,
) -> VerifiedPart:
    """Open the whole part under the content key (32 bytes) and compare it with the statement; constant memory.

    Without a `sink` nothing of the plaintext is kept: the check before anything is visible. With one, each shard is
    given to it after it was compared; what the sink has is good only when this returns.
    Raises ContentInvalid (another key or context, changed, truncated, extended, not what was signed), ReleaseMismatch.
    """
    if (part.path, part.size) != (signed.path, signed.size):
        raise ReleaseMismatch(f"{part.path!r} of the index is not {signed.path!r} of the statement")
    if len(key) != CONTENT_KEY_BYTES:
        raise ContentInvalid(f"a content key has {CONTENT_KEY_BYTES} bytes")
    check = _Plaintext(part, signed, sink)
    try:
        opener = Cobblestone256Decryptor(key, context)
        buffer = memoryview(bytearray(SHARD_SIZE + _CHUNKS_AHEAD))
        encrypted.seek(0)
        while block := encrypted.read(PIECE_SIZE):
            opened = buffer[: opener.update_into(block, buffer)]
            check.update(opened)
            if progress:
                progress(len(block))
        check.update(memoryview(opener.finalize()))
    except InvalidTag:
        raise ContentInvalid(f"{part.path!r} does not open: another key, or not the bytes of this release") from None
    check.finish()
    return VerifiedPart(part.path, part.size)


class _Plaintext:
    """Shards as they come, each compared before it is handed on."""

    def __init__(self, part: IndexPart, signed: SignedFile, sink: Sink | None) -> None:
        self._part, self._signed, self._sink = part, signed, sink
        self._whole = hashlib.sha256()
        self._shard = io.BytesIO()
        self._number = 0

    def update(self, data: memoryview) -> None:
        while data:
            taken = data[: SHARD_SIZE - self._shard.tell()]
            self._shard.write(taken)
            data = data[len(taken) :]
            if self._shard.tell() == SHARD_SIZE:
                self._close()

    def finish(self) -> None:
        if self._shard.tell():
            self._close()
        if self._number != len(self._signed.shards) or self._whole.hexdigest() != self._part.sha256:
            raise ContentInvalid(f"{self._part.path!r} is not the file that was signed")

    def _close(self) -> None:
        with self._shard.getbuffer() as filled:
            shard = filled[: self._shard.tell()]
            digest = hashlib.sha256(shard).digest()
            if self._number >= len(self._signed.shards) or digest != self._signed.shards[self._number]:
                raise ContentInvalid(f"shard {self._number} of {self._part.path!r} is not the one that was signed")
            self._whole.update(shard)
            if self._sink:
                self._sink(shard)
            shard.release()
        self._number += 1
        self._shard.seek(0)
