"""From a source to an encrypted file in its place, in one pass and a fixed amount of memory."""

import asyncio
from collections.abc import AsyncIterable, Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Final, ParamSpec, Self, TypeAlias, TypeVar

from hallmark_client.device.chunks import SALT, MessageKey, Sealed, SealedWriter
from hallmark_client.device.vault.disk import Disk
from hallmark_client.device.vault.folder import VaultFolder, refused_by_disk
from hallmark_client.system import System

P = ParamSpec("P")
T = TypeVar("T")
Source: TypeAlias = Path | BinaryIO | Iterable[bytes]
Progress: TypeAlias = Callable[[int], None]
"""Called with the bytes of plaintext taken so far."""
_NAME: Final = 16
_READ: Final = 1024 * 1024
_BEGIN: Final = 8 * 1024 * 1024
"""Bytes after which the disk is asked to begin."""


class Intake:
    """Use it as a context: without `finish` nothing stays behind. Raises StoreFailed."""

    def __init__(
        self,
        folder: VaultFolder,
        disk: Disk,
        system: System,
        key: bytearray,
        context: bytes,
        progress: Progress | None = None,
    ) -> None:
        self._folder = folder
        self._disk = disk
        self._progress = progress
        self._taken = self._written = self._begun = 0
        self._name = system.random_bytes(_NAME).hex()
        self._message = MessageKey(key, context, system.random_bytes(SALT))
        self._open = ExitStack()

    def __enter__(self) -> Self:
        self._path, self._descriptor = self._open.enter_context(self._folder.incoming(self._name))
        try:
            with refused_by_disk(self._path):
                self._writer = SealedWriter(self._message, self._write_out)
        except BaseException:
            self._open.close()
            raise
        self._open.callback(self._close_writer)
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def take(self, source: Source) -> None:
        """A path is opened and read, a file is read from where it stands to its end, of an iterable every piece is
        taken. What goes wrong with the source passes through as it is.
        """
        if isinstance(source, Path):
            with source.open("rb", buffering=0) as file:
                self._take_file(file.readinto)
        elif hasattr(source, "readinto"):
            self._take_file(source.readinto)
        elif hasattr(source, "read"):
            while piece := source.read(_READ):
                self.write(piece)
        else:
            for piece in source:
                self.write(piece)

    async def take_async(self, source: AsyncIterable[bytes]) -> None:
        async for piece in source:
            await in_thread(self.write, piece)

    def write(self, piece: bytes) -> None:
        with refused_by_disk(self._path):
            self._writer.write(piece)
        self._note(len(piece))

    def _take_file(self, read_into: Callable[[memoryview], int | None]) -> None:
        """Straight into the buffer that is encrypted next."""
        while count := read_into(self._writer.space()):
            with refused_by_disk(self._path):
                self._writer.filled(count)
            self._note(count)

    def _write_out(self, data: memoryview) -> None:
        self._disk.write(self._descriptor, data)
        self._written += len(data)
        if self._written - self._begun >= _BEGIN:
            self._disk.begin_sync(self._descriptor, self._begun, self._written - self._begun)
            self._begun = self._written

    def _close_writer(self) -> None:
        """Writer and intake know each other: its buffers should not wait for the collector."""
        self._writer.close()
        del self._writer

    def _note(self, count: int) -> None:
        self._taken += count
        if self._progress is not None:
            self._progress(self._taken)

    def finish(self) -> Sealed:
        """Whole, durable, and in its place under the digest of the encrypted bytes."""
        with refused_by_disk(self._path):
            sealed = self._writer.finish()
            self._disk.sync(self._descriptor)
        self._folder.keep(self._path, sealed.sealed_sha256)
        return sealed


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Waits for its end also when it is cancelled: nobody takes away what a thread still uses."""
    running = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(running)
    finally:
        await asyncio.wait([running])
        running.exception()  # asked for: a cancelled caller does not hear of it
