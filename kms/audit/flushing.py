"""What was counted in memory goes to the database, a few seconds later, many rows in one transaction; and old rows go.

Nothing here is on the path of a call. While the database is away, what was counted waits, up to a bound; beyond it is
dropped, and that is said.
"""

import asyncio
import functools
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

from sqlalchemy.engine import Connection

from kms.audit import seen_store, session_store, signature_store
from kms.audit.recorder import Batch, Recorder
from kms.audit.signature_counter import SignatureCounter
from kms.core.clock import Clock
from kms.core.database import Database
from kms.core.errors import OutcomeUnknown, ServiceError

ROWS_AT_ONCE: Final = 500
"""In one write: a signature waits no more than some milliseconds for it."""
WAITING_MAX: Final = 200
"""Writes that may wait for a database that is away."""
PRUNE_SECONDS: Final = 600
_logger: Final = logging.getLogger("hallmark.audit.counts")

_Add: TypeAlias = Callable[[Connection, Sequence[Any]], None]


@dataclass(frozen=True, slots=True)
class _Write:
    """Work of one transaction."""

    add: _Add
    rows: Sequence[Any]

    def __call__(self, tx: Connection) -> None:
        self.add(tx, self.rows)

    @property
    def calls(self) -> int:
        return sum(row.calls for row in self.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """How long. Sessions go before that when there are more of them than `sessions_max`."""

    sessions: timedelta
    signatures: timedelta
    sessions_max: int


@dataclass(slots=True)
class Flusher:
    """`on_dropped` hears how many calls were not counted: for a metric. Without `signatures` (an edge) nothing is
    counted in the log, and nothing removed: replicas do both.
    """

    recorder: Recorder
    database: Database
    signatures: SignatureCounter | None
    clock: Clock
    kept: Kept
    interval_seconds: float
    on_dropped: Callable[[int], None] | None = None
    _waiting: deque[_Write] = field(default_factory=deque)
    _failing: set[str] = field(default_factory=set)

    async def run(self) -> None:
        """Until cancelled; `flush` once more after that."""
        prune_at = self.clock.monotonic() + PRUNE_SECONDS
        while True:
            await asyncio.sleep(self.interval_seconds)
            await self.flush()
            if self.signatures is not None and self.clock.monotonic() >= prune_at:
                prune_at = self.clock.monotonic() + PRUNE_SECONDS
                await self._try("remove what is old", self.prune())

    async def flush(self) -> None:
        """Writes what was counted, counts new signatures. What can not be written now waits for the next time."""
        self._take(self.recorder.take())
        await self._try("write what was counted", self._write())
        if self.signatures is not None:
            await self._try("count signatures", self.signatures.count())

    async def prune(self) -> None:
        """Removes what is older than it may be, in small steps. Raises ServiceError."""
        now, kept = self.clock.now(), self.kept
        too_many = await self.database.read(lambda tx: session_store.end_of_surplus(tx, kept.sessions_max))
        oldest = now - kept.sessions
        await self._remove(session_store.remove, oldest if too_many is None else max(oldest, too_many))
        await self._remove(seen_store.remove, oldest)
        await self._remove(signature_store.remove, now - kept.signatures)

    async def _remove(self, remove: Callable[..., int], before: datetime) -> None:
        work = functools.partial(remove, before=before, limit=ROWS_AT_ONCE)
        while await self.database.write(work) > 0:
            pass

    def _take(self, batch: Batch) -> None:
        for add, rows in ((session_store.add, batch.sessions), (seen_store.add, batch.seen)):
            for start in range(0, len(rows), ROWS_AT_ONCE):
                self._waiting.append(_Write(add, rows[start : start + ROWS_AT_ONCE]))
        dropped = batch.dropped
        while len(self._waiting) > WAITING_MAX:
            dropped += self._waiting.popleft().calls
        self._drop(dropped)

    async def _write(self) -> None:
        while self._waiting:
            write = self._waiting[0]
            try:
                await self.database.write(write)
            except OutcomeUnknown:  # added again, they might count twice
                self._drop(write.calls)
            self._waiting.popleft()

    def _drop(self, calls: int) -> None:
        if calls and self.on_dropped is not None:
            self.on_dropped(calls)
        if calls:
            _logger.warning("calls were not counted for auditors: too many at once", extra={"facts": {"calls": calls}})

    async def _try(self, what: str, work: Awaitable[None]) -> None:
        """Said once, until it works again."""
        try:
            await work
        except ServiceError as error:
            if what not in self._failing:
                self._failing.add(what)
                _logger.warning("could not %s, later again: %s", what, error)
        else:
            self._failing.discard(what)
