"""A part that is whole is opened in memory once and compared with what was signed, before anybody can see it.

One thread reads and opens blocks of 1 MiB; three hash: the encrypted bytes, the plaintext, and its shards, each in
order. All of them release the interpreter's lock. Three blocks are in memory, whatever the size; none is written.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self

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
_STREAMS: Final = 3
Update = Callable[[memoryview], object]


def check_parts(download: Download, release: VerifiedRelease, key: bytearray, opened: Callable[[int], None]) -> None:
    """Every part, as it lies on the disk, is the one that was published, and holds the file that was signed.

    opened: told the encrypted bytes that were done. Raises PieceInvalid for a file that was changed on this disk since
    it was fetched (it is dropped: fetch it again), ContentInvalid for another key or another plaintext.
    """
    with _Threads() as threads:
        for part, signed in zip(release.index.parts, release.statement.files, strict=True):
            checking = _Checking(part, signed, threads)
            try:
                checking.run(download.path(part), key, release.index.context(part), opened)
            except PieceInvalid:
                download.drop(part)
                raise


class _Threads:
    """Hashing in order, one thread for each stream; and the blocks that are being hashed."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._blocks: list[list[Future[object]]] = [[]]
        self.sealed = [memoryview(bytearray(_BLOCK)) for _ in range(_SLOTS)]
        self.plain = [memoryview(bytearray(_BLOCK + CHUNK_BYTES)) for _ in range(_SLOTS)]

    def __enter__(self) -> Self:
        self._streams = [self._open.enter_context(ThreadPoolExecutor(1)) for _ in range(_STREAMS)]
        return self

    def __exit__(self, *_: object) -> None:
        self.settle()
        self._open.close()
        for block in self.plain:
            block[:] = bytes(len(block))

    def hash(self, stream: int, update: Update, data: memoryview) -> None:
        self._blocks[-1].append(self._streams[stream].submit(update, data))

    def next_block(self) -> None:
        """The memory of the block before the last ones is free when this returns."""
        self._blocks.append([])
        self._wait(_SLOTS)

    def settle(self) -> None:
        self._wait(0)
        self._blocks.append([])

    def _wait(self, most: int) -> None:
        while len(self._blocks) > most:
            for future in self._blocks.pop(0):
                future.result()


class _Checking:
    def __init__(self, part: IndexPart, signed: SignedFile, threads: _Threads) -> None:
        self._part, self._signed, self._threads = part, signed, threads
        self._sealed, self._plain, self._shards = hashlib.sha256(), hashlib.sha256(), PieceHash()

    def run(self, path: Path, key: bytearray, context: bytes, opened: Callable[[int], None]) -> None:
        opens = self._open(path, Cobblestone256Decryptor(key, context), opened)
        self._threads.settle()
        if self._sealed.hexdigest() != self._part.encrypted_sha256:
            raise PieceInvalid(f"{self._part.path!r} was changed on this disk since it was fetched: update again")
        if not opens:
            raise ContentInvalid(f"{self._part.path!r} does not open: another key, or not the bytes of this release")
        if self._shards.finish() != self._signed.shards or self._plain.hexdigest() != self._part.sha256:
            raise ContentInvalid(f"{self._part.path!r} is not the file that was signed")

    def _open(self, path: Path, opener: Cobblestone256Decryptor, opened: Callable[[int], None]) -> bool:
        """Whether it opened to its end. It is read to its end in any case: the digest tells whose fault it is."""
        opens = True
        for number, block in enumerate(self._read(path)):
            self._threads.hash(0, self._sealed.update, block)
            output = self._threads.plain[number % _SLOTS]
            try:
                if opens:
                    self._take(output[: opener.update_into(block, output)])
            except InvalidTag:
                opens = False
            opened(len(block))
        try:
            if opens:
                self._take(memoryview(opener.finalize()))
        except InvalidTag:
            opens = False
        return opens

    def _take(self, plain: memoryview) -> None:
        self._threads.hash(1, self._plain.update, plain)
        self._threads.hash(2, self._shards.update, plain)

    def _read(self, path: Path) -> Iterator[memoryview]:
        """Blocks of 1 MiB, the last may be short."""
        number = 0
        with refused_by_disk(path), path.open("rb", buffering=0) as file:
            while count := os.readv(file.fileno(), [self._threads.sealed[number % _SLOTS]]):
                yield self._threads.sealed[number % _SLOTS][:count]
                number += 1
                self._threads.next_block()
