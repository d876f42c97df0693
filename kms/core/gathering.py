"""Asks the database for many callers at once: while one read is under way, the next questions gather.

One read at a time, whatever the storm: the other readers of the database stay free for everybody else. And not one read
after the other: callers of a storm come a little apart, and each alone would cost a transaction.
"""

import asyncio
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

from sqlalchemy.engine import Connection

from kms.core.database import Database

Q = TypeVar("Q")
A = TypeVar("A")
AnswerAll = Callable[[Connection, Sequence[Q]], Sequence[A]]
"""Answers in the order of the questions."""


class Gathering(Generic[Q, A]):
    """For one kind of question, which must be hashable. `at_most`: questions that one read takes. `interval_seconds`:
    the least time between the beginnings of two reads; the first after a quiet time begins at once.
    """

    def __init__(
        self, database: Database, answer_all: AnswerAll[Q, A], *, at_most: int, interval_seconds: float = 0.0
    ) -> None:
        self._database = database
        self._answer_all = answer_all
        self._at_most = at_most
        self._interval_seconds = interval_seconds
        self._not_before = -math.inf
        self._waiting: dict[Q, asyncio.Future[A]] = {}
        self._worker: asyncio.Task[None] | None = None

    async def ask(self, question: Q) -> A:
        """Raises what the database raises. Whoever asks the same before the read begins gets the same answer."""
        answer = self._waiting.get(question)
        if answer is None:
            answer = self._waiting[question] = asyncio.get_running_loop().create_future()
        if self._worker is None:
            self._worker = asyncio.create_task(self._work(), name="gathered-reads")
        return await asyncio.shield(answer)

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._gather()
                questions = list(self._waiting)[: self._at_most]
                futures = [self._waiting.pop(question) for question in questions]
                try:
                    answers = await self._database.read(partial(self._read, questions))
                except Exception as error:
                    _fail(futures, error)
                else:
                    for future, answer in zip(futures, answers, strict=True):
                        future.set_result(answer)
        finally:
            self._worker = None

    async def _gather(self) -> None:
        clock = asyncio.get_running_loop().time
        if len(self._waiting) < self._at_most and (rest := self._not_before - clock()) > 0:
            await asyncio.sleep(rest)
        self._not_before = clock() + self._interval_seconds

    def _read(self, questions: Sequence[Q], tx: Connection) -> Sequence[A]:
        return self._answer_all(tx, questions)


def _fail(futures: Sequence[asyncio.Future[A]], error: Exception) -> None:
    for future in futures:
        future.set_exception(error)
        future.exception()  # whoever waited may have left: nobody has to be told then
