"""Makes the index that entries are found by, behind the publication: nobody's append waits for it.

Every replica does it; rows that another one made are left alone. What is indexed is what is published here, from the
last row on, so that after any crash, and after rows were deleted, it goes on where they end.
"""

import asyncio
import json
import logging
from datetime import UTC, datetime
from typing import Final

from sqlalchemy.engine import Connection

from kms.core.database import Database
from kms.core.wakeup import wait_ticket
from kms.log.entries import entry_store, search_store
from kms.log.entries.search_store import SearchRow
from kms.log.model import StoredEntry
from kms.log.rounds.backoff import Backoff
from kms.log.service import TransparencyLog

BATCH_ENTRIES: Final = 512
_BATCH_BYTES: Final = 4 * 1024 * 1024
_REMOVED_AT_ONCE: Final = 5_000
_PACE_SECONDS: Final = 0.2
_POLL_SECONDS: Final = 1.0
_NOBODY: Final = ""
"""No tenant has this name: entries that are not of this service's making are counted, and not found."""

_logger = logging.getLogger(__name__)


class Indexer:
    """One task of the process."""

    def __init__(self, database: Database, log: TransparencyLog) -> None:
        self._database = database
        self._log = log
        self._is_checked = False

    async def run(self) -> None:
        """Until cancelled. Whatever fails is logged and tried again, ever more slowly."""
        backoff = Backoff()
        while True:
            ticket = self._log.published_changes.ticket()
            try:
                await self.catch_up()
            except Exception as error:  # a loop of the service: a database that is away must not end it
                _logger.warning("the index of log entries is behind, trying again: %s", error)
                await asyncio.sleep(backoff.failed())
                continue
            backoff.succeeded()
            await wait_ticket(ticket, _POLL_SECONDS)
            await asyncio.sleep(_PACE_SECONDS)

    async def catch_up(self) -> int:
        """Indexes what is published by now; gives the size of the index. Raises Unavailable before there is any."""
        published = (await self._log.checkpoint()).head.size
        if not self._is_checked:
            await self._drop_rows_of_another_log()
            self._is_checked = True
        while True:
            rows = await self._database.read(lambda tx: _next_rows(tx, published))
            if not rows:
                return await self._database.read(search_store.indexed_size)
            await self._database.write(lambda tx, rows=rows: _insert(tx, rows))  # type: ignore[misc]

    async def _drop_rows_of_another_log(self) -> None:
        """After a log was closed its successor counts from 0 again: rows that do not fit their entries go."""
        while await self._database.read(_is_foreign):
            await self._database.write(_remove_some)


def _next_rows(tx: Connection, published: int) -> list[SearchRow]:
    start = search_store.indexed_size(tx)
    stop = min(start + BATCH_ENTRIES, published)
    if start >= stop:
        return []
    return [_row(entry) for entry in entry_store.read_run(tx, start, stop, bytes_max=_BATCH_BYTES)]


def _insert(tx: Connection, rows: list[SearchRow]) -> None:
    """Without a hole: only where the index ends, or another replica went on meanwhile."""
    if rows[0].index <= search_store.indexed_size(tx):
        search_store.insert_rows(tx, rows)


def _row(entry: StoredEntry) -> SearchRow:
    """Entries are canonical by the time they are stored: a plain parser is several times faster than the strict one."""
    try:
        document = json.loads(entry.data)
        time = datetime.fromisoformat(document["time"]).astimezone(UTC)
        return SearchRow(entry.index, document["tenant"], document["subject"], document["type"], time)
    except (ValueError, KeyError, TypeError):
        return SearchRow(entry.index, _NOBODY, "", "", datetime.fromtimestamp(0, UTC))


def _is_foreign(tx: Connection) -> bool:
    last = search_store.last_row(tx)
    if last is None:
        return False
    found = entry_store.read_run(tx, last.index, last.index + 1, bytes_max=0)
    return not found or _row(found[0]) != last


def _remove_some(tx: Connection) -> None:
    search_store.remove_from(tx, max(0, search_store.indexed_size(tx) - _REMOVED_AT_ONCE))
