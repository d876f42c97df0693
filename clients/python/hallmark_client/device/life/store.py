"""life.db: what a device must not forget, one SQLite file beside the vault's index. Nothing in it is secret.

WAL and synchronous=FULL: what a method has written survives a power cut. One process at a time: the vault's lock sees
to that. Threads: one lock.
"""

import contextlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from hallmark_client import forking
from hallmark_client.device.vault.folder import private_file
from hallmark_events.canonical import canonical_json

from .errors import LifeStoreFailed
from .model import OPEN_STEPS, Command, Step, Work

FILE: Final = "life.db"
_FORMAT: Final = 1
_SCHEMA: Final = """
CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE work (removal TEXT PRIMARY KEY, jti TEXT NOT NULL, subject TEXT NOT NULL, own TEXT NOT NULL,
                   artifact TEXT NOT NULL, step TEXT NOT NULL, epoch_before INTEGER, receipt BLOB NOT NULL,
                   signature BLOB NOT NULL, evidence TEXT, request_id TEXT NOT NULL, grade TEXT NOT NULL,
                   answer BLOB NOT NULL, note TEXT NOT NULL) STRICT;
CREATE TABLE suspended (artifact_id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
"""
_COLUMNS: Final = "jti, subject, own, step, epoch_before, receipt, signature, evidence, request_id, grade, answer, note"


class LifeStore:
    """Raises LifeStoreFailed."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._lock = threading.Lock()
        self._in_child = False
        with self._failing():
            os.close(private_file(self._path))
            self._database = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._migrate()
        forking.watch(self)

    def close(self) -> None:
        if not self._in_child:
            with self._lock:
                self._database.close()

    def forked(self) -> None:
        """In the child of a fork; called by itself: the file is the parent's."""
        self._in_child = True
        forking.leave_to_parent(self._database)

    def fact(self, name: str) -> Any:
        """A JSON value; None where nothing was kept."""
        with self._reading() as database:
            row = database.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
            return None if row is None else json.loads(row[0])

    def keep_fact(self, name: str, value: Any) -> None:
        text = canonical_json(value).decode()
        with self._writing() as database:
            database.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (name, text))

    def ask(self, command: Command) -> bool:
        """A command that came; False when it is known already: it comes at least once."""
        own = canonical_json(dict(command.own)).decode()
        with self._writing() as database:
            row = (command.removal, command.jti, command.subject, own, command.artifact, Step.ASKED)
            added = database.execute(
                "INSERT OR IGNORE INTO work VALUES (?, ?, ?, ?, ?, ?, NULL, x'', x'', NULL, '', '', x'', '')", row
            )
            return added.rowcount == 1

    def put(self, work: Work) -> None:
        """What became of a command."""
        evidence = None
        if work.evidence is not None:
            evidence = json.dumps({name: part.hex() for name, part in work.evidence.items()}, sort_keys=True)
        with self._writing() as database:
            database.execute(
                "UPDATE work SET step = ?, epoch_before = ?, receipt = ?, signature = ?, evidence = ?, request_id = ?,"
                " grade = ?, answer = ?, note = ? WHERE removal = ?",
                (work.step, work.epoch_before, work.receipt, work.signature, evidence, work.request_id, work.grade,
                 work.answer, work.note, work.command.removal),
            )  # fmt: skip

    def works(self, *steps: Step) -> list[Work]:
        """Those at one of these steps, oldest first; all without."""
        wanted = steps or tuple(Step)
        marks = ", ".join("?" * len(wanted))
        with self._reading() as database:
            rows = database.execute(
                f"SELECT {_COLUMNS} FROM work WHERE step IN ({marks}) ORDER BY rowid",  # noqa: S608 - marks alone
                [str(step) for step in wanted],
            ).fetchall()
            return [_work(row) for row in rows]

    def doomed(self) -> frozenset[str]:
        """Subjects of artifacts under a command that is not carried out yet."""
        with self._reading() as database:
            rows = database.execute("SELECT artifact FROM work WHERE step IN (?, ?)", (Step.ASKED, Step.ERASING))
            return frozenset(subject for (subject,) in rows.fetchall())

    def owed(self) -> int:
        with self._reading() as database:
            marks = ", ".join("?" * len(OPEN_STEPS))
            query = f"SELECT count(*) FROM work WHERE step IN ({marks})"  # noqa: S608 - marks alone
            return int(database.execute(query, [str(step) for step in OPEN_STEPS]).fetchone()[0])

    def suspended(self) -> frozenset[str]:
        """Ids of artifacts that the service's word suspended, and not their owner."""
        with self._reading() as database:
            return frozenset(found for (found,) in database.execute("SELECT artifact_id FROM suspended").fetchall())

    def note_suspended(self, artifact_id: str, *, on: bool) -> None:
        with self._writing() as database:
            if on:
                database.execute("INSERT OR IGNORE INTO suspended VALUES (?)", (artifact_id,))
            else:
                database.execute("DELETE FROM suspended WHERE artifact_id = ?", (artifact_id,))

    def _migrate(self) -> None:
        (found,) = self._database.execute("PRAGMA user_version").fetchone()
        if found == 0:
            self._database.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_FORMAT}; COMMIT;")
        elif found != _FORMAT:
            raise LifeStoreFailed("LIFE_STORE", f"{self._path} was written by another version of this SDK")

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        self._check_ours()
        with self._lock, self._failing():
            try:
                yield self._database
            except (ValueError, TypeError, LookupError) as error:
                raise sqlite3.DatabaseError(f"a row is not what is written here: {error!r}") from error

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        self._check_ours()
        with self._lock, self._failing():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

    def _check_ours(self) -> None:
        if self._in_child:
            raise LifeStoreFailed("LIFE_STORE", f"{self._path} is open in the process that this one was forked from")

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            sentence = f"{self._path} can not be used: {error}; is there space, and does the file belong to this user?"
            raise LifeStoreFailed("LIFE_STORE", sentence) from error


def _work(row: tuple[Any, ...]) -> Work:
    jti, subject, own, step, before, receipt, signature, evidence, request_id, grade, answer, note = row
    parts = None
    if evidence is not None:
        parts = {name: bytes.fromhex(part) for name, part in json.loads(evidence).items()}
    return Work(
        command=Command(subject=subject, jti=jti, own=json.loads(own)),
        step=Step(step),
        epoch_before=before,
        receipt=receipt,
        signature=signature,
        evidence=parts,
        request_id=request_id,
        grade=grade,
        answer=answer,
        note=note,
    )
