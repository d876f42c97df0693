"""Moves what SQLite's write-ahead log holds into the database file, beside the writer instead of in its way.

Left to itself SQLite does it inside whichever commit makes the log long, and that commit, with everybody waiting for
it, takes 40 ms instead of 1 or 2 (decision 0008). A thread of its own copies while the writer writes (PASSIVE blocks
nobody); now and then it waits for the writer to pause and starts the log from its beginning (RESTART), which is short,
because little is left to copy then.
"""

import contextlib
import logging
import sqlite3
import threading
from typing import Any, Final

from sqlalchemy.engine import Engine

_logger = logging.getLogger(__name__)

_ROUND_SECONDS: Final = 0.1
"""More seldom, each round copies so much that its fsync holds up the writer's."""
_PAGES_MAX: Final = 8_000
"""About 33 MB: then the log starts from its beginning."""


class WalKeeper:
    """For one SQLite database. Started when made."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="database-wal", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Blocks until the thread has ended. Idempotent."""
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        with contextlib.closing(self._engine.raw_connection()) as pooled:
            while not self._closing.wait(_ROUND_SECONDS):
                try:
                    _copy(pooled.dbapi_connection)
                except sqlite3.Error as error:  # the log grows until the next round; writing goes on
                    _logger.warning("the write-ahead log could not be copied: %s", error)


def _copy(connection: Any) -> None:
    _, pages, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    if pages >= _PAGES_MAX:
        connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
