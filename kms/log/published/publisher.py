"""From rows to public files: tiles first, the checkpoint that needs them last."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from sqlalchemy.engine import Connection

from hallmark_tlog.errors import TlogError
from hallmark_tlog.tiles import CHECKPOINT_PATH, Tile
from kms.core.database import Database
from kms.core.wakeup import Wakeup
from kms.log import store, tiles
from kms.log.errors import LogDamaged, LogForked
from kms.log.memory import guard
from kms.log.model import PublishedCheckpoint
from kms.public.errors import PublicFileChanged
from kms.public.files import PublicFile, PublicFiles

VERIFIER_KEYS_PATH = "verifier-keys"
POLICY_PATH = "policy"
_TILES_AT_ONCE = 64
Released = Callable[[PublishedCheckpoint], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Collected:
    """The first `files` of a checkpoint that follows one of size `before`, and what is `due` behind them."""

    before: int
    due: Iterator[Tile]
    files: list[PublicFile]


class Publisher:
    """Knows what the public files show. Every step may be repeated after a failure."""

    def __init__(
        self, database: Database, files: PublicFiles, *, origin: str, released: Released | None = None
    ) -> None:
        """`released` is told of each checkpoint before anybody can see it."""
        self._database = database
        self._files = files
        self._origin = origin
        self._released = released
        self.published: PublishedCheckpoint | None = None
        """The newest checkpoint that this process put there, or found there at start."""
        self.changes = Wakeup()
        """Notified after each checkpoint that this process published."""

    async def find_published(self) -> PublishedCheckpoint | None:
        """What is there now; its signatures are not looked at. Raises LogForked when it is not a checkpoint of ours."""
        return guard.read_published(await self._files.read(CHECKPOINT_PATH), self._origin)

    async def publish_verifier_keys(self, content: bytes) -> None:
        await self._replace_when_other(PublicFile(VERIFIER_KEYS_PATH, content))

    async def publish_policy(self, content: bytes) -> None:
        """What auditors hold the log to: its keys, witnesses and quorum (C2SP tlog-policy)."""
        await self._replace_when_other(PublicFile(POLICY_PATH, content))

    async def _replace_when_other(self, file: PublicFile) -> None:
        if await self._files.read(file.path) != file.content:
            await self._files.replace(file)

    async def publish(self, checkpoint: PublishedCheckpoint, collected: Collected | None = None) -> None:
        """Returns when every file of this checkpoint is durable. Raises LogFrozen, PublicFilesUnavailable.

        `collected`: what it needs, if it was read before.
        """
        before = self.published.head.size if self.published is not None else 0
        if self._released is not None:
            await self._released(checkpoint)
        try:
            files = await self._add_all_but_the_last(before, checkpoint.head.size, collected)
            # Replicas that share a folder: a slow one must not take back what a fast one has shown.
            await self._files.publish(
                files,
                PublicFile(CHECKPOINT_PATH, checkpoint.note),
                unless=lambda there: self._age_of(there) > (checkpoint.head.size, guard.own_time(checkpoint.note)),
            )
        except PublicFileChanged as error:
            raise LogForked(str(error)) from error
        self.published = checkpoint
        self.changes.notify()

    def _age_of(self, note: bytes) -> tuple[int, int]:
        """Size and own time: of two notes the one with more is newer. Raises LogForked."""
        found = guard.read_published(note, self._origin)
        return (0, 0) if found is None else (found.head.size, guard.own_time(note))

    async def _add_all_but_the_last(self, before: int, size: int, collected: Collected | None) -> list[PublicFile]:
        """The tiles that a tree of `size` needs. The last few are returned, to go with the checkpoint."""
        if before == size:
            return []
        if collected is None or collected.before != before:
            collected = await self._database.read(lambda tx: collect(tx, before, size))
        due, files = collected.due, collected.files
        while len(files) == _TILES_AT_ONCE:
            await self._files.add(files)
            files = await self._database.read(lambda tx: _next_files(tx, due))
        return files


def collect(tx: Connection, before: int, size: int) -> Collected:
    """What publishing a tree of `size` needs after one of `before`: all of it, except when much has to be caught up."""
    due = tiles.due_tiles(before, store.checkpoint_sizes(tx, before, size)) if before < size else iter(())
    return Collected(before, due, _next_files(tx, due))


def _next_files(tx: Connection, due: Iterator[Tile]) -> list[PublicFile]:
    fetch = tiles.fetch_rows(tx)
    try:
        return [PublicFile(tile.path, fetch(tile.path)) for tile in islice(due, _TILES_AT_ONCE)]
    except TlogError as error:
        raise LogDamaged(f"a tile that must be published cannot be read: {error}") from error
