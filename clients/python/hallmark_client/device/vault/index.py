"""The index: one SQLite file with rows, wrapped keys, audit chain and use counts."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from hallmark_client import forking
from hallmark_client.device import audit
from hallmark_client.device.errors import StoreFailed
from hallmark_client.device.policy.uses import UseCounts
from hallmark_client.device.vault.disk import Disk
from hallmark_client.device.vault.folder import private_file

_SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID",
    """CREATE TABLE IF NOT EXISTS artifact (artifact_id TEXT PRIMARY KEY, name TEXT NOT NULL, version INTEGER NOT NULL,
         row BLOB NOT NULL, wrapped BLOB NOT NULL, share BLOB NOT NULL,
         UNIQUE (name, version)) STRICT, WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS part (artifact_id TEXT NOT NULL, position INTEGER NOT NULL, blob TEXT NOT NULL,
         blob_size INTEGER NOT NULL, PRIMARY KEY (artifact_id, position)) STRICT, WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS part_by_blob ON part (blob)",
    "CREATE TABLE IF NOT EXISTS secret (label TEXT PRIMARY KEY, wrapped BLOB NOT NULL) STRICT, WITHOUT ROWID",
)
_PRAGMAS: Final = (
    "PRAGMA locking_mode = EXCLUSIVE",  # one process; no shared memory file
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # NORMAL may lose the last commit at a power cut
    "PRAGMA secure_delete = ON",
    "PRAGMA foreign_keys = OFF",
)


class Index:
    """One connection; `lock` is held by whoever uses it. Raises StoreFailed."""

    def __init__(self, path: Path, disk: Disk) -> None:
        self.lock = threading.RLock()
        self._path = path
        self._disk = disk
        with self.refused():
            os.close(private_file(path))
            self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            try:
                for pragma in _PRAGMAS:
                    self.connection.execute(pragma)
                self._check_whole()
            except BaseException:
                self.connection.close()
                raise

    def create_tables(self) -> None:
        with self.transaction() as connection:
            for statement in _SCHEMA:
                connection.execute(statement)
            audit.create_tables(connection)
            UseCounts.create_tables(connection)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it, durable after the block; or nothing."""
        with self.lock, self.refused():
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self._commit()
            finally:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")

    def _commit(self) -> None:
        """A commit that failed may have come to the disk all the same: the number that it wrote tells."""
        number = self._number() + 1
        self.set_fact("commit", number)
        try:
            self._disk.commit(self.connection)
        except (sqlite3.Error, OSError):
            if self.connection.in_transaction or self._number() != number:
                raise

    def _number(self) -> int:
        row = self.connection.execute("SELECT value FROM fact WHERE name = 'commit'").fetchone()
        return row[0] if row is not None and isinstance(row[0], int) else 0

    def fact(self, name: str) -> bytes | int | str | None:
        with self.reading():
            row = self.connection.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
        return None if row is None else row[0]

    def set_fact(self, name: str, value: bytes | int | str) -> None:
        """Inside a transaction."""
        self.connection.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (name, value))

    def close(self) -> None:
        with self.lock:
            self.connection.close()

    def leave_to_parent(self) -> None:
        """In the child of a fork."""
        forking.leave_to_parent(self.connection)

    def _check_whole(self) -> None:
        """That every page and column is what SQLite wrote, so that what is read later has the types that it should. Not
        whether somebody changed it: keys and hashes tell.
        """
        found = self.connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != ("ok",):
            raise sqlite3.DatabaseError(f"the index is damaged ({found[0]:.80}); put it back from a backup")

    @contextmanager
    def reading(self) -> Iterator[None]:
        """With the lock, for statements outside of a transaction."""
        with self.lock, self.refused():
            yield

    @contextmanager
    def refused(self) -> Iterator[None]:
        """What SQLite and the disk refuse becomes StoreFailed."""
        try:
            yield
        except (sqlite3.Error, OSError, UnicodeDecodeError) as error:  # the last one: of a message about damaged names
            raise StoreFailed(
                "STORE_FAILED", f"{self._path}: {error}. Nothing was changed; check free space and permissions"
            ) from error
