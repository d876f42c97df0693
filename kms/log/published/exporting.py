"""The log's public files a second time, in an object store: it follows the folder, which stays the truth.

One round; a crash after any step is finished by the next one, because the only memory is what the bucket shows:
1. Read the bucket's checkpoint. One that is larger than our tree or is not of it means that our database was rolled
   back or that there are two logs: LogFrozen, as for the folder (kms.log.memory.guard).
2. Copy the tiles between the two checkpoints, then the other public files.
3. Replace the checkpoint, by compare-and-set: never an older one over a newer.
"""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from hallmark_tlog.tiles import CHECKPOINT_PATH
from kms.log.errors import LogForked, LogFrozen
from kms.log.memory import guard
from kms.log.memory.remembered import Seen
from kms.log.model import PublishedCheckpoint
from kms.log.published.copying import copy_tiles, read_one
from kms.log.published.history import HISTORY_PATH, kept_checkpoints, note_path
from kms.log.rounds.backoff import Backoff
from kms.public.errors import PublicFileChanged, PublicFilesError
from kms.public.files import PublicFile, PublicFiles
from kms.public.kinds import kind_of

LATE_SECONDS: Final = 60.0
"""Behind for longer than this is said in the service's log, once."""
_OTHERS_SECONDS: Final = 10.0
"""How often the files are looked at that do not belong to a checkpoint."""
_WITH_THE_CHECKPOINT: Final = {"tile/", "history/", CHECKPOINT_PATH}
_AT_ONCE: Final = 64
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ExportLag:
    """How far the copy is behind: entries of the log, and seconds since it showed the newest checkpoint."""

    entries: int
    seconds: float


