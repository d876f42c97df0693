"""The one thread that writes: takes whatever is queued, commits it together, then answers everybody.

Load makes the batches. Commits keep a small distance, because most of what one costs does not depend on how much is in
it; who writes when nobody has just written does not wait.

Each piece of work runs in a savepoint of its own. Items that wait for the same grouped work are handed to it together;
a group that raises is run again caller by caller, so one bad item costs the others nothing but time.
"""

import asyncio
import contextlib
import functools
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from kms.core.errors import Reason, ResourceExhausted, Unavailable

_logger = logging.getLogger(__name__)
_ITEMS_MAX: Final = 512
"""In one transaction, about: longer ones make everybody wait and save nothing more."""
_ITEMS_ENOUGH: Final = 128
"""That wait already: then a commit begins at once."""
_QUEUE_MAX: Final = 20_000
"""Items that may wait."""


class TransactionLost(Unavailable):
    """The database dropped the transaction of a whole batch: none of its work was stored."""

    def __init__(self) -> None:
        problem = "the database could not store this (is its disk full?); retry"
        super().__init__(Reason.DATABASE_UNAVAILABLE, problem, retry_after_seconds=5)


@dataclass(slots=True)
class Job:
    """`items` is None for work that is run alone; otherwise `result` is a list with an answer for each of them."""

    work: Callable[..., Any]
    items: list[Any] | None
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None

    @property
    def weight(self) -> int:
        return 1 if self.items is None else len(self.items)

    def settle(self) -> None:
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class Writer:
    """Started when made. `close` finishes what was queued."""

    def __init__(self, engine: Engine, *, interval_seconds: float) -> None:
        """`interval_seconds`: the least time between the beginnings of two commits."""
        self._engine = engine
        self._interval = interval_seconds
        self._began = 0.0
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._waiting = 0
        self._lock = threading.Lock()
        self._closed = False
        self._kept: Connection | None = None
        self._thread = threading.Thread(target=self._run, name="database-writer", daemon=True)
        self._thread.start()

    async def submit(self, work: Callable[..., Any], items: list[Any] | None) -> Any:
        """Raises Unavailable when closing, ResourceExhausted when too much waits, and what the work raises."""
        loop = asyncio.get_running_loop()
        job = Job(work, items, loop, loop.create_future())
        if self._closed:
            raise Unavailable(Reason.SHUTTING_DOWN, "the server is closing; retry", retry_after_seconds=1)
        with self._lock:
            if self._waiting + job.weight > _QUEUE_MAX:
                raise ResourceExhausted(Reason.QUEUE_FULL, "too many writes are waiting; retry", retry_after_seconds=1)
            self._waiting += job.weight
        self._queue.put(job)
        return await job.future

    def close(self) -> None:
        """Blocks until the thread has ended. Idempotent."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
            self._thread.join()

    def _run(self) -> None:
        closing = False
        while not closing:
            jobs, closing = self._take()
            wanted = [job for job in jobs if not job.future.cancelled()]
            if wanted:
                self._commit(wanted)
        if self._kept is not None:
            self._kept.close()

    def _take(self) -> tuple[list[Job], bool]:
        """What waits, at least one; and whether the end of the queue was reached."""
        jobs: list[Job] = []
        weight = 0
        job = self._queue.get()
        self._keep_distance()
        while job is not None:
            jobs.append(job)
            weight += job.weight
            if weight >= _ITEMS_MAX or self._queue.empty():
                break
            job = self._queue.get()
        with self._lock:
            self._waiting -= weight
        return jobs, job is None

    def _keep_distance(self) -> None:
        left = self._began + self._interval - time.monotonic()
        if left > 0 and self._waiting < _ITEMS_ENOUGH and not self._closed:
            time.sleep(left)
        self._began = time.monotonic()

    def _commit(self, jobs: list[Job]) -> None:
        try:
            with self._transaction() as connection:
                for work, group in _groups(jobs).items():
                    if group[0].items is None:
                        _run_each(connection, group)
                    else:
                        _run_together(connection, work, group)
                _check_transaction(connection)
        except Exception as error:  # the transaction as a whole failed: nobody's work was stored
            failure = as_service_error(error)
            for job in jobs:
                job.error = failure
        by_loop: dict[asyncio.AbstractEventLoop, list[Job]] = {}
        for job in jobs:
            by_loop.setdefault(job.loop, []).append(job)
        for loop, done in by_loop.items():
            if not loop.is_closed():
                loop.call_soon_threadsafe(_settle, done)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """SQLite's connection is kept; a server's comes from the pool each time, which finds out when it was lost."""
        if self._engine.dialect.name == "sqlite":
            if self._kept is None:
                self._kept = self._engine.connect().execution_options(writes=True)
            with _sqlite_transaction(self._kept):
                yield self._kept
        else:
            with self._engine.connect().execution_options(writes=True) as connection, connection.begin():
                yield connection


@contextlib.contextmanager
def _sqlite_transaction(connection: Connection) -> Iterator[None]:
    """Begun and ended at the driver: what only SQLAlchemy knows of a transaction costs a third of a small one.

    Work that goes through SQLAlchemy begins its own transaction, which finds this one (kms.core.database).
    """
    driver: Any = connection.connection.dbapi_connection
    driver.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.rollback()
        driver.rollback()
        raise
    try:
        connection.commit()
        driver.commit()
    except BaseException:
        driver.rollback()
        raise


def _groups(jobs: list[Job]) -> dict[Callable[..., Any], list[Job]]:
    groups: dict[Callable[..., Any], list[Job]] = {}
    for job in jobs:
        groups.setdefault(job.work, []).append(job)
    return groups


def _run_each(connection: Connection, jobs: list[Job]) -> None:
    for job in jobs:
        try:
            job.result = _run(connection, functools.partial(job.work, connection))
        except TransactionLost:
            raise
        except Exception as error:
            job.error = as_service_error(error)


def _run_together(connection: Connection, work: Callable[..., Any], jobs: list[Job]) -> None:
    items = [item for job in jobs for item in job.items or ()]
    try:
        results = iter(_run(connection, functools.partial(work, connection, items)))
        answers = [[next(results) for _ in job.items or ()] for job in jobs]
    except TransactionLost:
        raise
    except Exception as error:
        if len(jobs) == 1:
            jobs[0].error = as_service_error(error)
            return
        for job in jobs:
            _run_together(connection, work, [job])
        return
    for job, answer in zip(jobs, answers, strict=True):
        job.result = answer


def _run(connection: Connection, work: Callable[[], Any]) -> Any:
    """Work whose failure undoes itself only. Once more when another replica wrote the same row at that moment: then it
    finds that row. Raises TransactionLost when the whole transaction is gone.
    """
    try:
        with _savepoint(connection):
            return work()
    except sa.exc.IntegrityError:
        with _savepoint(connection):
            return work()


def _check_transaction(connection: Connection) -> None:
    """SQLite gives up the whole transaction on a full disk or an I/O error, and what follows would commit by itself."""
    driver = connection.connection.dbapi_connection
    if isinstance(driver, sqlite3.Connection) and not driver.in_transaction:
        raise TransactionLost


def as_service_error(error: Exception) -> Exception:
    """A database that is locked, full or away is worth a retry; anything else is the work's own."""
    if isinstance(error, sa.exc.OperationalError | sqlite3.OperationalError):
        _logger.error("the database refused: %s", error)
        return Unavailable(
            Reason.DATABASE_UNAVAILABLE, "the database is not usable right now; retry", retry_after_seconds=5
        )
    return error


@contextlib.contextmanager
def _savepoint(connection: Connection) -> Iterator[None]:
    """Straight to the driver: SQLAlchemy's own nested transaction costs more than most work inside it."""
    driver: Any = connection.connection.dbapi_connection
    driver.execute("SAVEPOINT piece")
    try:
        yield
    except BaseException:
        _check_transaction(connection)
        driver.execute("ROLLBACK TO SAVEPOINT piece")
        driver.execute("RELEASE SAVEPOINT piece")
        raise
    driver.execute("RELEASE SAVEPOINT piece")


def _settle(jobs: list[Job]) -> None:
    for job in jobs:
        job.settle()
