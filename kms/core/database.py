"""The database: one group-commit writer, a few readers. SQLite (WAL, synchronous=FULL) or PostgreSQL.

Writes of many callers share one commit (kms.core.writer). No timer: load makes the batches. Truth for the caller: when
`write` returns, the work is durable; when it raises, nothing of that work was stored; except OutcomeUnknown, which only
a database behind a connection can raise.
"""

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from kms.core.database_failures import as_service_error
from kms.core.database_reach import Reach
from kms.core.errors import Reason, Unavailable
from kms.core.steps import step
from kms.core.wal import WalKeeper
from kms.core.writer import Writer

metadata = sa.MetaData()
T = TypeVar("T")
I = TypeVar("I")  # noqa: E741 - the item of a group
Work = Callable[[Connection], T]
GroupWork = Callable[[Connection, list[I]], Sequence[T | Exception]]
"""Does the work of many callers at once; answers in order, an exception where one item is refused."""

_TRUNCATE_ATTEMPTS: Final = 20
_TRUNCATE_PAUSE_SECONDS: Final = 0.1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_PRAGMAS: Final = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "busy_timeout=10000",
    "secure_delete=ON",  # what a destroyed key left in its row is overwritten; some builds have it off
    "wal_autocheckpoint=100000",  # pages; kms.core.wal does it long before
    "cache_size=-16000",  # KiB; the index of request ids is hit at random
)

_POSTGRESQL: Final = {
    "connect_timeout": 5,  # seconds; a host that is gone must not hold callers longer than they wait
    "tcp_user_timeout": 10_000,  # milliseconds
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "application_name": "hallmark",
    # What was answered is on disk; a lock is not waited for without end; a replica that froze lets go of its locks.
    "options": "-c synchronous_commit=on -c lock_timeout=10s -c idle_in_transaction_session_timeout=20s",
}
"""libpq's parameters (PostgreSQL 15, 34.1.2) where the URL names none."""


def to_microseconds(moment: datetime) -> int:
    """Since 1970: how every time is stored."""
    return (moment - _EPOCH) // _MICROSECOND


def from_microseconds(value: int) -> datetime:
    return _EPOCH + timedelta(microseconds=value)


class UtcTime(sa.types.TypeDecorator[datetime]):
    """A point in time, stored as integer microseconds since 1970: the same on every engine, and it sorts."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:  # noqa: ARG002
        return None if value is None else to_microseconds(value)

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else from_microseconds(value)


class Database:
    """Runs functions `(connection) -> result` in transactions, off the event loop.

    Work must be short: no HSM call, no network, no waiting. Work whose caller has gone is not begun.
    """

    def __init__(
        self,
        url: str,
        *,
        readers: int = 2,
        commit_interval_seconds: float = 0.0,
        committed: Callable[[float], None] | None = None,
    ) -> None:
        """`commit_interval_seconds`: the least time between two commits; `committed` is told the seconds that each
        took (kms.core.writer).
        """
        self.engine = _create_engine(url, readers)
        self._snapshots = _snapshots(self.engine)
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="database-reader")
        self._wal = WalKeeper(self.engine) if self.engine.dialect.name == "sqlite" else None
        self._reach = Reach(self.engine) if self.engine.dialect.name == "postgresql" else None
        self._writer = Writer(
            self.engine, interval_seconds=commit_interval_seconds, committed=committed, reach=self._reach
        )

    @property
    def writes_waiting(self) -> int:
        """Items whose transaction has not begun."""
        return self._writer.waiting

    @property
    def writes_problem(self) -> str:
        """What keeps writes from being stored now; empty when nothing is known to."""
        return self._writer.problem

    async def read(self, work: Work[T]) -> T:
        """A read transaction on a consistent snapshot."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    async def write(self, work: Work[T]) -> T:
        """A write transaction; returns after the commit. Errors raised by `work` undo that work only."""
        with step("database write"):
            result: T = await self._writer.submit(work, None)
        return result

    async def write_grouped(self, work: GroupWork[I, T], item: I) -> T:
        """Like `write`, for hot paths: items that wait for the same `work` are handed to it together.

        A group that raises is run again caller by caller, so one bad item costs the others nothing but time.
        """
        (result,) = await self.write_many(work, [item])
        if isinstance(result, Exception):
            raise result
        return result

    async def write_many(self, work: GroupWork[I, T], items: Sequence[I]) -> list[T | Exception]:
        """`write_grouped` of one caller's items: an answer or a refusal for each of them, one commit for all."""
        with step("database write"):
            results: list[T | Exception] = await self._writer.submit(work, list(items))
        return results

    async def drop_overwritten(self) -> None:
        """SQLite: what was erased leaves the write-ahead log too. PostgreSQL does it on its own terms (VACUUM)."""
        if self.engine.dialect.name == "sqlite":
            await asyncio.get_running_loop().run_in_executor(self._readers, self._truncate_log)

    def close(self) -> None:
        """Finishes what was queued, then closes. Idempotent."""
        self._writer.close()
        self._readers.shutdown()
        if self._wal is not None:
            self._wal.close()
        if self._reach is not None:
            self._reach.close()
        self.engine.dispose()

    def _truncate_log(self) -> None:
        """Waits for readers that are in the way. Raises Unavailable when they stay."""
        connection = self.engine.raw_connection()
        try:
            for _ in range(_TRUNCATE_ATTEMPTS):
                ((busy, _pages, _moved),) = connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                if not busy:
                    return
                time.sleep(_TRUNCATE_PAUSE_SECONDS)
        finally:
            connection.close()
        raise Unavailable(
            Reason.DATABASE_UNAVAILABLE,
            "it is erased, but a long read keeps what was there in the write-ahead log; repeat the call",
            retry_after_seconds=1,
        )

    def _read(self, work: Work[T]) -> T:
        try:
            with self._connected() as connection, connection.begin():
                return work(connection)
        except Exception as error:
            translated = as_service_error(error)
            if translated is error:
                raise
            raise translated from error

    def _connected(self) -> AbstractContextManager[Connection]:
        return self._snapshots.connect() if self._reach is None else self._reach.connection(self._snapshots)


def _snapshots(engine: Engine) -> Engine:
    """For reads: each of them sees one state, also PostgreSQL's, whose statements would each see their own."""
    if engine.dialect.name != "postgresql":
        return engine
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def _connect_arguments(url: sa.URL) -> dict[str, object]:
    """PostgreSQL's; what the URL says itself goes before."""
    if url.get_backend_name() != "postgresql":
        return {}
    return {name: value for name, value in _POSTGRESQL.items() if name not in url.query}


def _make_private(file: str | None) -> None:
    """A new SQLite file is its owner's only; SQLite gives -wal and -shm the same mode."""
    if file and file != ":memory:":
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))


def _create_engine(url: str, readers: int) -> Engine:
    if not url.startswith("sqlite"):
        return sa.create_engine(
            url, pool_size=readers + 1, pool_pre_ping=True, connect_args=_connect_arguments(sa.make_url(url))
        )
    _make_private(sa.engine.make_url(url).database)
    engine = sa.create_engine(url, pool_size=readers + 2, connect_args={"check_same_thread": False, "timeout": 10})

    @sa.event.listens_for(engine, "connect")
    def _on_connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # SQLAlchemy emits BEGIN itself, below
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        if connection.connection.dbapi_connection.in_transaction:  # type: ignore[union-attr]
            return  # the writer has begun it
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
