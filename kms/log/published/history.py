"""Which checkpoints were shown, for people and monitors: `history.json`, and the notes in `history/<size>`.

history.json is {"v":1,"origin":...,"checkpoints":[{"size":...,"root":"<base64>","time":"<RFC 3339>"},...]}: newest
first, at most 200, `time` is when it was kept. The note of each lies in `history/<size>` as it was first seen.
"""

import asyncio
import base64
import contextlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from kms.core.canonical import Json, canonical_json
from kms.core.clock import Clock, format_time
from kms.log.model import PublishedCheckpoint
from kms.public.errors import PublicFileChanged, PublicFilesError
from kms.public.files import PublicFile, PublicFiles

HISTORY_PATH: Final = "history.json"
HISTORY_MAX: Final = 200
_VERSION: Final = 1
_ATTEMPTS: Final = 5
_logger = logging.getLogger(__name__)


def note_path(size: int) -> str:
    """Of the kept checkpoint of this size."""
    return f"history/{size}"


class CheckpointHistory:
    """Keeps a published checkpoint now and then. Several replicas may keep theirs in one place."""

    def __init__(
        self, files: PublicFiles, *, origin: str, clock: Clock, published: Callable[[], PublishedCheckpoint | None]
    ) -> None:
        """`published`: the newest one that everybody sees."""
        self._files = files
        self._origin = origin
        self._clock = clock
        self._published = published
        self._kept_size: int | None = None

    async def run(self, interval_seconds: float) -> None:
        """Keeps one every interval, until cancelled. What fails is tried again the next time."""
        while True:
            await self.attempt()
            await asyncio.sleep(interval_seconds)

    async def attempt(self) -> None:
        """`keep`; what goes wrong is logged: the log goes on without its history."""
        try:
            await self.keep()
        except PublicFilesError as error:
            _logger.warning("the history of checkpoints could not be written, later again: %s", error)

    async def keep(self) -> None:
        """Keeps the newest checkpoint, unless its size is kept already. Raises PublicFilesError."""
        published = self._published()
        if published is None or published.head.size == self._kept_size:
            return
        size = published.head.size
        # What is there may be another signature of the same tree: by another replica, or from before a restart.
        with contextlib.suppress(PublicFileChanged):
            await self._files.add([PublicFile(note_path(size), published.note)])
        for _ in range(_ATTEMPTS):
            if await self._list(published):
                self._kept_size = size
                return

    async def _list(self, published: PublishedCheckpoint) -> bool:
        """False when another replica wrote in between."""
        there = await self._files.read(HISTORY_PATH)
        kept = kept_checkpoints(there)
        if any(each.size == published.head.size for each in kept):
            return True
        kept.append(Kept(published.head.size, published.head.root, format_time(self._clock.now())))
        document = format_history(self._origin, kept)
        found = [there]

        def is_other(now: bytes) -> bool:
            found[0] = now
            return now != there

        await self._files.replace(PublicFile(HISTORY_PATH, document), unless=is_other)
        return found[0] == there


@dataclass(frozen=True, slots=True)
class Kept:
    """A row of history.json. `time` is RFC 3339."""

    size: int
    root: bytes
    time: str


def format_history(origin: str, kept: Sequence[Kept]) -> bytes:
    """The newest of them, newest first."""
    newest = sorted(kept, key=lambda each: each.size, reverse=True)[:HISTORY_MAX]
    rows: list[Json] = [
        {"size": each.size, "root": base64.b64encode(each.root).decode(), "time": each.time} for each in newest
    ]
    return canonical_json({"v": _VERSION, "origin": origin, "checkpoints": rows})


def kept_checkpoints(document: bytes | None) -> list[Kept]:
    """The rows of a history.json; none when it cannot be read: then it is begun again."""
    try:
        rows = json.loads(document or b"{}").get("checkpoints", [])
        return [
            Kept(int(row["size"]), base64.b64decode(row["root"], validate=True), str(row["time"]))
            for row in rows[:HISTORY_MAX]
        ]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return []
