"""From rows to public files: tiles first, the checkpoint that needs them last."""

from collections.abc import Iterator
from itertools import islice

from sqlalchemy.engine import Connection

from hallmark_tlog.errors import TlogError
from hallmark_tlog.tiles import CHECKPOINT_PATH, Tile
from kms.core.database import Database
from kms.log import guard, store, tiles
from kms.log.errors import LogDamaged, LogForked
from kms.log.model import PublishedCheckpoint
from kms.public.errors import PublicFileChanged
from kms.public.files import PublicFile, PublicFiles

VERIFIER_KEYS_PATH = "verifier-keys"
_TILES_AT_ONCE = 64


class Publisher:
    """Knows what the public files show. Every step may be repeated after a failure."""

    def __init__(self, database: Database, files: PublicFiles, *, origin: str) -> None:
        self._database = database
        self._files = files
        self._origin = origin
        self.published: PublishedCheckpoint | None = None
        """The newest checkpoint that this process put there, or found there at start."""

    async def find_published(self) -> PublishedCheckpoint | None:
        """What is there now; its signatures are not looked at. Raises LogForked when it is not a checkpoint of ours."""
        return guard.read_published(await self._files.read(CHECKPOINT_PATH), self._origin)

    async def publish_verifier_keys(self, content: bytes) -> None:
        if await self._files.read(VERIFIER_KEYS_PATH) != content:
            await self._files.replace(PublicFile(VERIFIER_KEYS_PATH, content))

    async def publish(self, checkpoint: PublishedCheckpoint) -> None:
        """Returns when every file of this checkpoint is durable. Raises LogFrozen, PublicFilesUnavailable."""
        before = self.published.head.size if self.published is not None else 0
        try:
            await self._publish_tiles(before, checkpoint.head.size)
        except PublicFileChanged as error:
            raise LogForked(str(error)) from error
        # Replicas that share a folder: a slow one must not take back what a fast one has shown.
        await self._files.replace(
            PublicFile(CHECKPOINT_PATH, checkpoint.note),
            unless=lambda there: self._size_in(there) > checkpoint.head.size,
        )
        self.published = checkpoint

    def _size_in(self, note: bytes) -> int:
        """Raises LogForked."""
        found = guard.read_published(note, self._origin)
        return 0 if found is None else found.head.size

    async def _publish_tiles(self, before: int, size: int) -> None:
        if before == size:
            return
        due, files = await self._database.read(lambda tx: _first_files(tx, before, size))
        while files:
            await self._files.add(files)
            files = await self._database.read(lambda tx: _next_files(tx, due)) if len(files) == _TILES_AT_ONCE else []


def _first_files(tx: Connection, before: int, size: int) -> tuple[Iterator[Tile], list[PublicFile]]:
    """What is due, and the first files of it: all of them, except when much has to be caught up."""
    due = tiles.due_tiles(before, store.checkpoint_sizes(tx, before, size))
    return due, _next_files(tx, due)


def _next_files(tx: Connection, due: Iterator[Tile]) -> list[PublicFile]:
    fetch = tiles.fetch_rows(tx)
    try:
        return [PublicFile(tile.path, fetch(tile.path)) for tile in islice(due, _TILES_AT_ONCE)]
    except TlogError as error:
        raise LogDamaged(f"a tile that must be published cannot be read: {error}") from error
