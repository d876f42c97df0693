"""Asks the database for many readers at once: while one read is under way the next questions gather.

One read at a time, whatever the storm: the other readers of the database stay free for everybody else.
"""

import asyncio
from dataclasses import dataclass, field
from functools import partial

from kms.core.database import Database
from kms.events.reading import QUESTIONS_MAX, Answer, Lost, Question, answer_all


@dataclass(slots=True)
class Gathering:
    """One for the process."""

    database: Database
    _waiting: dict[Question, asyncio.Future[Answer | Lost]] = field(default_factory=dict)
    _worker: asyncio.Task[None] | None = None

    async def ask(self, question: Question) -> Answer | Lost:
        """Raises what the database raises. Whoever asks the same before the read begins gets the same answer."""
        answer = self._waiting.get(question)
        if answer is None:
            answer = self._waiting[question] = asyncio.get_running_loop().create_future()
        if self._worker is None:
            self._worker = asyncio.create_task(self._work(), name="event-reads")
        return await asyncio.shield(answer)

    async def _work(self) -> None:
        try:
            while self._waiting:
                questions = list(self._waiting)[:QUESTIONS_MAX]
                futures = [self._waiting.pop(question) for question in questions]
                try:
                    answers = await self.database.read(partial(answer_all, questions=questions))
                except Exception as error:
                    _fail(futures, error)
                else:
                    for future, answer in zip(futures, answers, strict=True):
                        future.set_result(answer)
        finally:
            self._worker = None


def _fail(futures: list[asyncio.Future[Answer | Lost]], error: Exception) -> None:
    for future in futures:
        future.set_exception(error)
        future.exception()  # whoever waited may have left: nobody has to be told then
