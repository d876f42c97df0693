"""A part that is whole is opened in memory once and compared with what was signed, before anybody can see it.

Two threads share the work on blocks of 1 MiB: one reads, hashes the encrypted bytes and opens them, the other hashes
what came out. Both release the interpreter's lock. Three blocks are in memory, whatever the size; none is written.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

from cryptography.cobblestone import Cobblestone256Decryptor
from cryptography.exceptions import InvalidTag

from hallmark_client.device.update.downloads import Download, refused_by_disk
from hallmark_release.errors import ContentInvalid, PieceInvalid
from hallmark_release.index import CHUNK_BYTES, IndexPart
from hallmark_release.parts import PieceHash
from hallmark_release.statement import SignedFile
from hallmark_release.verify import VerifiedRelease

_BLOCK: Final = 1024 * 1024
_SLOTS: Final = 3


def check_parts(download: Download, release: VerifiedRelease, key: bytearray, opened: Callable[[int], None]) -> None:
    """Every part, as it lies on the disk, is the one that was published, and holds the file that was signed.

    opened: told the encrypted bytes that were done. Raises PieceInvalid for a file that was changed on this disk since
    it was fetched (it is dropped: fetch it again), ContentInvalid for another key or another plaintext.
    """
    with ThreadPoolExecutor(1) as helper:
        for part, signed in zip(release.index.parts, release.statement.files, strict=True):
            checking = _Checking(part, signed, helper)
            try:
                checking.run(download.path(part), key, release.index.context(part), opened)
            except PieceInvalid:
                download.drop(part)
                raise


class _Checking:
    def __init__(self, part: IndexPart, signed: SignedFile, helper: ThreadPoolExecutor) -> None:
        self._part, self._signed, self._helper = part, signed, helper
        self._sealed, self._plain, self._shards = hashlib.sha256(), hashlib.sha256(), PieceHash()
        self._waiting: list[Future[None]] = []

    def run(self, path: Path, key: bytearray, context: bytes, opened: Callable[[int], None]) -> None:
        outputs = [memoryview(bytearray(_BLOCK + CHUNK_BYTES)) for _ in range(_SLOTS)]
        try:
            opens = self._open(path, key, context, outputs, opened)
            self._wait(0)
        finally:
            self._wait(0)
            for output in outputs:
                output[:] = bytes(len(output))
        if self._sealed.hexdigest() != self._part.encrypted_sha256:
            raise PieceInvalid(f"{self._part.path!r} was changed on this disk since it was fetched: update again")
        if not opens:
            raise ContentInvalid(f"{self._part.path!r} does not open: another key, or not the bytes of this release")
        if self._shards.finish() != self._signed.shards or self._plain.hexdigest() != self._part.sha256:
            raise ContentInvalid(f"{self._part.path!r} is not the file that was signed")

    def _open(
        self,
        path: Path,
        key: bytearray,
        context: bytes,
        outputs: list[memoryview],
        opened: Callable[[int], None],
    ) -> bool:
        """Whether it opened to its end. Reads to the end in any case: whose fault it is shows in the digest."""
        opener: Cobblestone256Decryptor | None = Cobblestone256Decryptor(key, context)
        for number, block in enumerate(_blocks(path)):
            self._sealed.update(block)
            if opener is not None:
                self._wait(_SLOTS - 1)
                output = outputs[number % _SLOTS]
                try:
                    self._hash(output[: opener.update_into(block, output)])
                except InvalidTag:
                    opener = None
            opened(len(block))
        if opener is not None:
            try:
                self._hash(memoryview(opener.finalize()))
            except InvalidTag:
                opener = None
        return opener is not None

    def _hash(self, plain: memoryview) -> None:
        self._waiting.append(self._helper.submit(self._take, plain))

    def _take(self, plain: memoryview) -> None:
        self._plain.update(plain)
        self._shards.update(plain)

    def _wait(self, most: int) -> None:
        """At most so many blocks are still being hashed."""
        while len(self._waiting) > most:
            self._waiting.pop(0).result()


def _blocks(path: Path) -> Iterator[memoryview]:
    """Of 1 MiB, the last may be short; the same memory each time."""
    buffer = memoryview(bytearray(_BLOCK))
    with refused_by_disk(path), path.open("rb", buffering=0) as file:
        while count := os.readv(file.fileno(), [buffer]):
            yield buffer[:count]
