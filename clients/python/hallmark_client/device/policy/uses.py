"""How often artifacts were used, counted in the vault's own SQLite file: a software counter, so advisory.

Uses are counted by artifact, not by caller: a program that names itself would count anew under every name.
"""

import sqlite3
from datetime import UTC, datetime, timedelta
from typing import Final

MINUTE: Final = 60
WINDOW_SECONDS_MAX: Final = 31 * 24 * 3_600

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_KEPT_MINUTES: Final = WINDOW_SECONDS_MAX // MINUTE
_TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS use_minute
       (artifact_id TEXT NOT NULL, minute INTEGER NOT NULL, uses INTEGER NOT NULL,
        PRIMARY KEY (artifact_id, minute)) STRICT, WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS use_ever
       (artifact_id TEXT PRIMARY KEY, uses INTEGER NOT NULL, latest INTEGER NOT NULL) STRICT, WITHOUT ROWID""",
)


class UseCounts:
    """By minutes, 31 days back, and in all. A clock that was set back gives nothing back: uses that seem to lie ahead
    count as well, and further ones are written down at the latest time there was. sqlite3.Error passes through.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @staticmethod
    def create_tables(connection: sqlite3.Connection) -> None:
        """Those that are not there yet; begins and ends no transaction."""
        for table in _TABLES:
            connection.execute(table)

    def spent(self, artifact_id: str, window_seconds: int | None, now: datetime) -> int:
        """Uses in the window that ends now, rounded up to whole minutes, so never too few; None: ever.

        Raises ValueError for a window beyond 31 days.
        """
        if window_seconds is None:
            return self._ever(artifact_id)[0]
        if not 0 < window_seconds <= WINDOW_SECONDS_MAX:
            raise ValueError(f"a window has 1 to {WINDOW_SECONDS_MAX} seconds")
        query = "SELECT coalesce(sum(uses), 0) FROM use_minute WHERE artifact_id = ? AND minute >= ?"
        row = self._connection.execute(query, (artifact_id, (_seconds(now) - window_seconds) // MINUTE)).fetchone()
        return int(row[0])

    def spend(self, artifact_id: str, now: datetime, uses: int = 1) -> None:
        """Inside the caller's transaction: committed before the bytes are given, where a limit rests on it."""
        if not self._connection.in_transaction:
            raise RuntimeError("uses are spent inside a transaction of the caller")
        minute = max(_seconds(now) // MINUTE, self._ever(artifact_id)[1])
        self._connection.execute(
            "INSERT INTO use_minute VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET uses = uses + excluded.uses",
            (artifact_id, minute, uses),
        )
        self._connection.execute(
            """INSERT INTO use_ever VALUES (?, ?, ?)
               ON CONFLICT DO UPDATE SET uses = uses + excluded.uses, latest = excluded.latest""",
            (artifact_id, uses, minute),
        )
        old = "DELETE FROM use_minute WHERE artifact_id = ? AND minute < ?"
        self._connection.execute(old, (artifact_id, minute - _KEPT_MINUTES - 1))

    def forget(self, artifact_id: str) -> None:
        """The artifact was deleted; its id never comes back."""
        for table in ("use_minute", "use_ever"):
            self._connection.execute(f"DELETE FROM {table} WHERE artifact_id = ?", (artifact_id,))  # noqa: S608 - ours

    def _ever(self, artifact_id: str) -> tuple[int, int]:
        query = "SELECT uses, latest FROM use_ever WHERE artifact_id = ?"
        row = self._connection.execute(query, (artifact_id,)).fetchone()
        return (0, 0) if row is None else (row[0], row[1])


def _seconds(moment: datetime) -> int:
    return max((moment - _EPOCH) // timedelta(seconds=1), 0)
