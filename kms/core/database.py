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
I = TypeVar("I")  # noqa: E741 - the item of a group
Work = Callable[[Connection], T]
GroupWork = Callable[[Connection, list[I]], list[T | Exception]]
"""Does the work of many callers at once; answers in order, an exception where one item is refused."""

_BATCH_MAX = 256
_QUEUE_MAX = 20_000
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
                for work, group in _groups(jobs).items():
                    if group[0].item is _NO_ITEM:
                        _run_each(connection, group)
                    else:
                        _run_together(connection, work, group)
        except Exception as error:  # the commit itself failed: nobody's work was stored
            for job in jobs:
                job.error = error
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
            with connection.begin_nested():
                job.result = job.work(connection)
        except Exception as error:
            job.error = error


def _run_together(connection: Connection, work: Callable[..., Any], jobs: list[_Job]) -> None:
    try:
        with connection.begin_nested():
            results = work(connection, [job.item for job in jobs])
    except Exception as error:
        if len(jobs) == 1:
            jobs[0].error = error
            return
        for job in jobs:
            _run_together(connection, work, [job])
        return
    for job, result in zip(jobs, results, strict=True):
        if isinstance(result, Exception):
            job.error = result
        else:
            job.result = result


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
