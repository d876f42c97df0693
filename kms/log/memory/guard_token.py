"""The token remembers too: a data object (PKCS#11 CKO_DATA) with origin, size and root of a released checkpoint.

A token is neither on the disk of the database nor in its backups. Writing to one is slow and wears it, so it is asked
at start, at close and at most once in an interval: it catches a backup that is older than that.
"""

import asyncio
import logging
from typing import Final

from hsm.errors import HsmError, UnsupportedAlgorithm
from hsm.provider import KeyProvider
from kms.core.clock import Clock
from kms.log.errors import LogRolledBack
from kms.log.memory.remembered import Seen, checkpoint_text, read_seen, unreadable
from kms.log.model import PublishedCheckpoint, TreeHead

_logger = logging.getLogger(__name__)
_NAME: Final = "hallmark-log "
_CLOSE_SECONDS: Final = 5.0


class GuardToken:
    """See `remembered.Memory`. Many logs may share a token: each has an object of its own."""

    def __init__(self, provider: KeyProvider, clock: Clock, *, interval_seconds: float) -> None:
        self._provider = provider
        self._clock = clock
        self._interval_seconds = interval_seconds
        self._written: tuple[str, TreeHead] | None = None
        self._written_at: float | None = None
        self._newest: tuple[str, PublishedCheckpoint] | None = None
        self._is_recalled = False
        self._is_told = False
        self._is_refused = False

    @property
    def where(self) -> str:
        return "the token"

    async def recall(self, origin: str) -> Seen | None:
        """A token that is away now is asked again before it is written to."""
        try:
            found = await self._provider.read_data(_NAME + origin)
        except HsmError as error:
            self._tell(error)
            return None
        self._is_recalled = True
        try:
            every = [read_seen(data.decode(), self.where) for data in found]
        except UnicodeDecodeError as error:
            raise unreadable(self.where, "it is not text") from error
        seen = max(every, key=lambda each: each.head.size, default=None)
        self._written = None if seen is None else (seen.origin, seen.head)
        return seen

    async def remember(self, origin: str, published: PublishedCheckpoint) -> None:
        self._newest = (origin, published)
        now = self._clock.monotonic()
        if self._written_at is None or now - self._written_at >= self._interval_seconds:
            await self._write()

    async def close(self) -> None:
        """Waits a moment for the token, not longer."""
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._write()
        except TimeoutError:
            _logger.warning("the token takes too long to remember the last checkpoint")
        except LogRolledBack as error:
            _logger.critical("%s", error)

    async def _write(self) -> None:
        """A token that fails holds up no checkpoint: the guard file is what must be written. Raises LogRolledBack."""
        if self._newest is None or self._is_refused:
            return
        origin, published = self._newest
        self._written_at = self._clock.monotonic()
        if not self._is_recalled:
            await self._compare(origin, published)
        if self._written is not None and self._written[0] == origin and self._written[1].size >= published.head.size:
            return
        try:
            await self._provider.write_data(_NAME + origin, checkpoint_text(origin, published.head).encode())
        except HsmError as error:
            self._tell(error)
        else:
            self._written, self._is_told = (origin, published.head), False

    async def _compare(self, origin: str, published: PublishedCheckpoint) -> None:
        seen = await self.recall(origin)
        if seen is not None and seen.head.size > published.head.size:
            raise LogRolledBack(seen.head.size, published.head.size, where=self.where)

    def _tell(self, error: HsmError) -> None:
        """Once."""
        if isinstance(error, UnsupportedAlgorithm):
            self._is_refused = True
        if not self._is_told:
            _logger.warning(
                "the token does not remember checkpoints of the log (%s); the guard file and the public folder do",
                error,
            )
        self._is_told = True
