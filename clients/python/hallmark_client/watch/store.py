"""Where a watcher keeps what it holds: one SQLite file, or memory."""

import contextlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from hallmark_client import forking
from hallmark_client.errors import HallmarkError
from hallmark_client.watch.changes import Change
from hallmark_client.watch.frames import Feed
from hallmark_client.watch.held import Clock, Lists, Place, Row, Writing
from hallmark_client.watch.store_json import change_from, change_to, clock_from, clock_to, lists_from, lists_to, text
from hallmark_events.errors import EventsError
from hallmark_events.state import FeedState
from hallmark_events.state_entry import Kept, parse_entry

_FORMAT: Final = 1
_SCHEMA: Final = """
CREATE TABLE place (feed TEXT PRIMARY KEY, epoch BLOB NOT NULL, sequence INTEGER NOT NULL, cursor TEXT NOT NULL,
                    digest BLOB NOT NULL, told BLOB NOT NULL) STRICT;
CREATE TABLE entry (feed TEXT NOT NULL, subject TEXT NOT NULL, epoch BLOB, value TEXT NOT NULL,
                    kept INTEGER NOT NULL, PRIMARY KEY (feed, subject, kept)) STRICT, WITHOUT ROWID;
CREATE TABLE pending (feed TEXT NOT NULL, jti TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (feed, jti)) STRICT;
CREATE TABLE ack (jti TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
"""


class StoreFailed(HallmarkError):
    """The file can not be read or written, or holds what a watcher of another device or tenant keeps."""


@dataclass(slots=True, kw_only=True)
class Stored:
    """What is read at the start. `pending` and `acks` in the order they came."""

    places: dict[Feed, Place] = field(default_factory=dict)
    states: dict[Feed, FeedState] = field(default_factory=dict)
    pending: list[Change] = field(default_factory=list)
    acks: list[str] = field(default_factory=list)
    clock: Clock = field(default_factory=Clock)
    lists: Lists = field(default_factory=Lists)


class Store(Protocol):
    """Used by one watcher at a time, from any thread, one call after the other. Raises StoreFailed."""

    def load(self, owner: str) -> Stored:
        """owner: the tenant's resource name; what another owner left is refused."""

    def save(self, writing: Writing) -> None:
        """All of it, or nothing; when it returns, a power cut takes nothing back."""

    def close(self) -> None: ...


class MemoryStore:
    """For tests, and for programs that begin anew each time. Outlives its watcher, not the process."""

    def __init__(self) -> None:
        self._stored = Stored()

    def load(self, owner: str) -> Stored:
        del owner
        stored = self._stored
        states = {
            feed: FeedState(state.epoch, state.sequence, dict(state.mirror), dict(state.kept))
            for feed, state in stored.states.items()
        }
        return Stored(
            places=dict(stored.places),
            states=states,
            pending=list(stored.pending),
            acks=list(stored.acks),
            clock=stored.clock,
            lists=stored.lists,
        )

    def save(self, writing: Writing) -> None:
        stored = self._stored
        for feed, place in writing.places.items():
            stored.places[feed] = place
            state = stored.states.setdefault(feed, FeedState())
            state.epoch, state.sequence = place.epoch, place.sequence
        for row in writing.rows:
            state = stored.states.setdefault(row.feed, FeedState())
            _put(state.mirror, row.subject, row.mirror)
            _put(state.kept, row.subject, row.kept)
        done = set(writing.told)
        stored.pending = [one for one in stored.pending if (one.feed, one.jti) not in done]
        stored.pending += writing.pending
        stored.acks = [jti for jti in [*stored.acks, *writing.acks] if jti not in writing.acknowledged]
        stored.clock = writing.clock or stored.clock
        stored.lists = writing.lists or stored.lists

    def close(self) -> None:
        """Nothing to do."""


