"""Removes partial tiles and bundles that nobody needs any more.

tlog-tiles, "Partial Tiles": they must exist for every checkpoint, and may go when the full tile exists. They go some
minutes later: a reader of an older checkpoint who is still busy should not meet a 404 (it would take the full tile).
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from hallmark_tlog.tiles import TILE_HEIGHT, Tile, tile_levels
from kms.public.errors import PublicFilesError
from kms.public.files import PublicFiles

ROUND_SECONDS: Final = 30.0
_FOLDERS_A_ROUND: Final = 200
_SIBLINGS: Final = 1000
"""Tiles whose last group of digits differs lie in one folder."""
_logger = logging.getLogger(__name__)


class Tidying:
    """Walks behind the growing log. Where it is, is known to this object only: a new one begins again from the start,
    finds little to do, and needs to list one folder for every 1,000 full tiles.
    """

    def __init__(
        self, files: PublicFiles, *, size: Callable[[], int], grace_seconds: float, monotonic: Callable[[], float]
    ) -> None:
        """`size`: that of the published tree in these files. Its tiles stay for `grace_seconds` after it was seen."""
        self._files = files
        self._size = size
        self._grace_seconds = grace_seconds
        self._monotonic = monotonic
        self._seen: deque[tuple[float, int]] = deque()
        self._old_size = 0
        self._next: dict[int | None, int] = {}
        """For each level, the first full tile that was not looked at."""

    async def run(self) -> None:
        """Until cancelled. What fails is tried again the next time."""
        while True:
            await asyncio.sleep(ROUND_SECONDS)
            try:
                await self.round()
            except PublicFilesError as error:
                _logger.warning("partial tiles could not be removed, later again: %s", error)

    async def round(self) -> int:
        """One round of bounded work; gives how many files went. Raises PublicFilesError."""
        size = self._size_before_grace()
        removed = folders = 0
        for level in (None, *tile_levels(size)):
            shift = TILE_HEIGHT * (level or 0) + TILE_HEIGHT
            for first, last in _in_one_folder(self._next.get(level, 0), size >> shift):
                if folders >= _FOLDERS_A_ROUND:
                    return removed
                gone, listed = await self._tidy(level, first, last, _FOLDERS_A_ROUND - folders)
                removed, folders = removed + gone, folders + listed
        return removed

    def _size_before_grace(self) -> int:
        now = self._monotonic()
        self._seen.append((now, self._size()))
        while self._seen and self._seen[0][0] <= now - self._grace_seconds:
            self._old_size = max(self._old_size, self._seen.popleft()[1])
        return self._old_size

    async def _tidy(self, level: int | None, first: int, last: int, folders_max: int) -> tuple[int, int]:
        """Full tiles `first` to `last` of one folder. Gives how many files went, and how many folders were listed."""
        folder = Tile(level, first).path.rpartition("/")[0]
        names = set(await self._files.names(folder))
        removed, listed = 0, 1
        for index in range(first, last + 1):
            path = Tile(level, index).path
            name = path.rpartition("/")[2]
            if name in names and f"{name}.p/" in names:
                if listed >= folders_max:
                    return removed, listed
                widths = await self._files.names(f"{path}.p")
                await self._files.remove([f"{path}.p/{width}" for width in widths])
                removed, listed = removed + len(widths), listed + 1
            self._next[level] = index + 1
        return removed, listed


def _in_one_folder(start: int, end: int) -> Iterator[tuple[int, int]]:
    """The indices from `start` up to `end`, cut where the folder changes: first and last of each piece."""
    while start < end:
        piece_end = min(end, (start // _SIBLINGS + 1) * _SIBLINGS)
        yield start, piece_end - 1
        start = piece_end
