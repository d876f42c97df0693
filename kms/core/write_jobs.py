"""What waits to be written: jobs, how they are run in a transaction, and how each hears what came of it."""

import asyncio
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.core.database_failures import TransactionLost, as_service_error, is_conflict
from kms.core.errors import Reason, ServiceError
from kms.core.transactions import savepoint


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


Group: TypeAlias = tuple[Callable[..., Any], list[Job]]
"""The same work, and who waits for it."""


def grouped(jobs: list[Job]) -> list[Group]:
    """Work that is run alone is a group of its own, and may be anything that can be called."""
    groups: dict[object, list[Job]] = {}
    for job in jobs:
        groups.setdefault(id(job) if job.items is None else job.work, []).append(job)
    return [(together[0].work, together) for together in groups.values()]


def failure_of(jobs: list[Job]) -> str:
    """Why the database did not store what it was asked to; empty when it did, also where it refused the work itself."""
    for job in jobs:
        if isinstance(job.error, ServiceError) and job.error.reason is Reason.DATABASE_UNAVAILABLE:
            return f"the last write was not stored: {job.error}"
    return ""


def tell(jobs: list[Job], error: Exception | None = None) -> None:
    """Each in its own loop. `error`: for all of them."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Job]] = {}
    for job in jobs:
        job.error = error or job.error
        by_loop.setdefault(job.loop, []).append(job)
    for loop, done in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_settle, done)


def run_each(connection: Connection, jobs: list[Job]) -> None:
    for job in jobs:
        job.error = None
        try:
            job.result = _run(connection, functools.partial(job.work, connection))
        except Exception as error:
            job.error = _own_error(error)


def run_together(connection: Connection, work: Callable[..., Any], jobs: list[Job]) -> None:
    items = [item for job in jobs for item in job.items or ()]
    try:
        results = iter(_run(connection, functools.partial(work, connection, items)))
        answers = [[next(results) for _ in job.items or ()] for job in jobs]
    except Exception as error:
        own = _own_error(error)
        if len(jobs) == 1:
            jobs[0].error = own
            return
        for job in jobs:
            run_together(connection, work, [job])
        return
    for job, answer in zip(jobs, answers, strict=True):
        job.result, job.error = answer, None


def _own_error(error: Exception) -> Exception:
    """For the caller whose work raised it. Raises what ends the transaction for everybody."""
    if isinstance(error, TransactionLost) or is_conflict(error):
        raise error
    return as_service_error(error)


def _run(connection: Connection, work: Callable[[], Any]) -> Any:
    """Work whose failure undoes itself only. Once more when another replica wrote the same row at that moment: then it
    finds that row. Raises TransactionLost when the whole transaction is gone.
    """
    try:
        with savepoint(connection):
            return work()
    except sa.exc.IntegrityError:
        with savepoint(connection):
            return work()


def _settle(jobs: list[Job]) -> None:
    for job in jobs:
        job.settle()
