"""The database: one group-commit writer, a few readers. SQLite (WAL, synchronous=FULL) or PostgreSQL.

Writes of many callers share one commit: the writer thread takes whatever is queued, runs each piece of work in its own
savepoint, commits once, and only then answers. No timer: load makes the batches. Truth for the caller: when `write`
returns, the work is durable; when it raises, nothing of that work was stored.
"""

import asyncio
import functools
import logging
import os
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from kms.core.errors import Reason, ResourceExhausted, Unavailable

metadata = sa.MetaData()
_logger = logging.getLogger(__name__)
T = TypeVar("T")
I = TypeVar("I")  # noqa: E741 - the item of a group
Work = Callable[[Connection], T]
GroupWork = Callable[[Connection, list[I]], list[T | Exception]]
"""Does the work of many callers at once; answers in order, an exception where one item is refused."""

_BATCH_MAX = 256
_QUEUE_MAX = 20_000
_LOST = "the database could not store this (is its disk full?); retry"
_NO_ITEM = object()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class UtcTime(sa.types.TypeDecorator[datetime]):
    """A point in time, stored as integer microseconds since 1970: the same on every engine, and it sorts."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:  # noqa: ARG002
        return None if value is None else (value - _EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else _EPOCH + timedelta(microseconds=value)


class TransactionLost(Unavailable):
    """The database dropped the transaction of a whole batch: none of its work was stored."""

    def __init__(self, message: str, *, retry_after_seconds: float) -> None:
        super().__init__(Reason.DATABASE_UNAVAILABLE, message, retry_after_seconds=retry_after_seconds)


@dataclass(slots=True)
class _Job:
    """`item` is set for grouped work only."""

    work: Callable[..., Any]
    item: Any
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = field(default=None)

    def settle(self) -> None:
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class Database:
    """Runs functions `(connection) -> result` in transactions, off the event loop.

    Work must be short: no HSM call, no network, no waiting. Work whose caller has gone is not begun.
    """

    def __init__(self, url: str, *, readers: int = 2) -> None:
        self.engine = _create_engine(url, readers)
        self._queue: queue.Queue[_Job | None] = queue.Queue()
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="database-reader")
        self._writer = threading.Thread(target=self._write_loop, name="database-writer", daemon=True)
        self._closed = False
        self._writer.start()

    async def read(self, work: Work[T]) -> T:
        """A read transaction on a consistent snapshot."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    async def write(self, work: Work[T]) -> T:
        """A write transaction; returns after the commit. Errors raised by `work` undo that work only."""
        result: T = await self._submit(work, _NO_ITEM)
        return result

    async def write_grouped(self, work: GroupWork[I, T], item: I) -> T:
        """Like `write`, for hot paths: items that wait for the same `work` are handed to it together.

        A group that raises is run again item by item, so one bad item costs the others nothing but time.
        """
        result: T = await self._submit(work, item)
        return result

    async def _submit(self, work: Callable[..., Any], item: object) -> Any:
        if self._closed:
            raise Unavailable(Reason.SHUTTING_DOWN, "the server is closing; retry", retry_after_seconds=1)
        if self._queue.qsize() >= _QUEUE_MAX:
            raise ResourceExhausted(Reason.QUEUE_FULL, "too many writes are waiting; retry", retry_after_seconds=1)
        loop = asyncio.get_running_loop()
        job = _Job(work, item, loop, loop.create_future())
        self._queue.put(job)
        return await job.future

    def close(self) -> None:
        """Finishes what was queued, then closes. Idempotent."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
            self._writer.join()
            self._readers.shutdown()
            self.engine.dispose()

    def _read(self, work: Work[T]) -> T:
        try:
            with self.engine.begin() as connection:
                return work(connection)
        except sa.exc.OperationalError as error:
            raise _translated(error) from error

    def _write_loop(self) -> None:
        closing = False
        while not closing:
            first = self._queue.get()
            batch = [first]
            while len(batch) < _BATCH_MAX and not self._queue.empty():
                batch.append(self._queue.get())
            closing = None in batch
            jobs = [job for job in batch if job is not None and not job.future.cancelled()]
            if jobs:
                self._commit_together(jobs)

    def _commit_together(self, jobs: list[_Job]) -> None:
        try:
            with self.engine.connect().execution_options(writes=True) as connection, connection.begin():
                for work, group in _groups(jobs).items():
                    if group[0].item is _NO_ITEM:
                        _run_each(connection, group)
                    else:
                        _run_together(connection, work, group)
                _check_transaction(connection)
        except Exception as error:  # the transaction as a whole failed: nobody's work was stored
            failure = _translated(error)
            for job in jobs:
                job.error = failure
        by_loop: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
        for job in jobs:
            by_loop.setdefault(job.loop, []).append(job)
        for loop, done in by_loop.items():
            if not loop.is_closed():
                loop.call_soon_threadsafe(_settle, done)


def _groups(jobs: list[_Job]) -> dict[Callable[..., Any], list[_Job]]:
    groups: dict[Callable[..., Any], list[_Job]] = {}
    for job in jobs:
        groups.setdefault(job.work, []).append(job)
    return groups


def _run_each(connection: Connection, jobs: list[_Job]) -> None:
    for job in jobs:
        try:
            job.result = _in_savepoint(connection, functools.partial(job.work, connection))
        except TransactionLost:
            raise
        except Exception as error:
            job.error = _translated(error)


def _run_together(connection: Connection, work: Callable[..., Any], jobs: list[_Job]) -> None:
    try:
        results = _in_savepoint(connection, functools.partial(work, connection, [job.item for job in jobs]))
    except TransactionLost:
        raise
    except Exception as error:
        if len(jobs) == 1:
            jobs[0].error = _translated(error)
            return
        for job in jobs:
            _run_together(connection, work, [job])
        return
    for job, result in zip(jobs, results, strict=True):
        if isinstance(result, Exception):
            job.error = result
        else:
            job.result = result


def _in_savepoint(connection: Connection, work: Callable[[], Any]) -> Any:
    """Runs work whose failure undoes itself only. Once more when another replica wrote the same row at that moment:
    then it finds that row. Raises TransactionLost when the whole transaction is gone.
    """
    for attempt in (1, 2):
        try:
            with connection.begin_nested():
                return work()
        except sa.exc.IntegrityError:
            _check_transaction(connection)
            if attempt == 2:
                raise
        except Exception:
            _check_transaction(connection)
            raise
    raise AssertionError("the loop returns or raises")


def _check_transaction(connection: Connection) -> None:
    """SQLite gives up the whole transaction on a full disk or an I/O error, and what follows would commit by itself."""
    raw = connection.connection.dbapi_connection
    if isinstance(raw, sqlite3.Connection) and not raw.in_transaction:
        raise TransactionLost(_LOST, retry_after_seconds=5)


def _translated(error: Exception) -> Exception:
    """A database that is locked, full or away is worth a retry; the rest is the work's own."""
    if isinstance(error, sa.exc.OperationalError):
        _logger.error("the database refused: %s", error.orig)
        return Unavailable(
            Reason.DATABASE_UNAVAILABLE, "the database is not usable right now; retry", retry_after_seconds=5
        )
    return error


def _settle(jobs: list[_Job]) -> None:
    for job in jobs:
        job.settle()


def _make_private(file: str | None) -> None:
    """A new SQLite file is its owner's only; SQLite gives -wal and -shm the same mode."""
    if file and file != ":memory:":
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))


def _create_engine(url: str, readers: int) -> Engine:
    if not url.startswith("sqlite"):
        return sa.create_engine(url, pool_size=readers + 1, pool_pre_ping=True)
    _make_private(sa.engine.make_url(url).database)
    engine = sa.create_engine(url, pool_size=readers + 1, connect_args={"check_same_thread": False, "timeout": 10})

    @sa.event.listens_for(engine, "connect")
    def _on_connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # SQLAlchemy emits BEGIN itself, below
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
