"""Public files in memory whose writer dies at a chosen write: before it, or after it was stored."""

from collections.abc import Sequence

from kms.public.files import PublicFile, Unless
from support.public_files import MemoryPublicFiles


class Killed(Exception):
    """The process is gone; nothing after this write has happened."""


class KilledFiles:
    """The port over `inner`. One file at a time, so that a death may lie between any two."""

    def __init__(self, inner: MemoryPublicFiles, at: int | None = None, *, stored: bool = False) -> None:
        self.inner = inner
        self.at = at
        self.stored = stored
        self.writes = 0

    async def read(self, path: str) -> bytes | None:
        return await self.inner.read(path)

    async def add(self, files: Sequence[PublicFile]) -> None:
        for file in files:
            self._count(file, stored=False)
            await self.inner.add([file])
            self._count(file, stored=True)

    async def replace(self, file: PublicFile, *, unless: Unless | None = None) -> None:
        self._count(file, stored=False)
        await self.inner.replace(file, unless=unless)
        self._count(file, stored=True)

    async def publish(self, files: Sequence[PublicFile], last: PublicFile, *, unless: Unless | None = None) -> None:
        await self.add(files)
        await self.replace(last, unless=unless)

    async def names(self, folder: str = "") -> list[str]:
        return await self.inner.names(folder)

    async def remove(self, paths: Sequence[str]) -> None:
        await self.inner.remove(paths)

    def _count(self, file: PublicFile, *, stored: bool) -> None:
        if self.at == self.writes and self.stored is stored:
            raise Killed(file.path)
        self.writes += stored
