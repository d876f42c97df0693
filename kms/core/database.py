"""The database: one group-commit writer, a few readers. SQLite (WAL, synchronous=FULL) or PostgreSQL.

Writes of many callers share one commit: the writer thread takes whatever is queued, runs each piece of work in its own
savepoint, commits once, and only then answers. No timer: load makes the batches. Truth for the caller: when `write`
returns, the work is durable; when it raises, nothing of that work was stored.
"""

import asyncio
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
T = TypeVar("T")
Work = Callable[[Connection], T]

_BATCH_MAX = 256
_QUEUE_MAX = 20_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class UtcTime(sa.types.TypeDecorator[datetime]):
    """A point in time, stored as integer microseconds since 1970: the same on every engine, and it sorts."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:  # noqa: ARG002
        return None if value is None else (value - _EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else _EPOCH + timedelta(microseconds=value)


@dataclass(slots=True)
class _Job:
    work: Work[Any]
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
        if self._closed:
            raise Unavailable(Reason.SHUTTING_DOWN, "the server is closing; retry", retry_after_seconds=1)
        if self._queue.qsize() >= _QUEUE_MAX:
            raise ResourceExhausted(Reason.QUEUE_FULL, "too many writes are waiting; retry", retry_after_seconds=1)
        loop = asyncio.get_running_loop()
        job = _Job(work, loop, loop.create_future())
        self._queue.put(job)
        result: T = await job.future
        return result

    def close(self) -> None:
        """Finishes what was queued, then closes. Idempotent."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
            self._writer.join()
            self._readers.shutdown()
            self.engine.dispose()

    def _read(self, work: Work[T]) -> T:
        with self.engine.begin() as connection:
            return work(connection)

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
                for job in jobs:
                    try:
                        with connection.begin_nested():
                            job.result = job.work(connection)
                    except Exception as error:
                        job.error = error
        except Exception as error:  # the commit itself failed: nobody's work was stored
            for job in jobs:
                job.error = error
        by_loop: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
        for job in jobs:
            by_loop.setdefault(job.loop, []).append(job)
        for loop, done in by_loop.items():
            if not loop.is_closed():
                loop.call_soon_threadsafe(_settle, done)


def _settle(jobs: list[_Job]) -> None:
    for job in jobs:
        job.settle()


def _create_engine(url: str, readers: int) -> Engine:
    if not url.startswith("sqlite"):
        return sa.create_engine(url, pool_size=readers + 1, pool_pre_ping=True)
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
