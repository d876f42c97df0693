"""A part that is whole is opened in memory once and compared with what was signed, before anybody can see it.

One thread reads and opens blocks of 1 MiB; two hash: the plaintext, and its shards, each in order. All of them release
the interpreter's lock. Three blocks are in memory, whatever the size; none is written.

The encrypted bytes are not hashed again. Each piece was compared with the index before it was written, and what opens
under content key and context with the signed shards in it is no other content: whoever changes the file on this disk
without the key makes it fail to open (C2SP chunked-encryption), and only then the pieces are compared to say why.
The digest of the whole plaintext is compared, although the shards say what the content is: the statement does not hold
it, only the index does, and the vault and the agent tell it to applications.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cryptography.cobblestone import Cobblestone256Decryptor
from cryptography.exceptions import InvalidTag

from hallmark_client.device.updates.buffers import buffer
from hallmark_client.device.updates.downloads import Download, refused_by_disk
from hallmark_release.errors import ContentInvalid, PieceInvalid
from hallmark_release.index import CHUNK_BYTES, IndexPart
from hallmark_release.lanes import Lanes
from hallmark_release.parts import PieceHash
from hallmark_release.statement import SignedFile
from hallmark_release.verify import VerifiedRelease

_BLOCK: Final = 1024 * 1024
_BLOCKS: Final = 3
_LANES: Final = 2


def check_parts(download: Download, release: VerifiedRelease, key: bytearray, opened: Callable[[int], None]) -> None:
    """Every part, as it lies on the disk, is the one that was published, and holds the file that was signed.

    opened: told the encrypted bytes that were done. Raises PieceInvalid for a file that was changed on this disk since
    it was fetched (it is dropped: fetch it again), ContentInvalid for another key or another plaintext.
    """
    with _memory() as memory, Lanes(_LANES, blocks=_BLOCKS) as lanes:
        for part, signed in zip(release.index.parts, release.statement.files, strict=True):
            checking = _Checking(part, signed, memory, lanes)
            try:
                checking.run(download.path(part), key, release.index.context(part), opened)
            except ContentInvalid as error:
                if download.is_whole(part):
                    raise
                download.drop(part)
                sentence = f"{part.path!r} was changed on this disk since it was fetched: update again"
                raise PieceInvalid(sentence) from error


class _Memory:
    """The same blocks for every part."""

    def __init__(self) -> None:
        self.sealed = buffer(_BLOCK)
        self.plain = [buffer(_BLOCK + CHUNK_BYTES) for _ in range(_BLOCKS)]


@contextmanager
def _memory() -> Iterator[_Memory]:
    """Wiped afterwards, when no lane reads it any more."""
    memory = _Memory()
    try:
        yield memory
    finally:
        for block in memory.plain:
            block[:] = bytes(len(block))


class _Checking:
    def __init__(self, part: IndexPart, signed: SignedFile, memory: _Memory, lanes: Lanes) -> None:
        self._part, self._signed, self._memory, self._lanes = part, signed, memory, lanes
        self._plain, self._shards = hashlib.sha256(), PieceHash()

    def run(self, path: Path, key: bytearray, context: bytes, opened: Callable[[int], None]) -> None:
        """Raises ContentInvalid."""
        try:
            self._open(path, Cobblestone256Decryptor(key, context), opened)
        except InvalidTag:
            sentence = f"{self._part.path!r} does not open: another key, or not the bytes of this release"
            raise ContentInvalid(sentence) from None
        if self._shards.finish() != self._signed.shards or self._plain.hexdigest() != self._part.sha256:
            raise ContentInvalid(f"{self._part.path!r} is not the file that was signed")

    def _open(self, path: Path, opener: Cobblestone256Decryptor, opened: Callable[[int], None]) -> None:
        for number, block in enumerate(self._read(path)):
            output = self._memory.plain[number % _BLOCKS]
            self._take(output[: opener.update_into(block, output)])
            opened(len(block))
            self._lanes.next_block()
        self._take(memoryview(opener.finalize()))
        self._lanes.settle()

    def _take(self, plain: memoryview) -> None:
        self._lanes.begin(0, self._plain.update, plain)
        self._lanes.begin(1, self._shards.update, plain)

    def _read(self, path: Path) -> Iterator[memoryview]:
        """Blocks of 1 MiB, the last may be short."""
        with refused_by_disk(path), path.open("rb", buffering=0) as file:
            while count := file.readinto(self._memory.sealed):
                yield self._memory.sealed[:count]