class Exporter:
    """Keeps one copy. Several replicas may keep the same one: what another has copied is found there."""

    def __init__(
        self,
        source: PublicFiles,
        target: PublicFiles,
        *,
        place: str,
        origin: str,
        published: Callable[[], PublishedCheckpoint | None],
        check: Callable[[PublishedCheckpoint], Awaitable[None]],
        monotonic: Callable[[], float],
        roots: tuple[PublicFiles, PublicFiles] | None = None,
    ) -> None:
        """`source` and `target` hold this log; `roots` are those of all public files there and here, when the log lies
        below a prefix. `place` names the target in messages. `published` is what the source shows. `check` raises
        LogFrozen when a checkpoint is not one of this log's tree as the database has it.
        """
        self._source = source
        self._target = target
        self._source_root, self._target_root = roots or (source, target)
        self._place = place
        self._origin = origin
        self._published = published
        self._check = check
        self._monotonic = monotonic
        self.shown: PublishedCheckpoint | None = None
        """What the copy shows for all this process knows, or something newer."""
        self._current_at = monotonic()
        self._others_at: float | None = None
        self._exported: dict[str, bytes] = {}
        self._listed: dict[str, list[str]] = {}
        self._is_late = False
        self.failure: Exception | None = None
        """Why the last round failed; None after one that succeeded."""

    @property
    def lag(self) -> ExportLag:
        published = self._published()
        if published is None or (self.shown is not None and self.shown.note == published.note):
            return ExportLag(0, 0.0)
        shown = self.shown.head.size if self.shown is not None else 0
        return ExportLag(max(published.head.size - shown, 0), self._monotonic() - self._current_at)

    async def run(self, interval_seconds: float) -> None:
        """Until cancelled. Raises LogFrozen; everything else is logged and tried again, ever more slowly."""
        backoff = Backoff()
        while True:
            if await self.attempt():
                backoff.succeeded()
                await asyncio.sleep(interval_seconds)
            else:
                await asyncio.sleep(max(interval_seconds, backoff.failed()))

    async def attempt(self) -> bool:
        """One `round`; False, with `failure` set, when it should be tried again. Raises LogFrozen."""
        try:
            await self.round()
        except LogFrozen:
            raise
        except Exception as error:  # the log goes on without its copy
            if self.failure is None:
                _logger.warning("%s cannot be brought up to date, trying again: %s", self._place, error)
            self.failure = error
        else:
            self.failure = None
        self._tell_when_late()
        return self.failure is None

    async def finish(self) -> None:
        """A last `attempt`, with all that changed. Raises LogFrozen."""
        self._others_at = None
        await self.attempt()

    async def round(self) -> None:
        """Brings the copy up to the newest published checkpoint. Raises LogFrozen, PublicFilesError."""
        published = self._published()
        if published is None:
            return
        if self.shown is None or self.shown.note != published.note:
            await self._export(published)
        self._current_at = self._monotonic()
        if self._others_at is None or self._current_at - self._others_at >= _OTHERS_SECONDS:
            await self._export_others()
            self._others_at = self._current_at

    @property
    def where(self) -> str:
        """With the next three, the copy is one of the log's memories (kms.log.memory.remembered.Memory)."""
        return self._place

    async def recall(self, origin: str) -> Seen | None:
        """What the copy shows. One that cannot be read now is checked before anything is written to it."""
        try:
            found = guard.read_published(await self._target.read(CHECKPOINT_PATH), origin)
        except PublicFilesError as error:
            _logger.warning("%s was not asked what it remembers, later again: %s", self._place, error)
            return None
        return None if found is None else Seen(origin, found.head, self._place)

    async def remember(self, origin: str, published: PublishedCheckpoint) -> None:
        """Nothing: `run` does it, after the folder."""

    async def close(self) -> None:
        """Nothing is open."""

    async def _check_target(self) -> PublishedCheckpoint | None:
        """The checkpoint that the copy shows, which is one of ours. Raises LogFrozen, PublicFilesError."""
        found = guard.read_published(await self._target.read(CHECKPOINT_PATH), self._origin)
        if found is not None and (self.shown is None or found.note != self.shown.note):
            await self._check(found)
        return found

    async def _export(self, published: PublishedCheckpoint) -> None:
        found = await self._check_target()
        before = found.head.size if found is not None else 0
        try:
            await copy_tiles(self._source.read, self._target, before=before, size=published.head.size)
            if before <= published.head.size:
                await self._target.replace(
                    PublicFile(CHECKPOINT_PATH, published.note), unless=lambda there: self._is_newer(there, published)
                )
        except PublicFileChanged as error:
            raise LogForked(f"{self._place}: {error}") from error
        self.shown = published

    def _is_newer(self, note: bytes, ours: PublishedCheckpoint) -> bool:
        """Raises LogForked."""
        there = guard.read_published(note, self._origin)
        if there is None:
            return False
        if there.head.size == ours.head.size and there.head.root != ours.head.root:
            raise LogForked(f"{self._place} shows another root for size {ours.head.size}")
        return there.head.size > ours.head.size

    async def _export_others(self) -> None:
        """Verifier keys, history, trust bundles, status files and whatever else is public. What never changes goes
        first, and manifests, which name others, last.
        """
        paths = await self._paths_below("")
        await self._export_history()
        for path in sorted(paths, key=_is_manifest):
            await self._export_changing(path)

    async def _paths_below(self, folder: str) -> list[str]:
        """The changing files below a folder of all public files. Exports on the way those that never change."""
        prefix = f"{folder}/" if folder else ""
        names = [name for name in await self._source_root.names(folder) if name not in _WITH_THE_CHECKPOINT]
        files = [prefix + name for name in names if not name.endswith("/")]
        fixed = [path for path in files if kind_of(path).is_immutable]
        if fixed and fixed != self._listed.get(folder):
            there = {prefix + name for name in await self._target_root.names(folder)}
            await _copy_fixed(self._source_root, self._target_root, [path for path in fixed if path not in there])
            self._listed[folder] = fixed
        changing = [path for path in files if not kind_of(path).is_immutable]
        for name in names:
            if name.endswith("/"):
                changing += await self._paths_below(prefix + name.rstrip("/"))
        return changing

    async def _export_history(self) -> None:
        document = await self._source.read(HISTORY_PATH)
        paths = [note_path(each.size) for each in kept_checkpoints(document)]
        if paths != self._listed.get("history"):
            there = {f"history/{name}" for name in await self._target.names("history")}
            await _copy_fixed(self._source, self._target, [path for path in paths if path not in there])
            self._listed["history"] = paths

    async def _export_changing(self, path: str) -> None:
        content = await self._source_root.read(path)
        if content is None:
            return
        digest = hashlib.sha256(content).digest()
        if self._exported.get(path) != digest:
            if _is_manifest(path):  # it may be newer than the files that were listed; those it names are there by now
                await self._paths_below(path.rpartition("/")[0])
            await self._target_root.replace(PublicFile(path, content), unless=lambda there: there == content)
            self._exported[path] = digest

    def _tell_when_late(self) -> None:
        lag = self.lag
        if lag.seconds > LATE_SECONDS and not self._is_late:
            _logger.warning("%s is %d entries behind, for %.0f s now", self._place, lag.entries, lag.seconds)
            self._is_late = True
        elif self._is_late and lag.seconds == 0:
            _logger.warning("%s is up to date again", self._place)
            self._is_late = False


def _is_manifest(path: str) -> bool:
    return path.endswith("/manifest.json")


async def _copy_fixed(source: PublicFiles, target: PublicFiles, paths: Sequence[str]) -> None:
    for start in range(0, len(paths), _AT_ONCE):
        batch = paths[start : start + _AT_ONCE]
        await target.add([await read_one(source.read, path) for path in batch])
