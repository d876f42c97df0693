"""Public files in memory that watch over what is published, and a wrapper that fails when told to."""

from collections.abc import Sequence

from hallmark_tlog.audit import audit
from hallmark_tlog.checkpoint import Checkpoint
from hallmark_tlog.errors import MissingResource
from hallmark_tlog.vkey import VerifierKey, parse_vkey
from kms.public.errors import PublicFileChanged, PublicFilesUnavailable
from kms.public.files import PublicFile, PublicFiles, Unless, check_path


class MemoryPublicFiles:
    """The port in memory. Asserts that added files are never replaced."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.added: set[str] = set()

    async def read(self, path: str) -> bytes | None:
        return self.contents.get(check_path(path))

    async def add(self, files: Sequence[PublicFile]) -> None:
        for file in files:
            if self.contents.get(check_path(file.path), file.content) != file.content:
                raise PublicFileChanged(file.path)
        for file in files:
            self.contents[file.path] = file.content
            self.added.add(file.path)

    async def replace(self, file: PublicFile, *, unless: Unless | None = None) -> None:
        assert check_path(file.path) not in self.added, "an immutable file was to be replaced"
        existing = self.contents.get(file.path)
        if existing is None or unless is None or not unless(existing):
            self.contents[file.path] = file.content

    async def publish(self, files: Sequence[PublicFile], last: PublicFile, *, unless: Unless | None = None) -> None:
        await self.add(files)
        await self.replace(last, unless=unless)

    async def names(self, folder: str = "") -> list[str]:
        above = f"{check_path(folder)}/" if folder else ""
        below = [path.removeprefix(above) for path in self.contents if path.startswith(above)]
        return sorted({name + slash for name, slash, _ in (path.partition("/") for path in below)})

    async def remove(self, paths: Sequence[str]) -> None:
        for path in paths:
            self.contents.pop(check_path(path), None)

    def fetch(self, path: str) -> bytes:
        """A hallmark_tlog.fetch.Fetch."""
        if path not in self.contents:
            raise MissingResource(path)
        return self.contents[path]


class AuditedPublicFiles(MemoryPublicFiles):
    """Audits the whole log whenever a checkpoint appears: against its tiles and against every one shown before."""

    def __init__(self, origin: str) -> None:
        super().__init__()
        self.shown: list[Checkpoint] = []
        self._origin = origin

    async def replace(self, file: PublicFile, *, unless: Unless | None = None) -> None:
        await super().replace(file, unless=unless)
        if file.path == "checkpoint":
            previous = self.shown[-1] if self.shown else None
            report = audit(self.fetch, self.verifier_keys(), origin=self._origin, previous=previous)
            assert len(report.signers) == len(self.verifier_keys()), "every key that is told signs"
            self.shown.append(report.checkpoint)

    def verifier_keys(self) -> list[VerifierKey]:
        return [parse_vkey(line) for line in self.contents["verifier-keys"].decode().splitlines()]


class FailingPublicFiles:
    """Passes on to `inner`; write number `fail_at` (from 0) fails, either before or after it was stored."""

    def __init__(self, inner: PublicFiles) -> None:
        self.inner = inner
        self.writes = 0
        self.fail_at: int | None = None
        self.stored_anyway = False

    async def read(self, path: str) -> bytes | None:
        return await self.inner.read(path)

    async def add(self, files: Sequence[PublicFile]) -> None:
        fails = self._fails_now()
        if not fails or self.stored_anyway:
            await self.inner.add(files)
        elif files:
            await self.inner.add(files[: len(files) // 2])  # a folder has no transactions: some got through
        if fails:
            raise PublicFilesUnavailable("tiles", "no space left on device")

    async def replace(self, file: PublicFile, *, unless: Unless | None = None) -> None:
        fails = self._fails_now()
        if not fails or self.stored_anyway:
            await self.inner.replace(file, unless=unless)
        if fails:
            raise PublicFilesUnavailable(file.path, "no space left on device")

    async def publish(self, files: Sequence[PublicFile], last: PublicFile, *, unless: Unless | None = None) -> None:
        """Two writes: either may fail."""
        if files:
            await self.add(files)
        await self.replace(last, unless=unless)

    async def names(self, folder: str = "") -> list[str]:
        return await self.inner.names(folder)

    async def remove(self, paths: Sequence[str]) -> None:
        fails = self._fails_now()
        await self.inner.remove(paths if not fails or self.stored_anyway else paths[: len(paths) // 2])
        if fails:
            raise PublicFilesUnavailable(paths[0], "read-only file system")

    def _fails_now(self) -> bool:
        number, self.writes = self.writes, self.writes + 1
        return number == self.fail_at
