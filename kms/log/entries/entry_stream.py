"""Published entries in order, and then each new one as it is published. Holds nothing for a reader but its place."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final

from kms.core.database import Database
from kms.core.errors import OutOfRange, Reason
from kms.core.wakeup import wait_ticket
from kms.log.entries import entry_store
from kms.log.model import PublishedCheckpoint, StoredEntry
from kms.log.service import TransparencyLog

ENTRIES_MAX: Final = 256
BYTES_MAX: Final = 1024 * 1024
"""Of entries in one message, unless a single one is larger; nothing is read ahead of the message before."""
_POLL_SECONDS: Final = 0.5
"""How soon a reader that waits sees that the server drains, and what no signal told of."""


@dataclass(frozen=True, slots=True)
class EntriesFrame:
    """`checkpoint` covers the entries; None where it is the one of the frame before."""

    entries: tuple[StoredEntry, ...]
    checkpoint: PublishedCheckpoint | None


@dataclass(frozen=True, slots=True)
class EntryStream:
    """`draining` is set when the server is about to close: streams end then, and readers go on elsewhere."""

    database: Database
    log: TransparencyLog
    draining: asyncio.Event

    async def read(self, start: int, *, follow: bool) -> AsyncGenerator[EntriesFrame, None]:
        """From index `start` to the end of the published tree; with `follow`, without end. Close it when the reader
        has gone. The first frame is sent at once, also when it holds a checkpoint only.

        Raises OutOfRange/TREE_SIZE_UNKNOWN when so much is not published: the reader has seen more than there is.
        """
        place, shown = start, b""
        while True:
            ticket = self.log.published_changes.ticket()
            published = await self.log.checkpoint()
            size = published.head.size
            if place > size:
                raise _unknown(start, size)
            entries = await self._next(place, size)
            place += len(entries)
            if entries or published.note != shown:
                yield EntriesFrame(entries, published if published.note != shown else None)
                shown = published.note
            if self.draining.is_set():
                return
            if place == size:
                if not follow:
                    return
                await wait_ticket(ticket, _POLL_SECONDS)

    async def _next(self, place: int, size: int) -> tuple[StoredEntry, ...]:
        if place == size:
            return ()
        stop = min(place + ENTRIES_MAX, size)
        return tuple(await self.database.read(lambda tx: entry_store.read_run(tx, place, stop, bytes_max=BYTES_MAX)))


def _unknown(start: int, size: int) -> OutOfRange:
    return OutOfRange(
        Reason.TREE_SIZE_UNKNOWN,
        f"index {start} lies beyond the published tree of size {size}; begin at {size} or below",
        field="start_index",
    )
