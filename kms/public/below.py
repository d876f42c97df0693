"""The public files below a prefix: where a log lies that follows another one."""

from collections.abc import Sequence

from kms.public.files import PublicFile, PublicFiles, Unless


class FilesBelow:
    """PublicFiles of others, with `prefix` (ending in a slash) before every path. Their contract holds here too."""

    def __init__(self, files: PublicFiles, prefix: str) -> None:
        self._files = files
        self._prefix = prefix

    async def read(self, path: str) -> bytes | None:
        return await self._files.read(self._prefix + path)

    async def add(self, files: Sequence[PublicFile]) -> None:
        await self._files.add([self._below(file) for file in files])

    async def replace(self, file: PublicFile, *, unless: Unless | None = None) -> None:
        await self._files.replace(self._below(file), unless=unless)

    async def publish(self, files: Sequence[PublicFile], last: PublicFile, *, unless: Unless | None = None) -> None:
        await self._files.publish([self._below(file) for file in files], self._below(last), unless=unless)

    async def names(self, folder: str = "") -> list[str]:
        return await self._files.names(self._prefix + folder if folder else self._prefix[:-1])

    async def remove(self, paths: Sequence[str]) -> None:
        await self._files.remove([self._prefix + path for path in paths])

    def _below(self, file: PublicFile) -> PublicFile:
        return PublicFile(self._prefix + file.path, file.content)


def below(files: PublicFiles, prefix: str) -> PublicFiles:
    """`prefix` is empty for the first log of a folder."""
    return FilesBelow(files, prefix) if prefix else files