class SqliteStore:
    """One file, made with mode 0600: WAL, and synchronous=FULL, since the last commit must survive a power cut."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Raises StoreFailed."""
        self._path = Path(path)
        self._lock = threading.Lock()
        self._in_child = False
        try:
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
            self._database = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            # One watcher at a time: two would each write over what the other has learnt.
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._migrate()
        except (sqlite3.Error, OSError) as error:
            raise _failed(self._path, error) from error
        forking.watch(self)

    def load(self, owner: str) -> Stored:
        self._check_ours()
        with self._lock:
            try:
                return self._load(owner)
            except (sqlite3.Error, EventsError, ValueError, TypeError, LookupError) as error:
                raise _failed(self._path, error) from error

    def save(self, writing: Writing) -> None:
        self._check_ours()
        with self._lock:
            try:
                self._database.execute("BEGIN IMMEDIATE")
                for statement, rows in _statements(writing):
                    self._database.executemany(statement, rows)
                self._database.execute("COMMIT")
            except sqlite3.Error as error:
                with contextlib.suppress(sqlite3.Error):  # it may be closed by now
                    self._database.execute("ROLLBACK")
                raise _failed(self._path, error) from error

    def close(self) -> None:
        if not self._in_child:
            with self._lock:
                self._database.close()

    def forked(self) -> None:
        """In the child of a fork; called by itself: the file is the parent's."""
        self._in_child = True
        forking.leave_to_parent(self._database)

    def _check_ours(self) -> None:
        if self._in_child:
            raise StoreFailed("WATCH_STORE", f"{self._path} is open in the process that this one was forked from")

    def _migrate(self) -> None:
        found = self._database.execute("PRAGMA user_version").fetchone()[0]
        if found == 0:
            self._database.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_FORMAT}; COMMIT;")
        elif found != _FORMAT:
            raise StoreFailed("WATCH_STORE", f"{self._path} is of format {found}, written by another version")

    def _load(self, owner: str) -> Stored:
        stored = Stored()
        facts = dict(self._database.execute("SELECT name, value FROM fact"))
        if facts.setdefault("owner", owner) != owner:
            raise StoreFailed("WATCH_STORE", f"{self._path} is of {facts['owner']}, not of {owner}: use another file")
        self._database.execute("INSERT OR IGNORE INTO fact VALUES ('owner', ?)", (owner,))
        for name, epoch, sequence, cursor, digest, told in self._database.execute("SELECT * FROM place"):
            stored.places[Feed(name)] = Place(epoch, sequence, cursor, digest, told)
            stored.states[Feed(name)] = FeedState(epoch=epoch, sequence=sequence)
        for name, subject, epoch, value, is_kept in self._database.execute("SELECT * FROM entry"):
            state, entry = stored.states[Feed(name)], parse_entry(json.loads(value))
            if is_kept:
                state.kept[subject] = Kept(entry, epoch)
            else:
                state.mirror[subject] = entry
        pending = self._database.execute("SELECT value FROM pending ORDER BY rowid")
        stored.pending = [change_from(json.loads(value)) for (value,) in pending]
        stored.acks = [jti for (jti,) in self._database.execute("SELECT jti FROM ack ORDER BY jti")]
        if "clock" in facts:
            stored.clock = clock_from(json.loads(facts["clock"]))
        if "lists" in facts:
            stored.lists = lists_from(json.loads(facts["lists"]))
        return stored


def _statements(writing: Writing) -> Iterable[tuple[str, list[tuple[Any, ...]]]]:
    yield (
        "INSERT OR REPLACE INTO place VALUES (?, ?, ?, ?, ?, ?)",
        [
            (feed.value, place.epoch, place.sequence, place.cursor, place.digest, place.told)
            for feed, place in writing.places.items()
        ],
    )
    yield "DELETE FROM entry WHERE feed = ? AND subject = ?", [(row.feed.value, row.subject) for row in writing.rows]
    yield "INSERT INTO entry VALUES (?, ?, ?, ?, ?)", [record for row in writing.rows for record in _records(row)]
    yield "DELETE FROM pending WHERE feed = ? AND jti = ?", [(feed.value, jti) for feed, jti in writing.told]
    yield (
        "INSERT OR REPLACE INTO pending VALUES (?, ?, ?)",
        [(one.feed.value, one.jti, text(change_to(one))) for one in writing.pending],
    )
    yield "INSERT OR IGNORE INTO ack VALUES (?)", [(jti,) for jti in writing.acks]
    yield "DELETE FROM ack WHERE jti = ?", [(jti,) for jti in writing.acknowledged]
    facts = []
    if writing.clock is not None:
        facts.append(("clock", text(clock_to(writing.clock))))
    if writing.lists is not None:
        facts.append(("lists", text(lists_to(writing.lists))))
    yield "INSERT OR REPLACE INTO fact VALUES (?, ?)", list(facts)


def _records(row: Row) -> Iterable[tuple[Any, ...]]:
    if row.mirror is not None:
        yield row.feed.value, row.subject, None, text(row.mirror.to_json()), 0
    if row.kept is not None:
        yield row.feed.value, row.subject, row.kept.epoch, text(row.kept.entry.to_json()), 1


def _put(found: dict[str, Any], subject: str, value: Any) -> None:
    if value is None:
        found.pop(subject, None)
    else:
        found[subject] = value


def _failed(path: Path, error: Exception) -> StoreFailed:
    if isinstance(error, StoreFailed):
        return error
    return StoreFailed("WATCH_STORE", f"{path} can not be used: {error!r}")
