"""The one thread that writes: takes whatever is queued, commits it together, then answers everybody.

Load makes the batches. Commits keep a small distance, because most of what one costs does not depend on how much is in
it; who writes when nobody has just written does not wait.

Each piece of work runs in a savepoint of its own. Items that wait for the same grouped work are handed to it together;
a group that raises is run again caller by caller, so one bad item costs the others nothing but time. When transactions
of replicas stand in each other's way (PostgreSQL's deadlocks), each piece is run again in a transaction of its own.
"""

import asyncio
import contextlib
import logging
import queue
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from sqlalchemy.engine import Connection, Engine

from kms.core.database_failures import as_service_error, is_conflict
from kms.core.database_reach import Reach
from kms.core.errors import Reason, ResourceExhausted, Unavailable
from kms.core.transactions import check_transaction, server_transaction, sqlite_transaction
from kms.core.write_jobs import Group, Job, failure_of, grouped, run_each, run_together, tell

_logger = logging.getLogger(__name__)
_ITEMS_MAX: Final = 512
"""In one transaction, about: longer ones make everybody wait and save nothing more."""
_ITEMS_ENOUGH: Final = 128
"""That wait already: then a commit begins at once."""
_QUEUE_MAX: Final = 20_000
"""Items that may wait."""
_ATTEMPTS_ALONE: Final = 4
"""Of one piece of work whose transaction another replica's gave no way."""
_LOTS: Final = secrets.SystemRandom()
_LONG_SECONDS: Final = 2.0  # a transaction takes milliseconds: this one waits for a disk, a lock or a server


class Writer:
    """Started when made. `close` finishes what was queued."""

    def __init__(
        self,
        engine: Engine,
        *,
        interval_seconds: float,
        committed: Callable[[float], None] | None = None,
        reach: Reach | None = None,
    ) -> None:
        """`interval_seconds`: the least time between the beginnings of two commits. `committed` is told, in the
        writer's thread, how many seconds each transaction took. `reach`: to a server's connections.
        """
        self._engine = engine
        self._reach = reach
        self._committed = committed
        self._interval = interval_seconds
        self._began = 0.0
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._waiting = 0
        self._lock = threading.Lock()
        self._closed = False
        self._kept: Connection | None = None
        self._running_since: float | None = None
        self._failure = ""
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
                try:
                    self._commit(wanted)
                except Exception as error:  # a defect: without this thread nobody could write any more
                    _logger.exception("the writer failed")
                    tell(wanted, error)
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

    @property
    def waiting(self) -> int:
        """Items whose transaction has not begun."""
        return self._waiting

    @property
    def problem(self) -> str:
        """What keeps writes from being stored now, as far as the last transaction tells; empty when nothing does."""
        since = self._running_since
        if since is not None and (seconds := time.monotonic() - since) > _LONG_SECONDS:
            return f"a write has been running for {seconds:.0f} s: is the disk slow?"
        return self._failure

    def _commit(self, jobs: list[Job]) -> None:
        self._running_since = began = time.monotonic()
        try:
            self._transact_all(grouped(jobs))
        finally:
            self._running_since = None
        self._failure = failure_of(jobs)
        if self._committed is not None:
            self._committed(time.monotonic() - began)
        tell(jobs)

    def _transact_all(self, groups: list[Group]) -> None:
        if not self._transact(groups):
            for group in groups:
                self._transact_alone(group)

    def _transact_alone(self, group: Group) -> None:
        """Locks are taken in one order within a piece, so a few attempts are plenty."""
        for attempt in range(_ATTEMPTS_ALONE):
            if self._transact([group]):
                return
            time.sleep(_LOTS.uniform(0, 0.02) * 2**attempt)  # two replicas must not meet again
        for job in group[1]:
            job.error = Unavailable(
                Reason.DATABASE_UNAVAILABLE, "other replicas were in the way; retry", retry_after_seconds=1
            )

    def _transact(self, groups: list[Group]) -> bool:
        """One transaction. False: another one stood in its way, nothing was stored, and it should be run again."""
        try:
            with self._transaction() as connection:
                for work, jobs in groups:
                    if jobs[0].items is None:
                        run_each(connection, jobs)
                    else:
                        run_together(connection, work, jobs)
                check_transaction(connection)
        except Exception as error:  # the transaction as a whole failed: nobody's work was stored, unless it says so
            if is_conflict(error):
                return False
            failure = as_service_error(error)
            for _, jobs in groups:
                for job in jobs:
                    job.error = failure
        return True

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """SQLite's connection is kept; a server's comes from the pool each time, which finds out when it was lost."""
        if self._engine.dialect.name == "sqlite":
            if self._kept is None:
                self._kept = self._engine.connect().execution_options(writes=True)
            with sqlite_transaction(self._kept):
                yield self._kept
        else:
            reached = self._engine.connect() if self._reach is None else self._reach.connection(self._engine)
            with reached as connection, server_transaction(connection):
                yield connection
