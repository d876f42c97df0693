"""Questions that wait together are read together."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy.engine import Connection

from kms.core.database import Database
from kms.core.gathering import Gathering


class Answers:
    """Twice the question; remembers what was asked together, and answers only when it is let."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.reading = threading.Event()
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.fails = False

    def __call__(self, tx: Connection, questions: Sequence[int]) -> list[int]:
        assert tx.exec_driver_sql("SELECT 1").scalar() == 1
        self.asked.append(list(questions))
        self.reading.set()
        assert self.may_answer.wait(10)
        if self.fails:
            raise RuntimeError("away")
        return [2 * question for question in questions]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'x.db'}")
    yield opened
    opened.close()


async def test_who_waits_is_read_together_in_reads_of_bounded_size(database: Database) -> None:
    answers = Answers()
    gathering = Gathering(database, answers, at_most=10)
    assert await asyncio.gather(*(gathering.ask(number) for number in range(25))) == [2 * n for n in range(25)]
    assert [len(each) for each in answers.asked] == [10, 10, 5]


async def test_the_same_question_is_asked_once(database: Database) -> None:
    answers = Answers()
    gathering = Gathering(database, answers, at_most=10)
    assert await asyncio.gather(*(gathering.ask(7) for _ in range(50))) == [14] * 50
    assert answers.asked == [[7]]


async def test_what_is_asked_during_a_read_gets_a_read_of_its_own(database: Database) -> None:
    """An answer must not be older than its question."""
    answers = Answers()
    answers.may_answer.clear()
    gathering = Gathering(database, answers, at_most=10)
    first = asyncio.ensure_future(gathering.ask(7))
    assert await asyncio.to_thread(answers.reading.wait, 10)
    second = asyncio.ensure_future(gathering.ask(7))
    await asyncio.sleep(0)
    answers.may_answer.set()
    assert await first == await second == 14
    assert answers.asked == [[7], [7]]


async def test_a_failed_read_is_told_to_all_who_waited_and_the_next_one_works(database: Database) -> None:
    answers = Answers()
    answers.fails = True
    gathering = Gathering(database, answers, at_most=10)
    told = await asyncio.gather(*(gathering.ask(number) for number in range(3)), return_exceptions=True)
    assert [str(each) for each in told] == ["away"] * 3
    answers.fails = False
    assert await gathering.ask(4) == 8


async def test_who_leaves_does_not_take_the_answer_from_others(database: Database) -> None:
    answers = Answers()
    answers.may_answer.clear()
    gathering = Gathering(database, answers, at_most=10)
    leaving, staying = asyncio.ensure_future(gathering.ask(7)), asyncio.ensure_future(gathering.ask(7))
    assert await asyncio.to_thread(answers.reading.wait, 10)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    answers.may_answer.set()
    assert await staying == 14


async def test_who_comes_a_little_apart_is_read_together(database: Database) -> None:
    answers = Answers()
    gathering = Gathering(database, answers, at_most=10, interval_seconds=0.3)
    assert await gathering.ask(0) == 0, "nobody waits after a quiet time"
    asked = []
    for number in range(1, 6):
        asked.append(asyncio.ensure_future(gathering.ask(number)))
        await asyncio.sleep(0.01)
    assert await asyncio.gather(*asked) == [2, 4, 6, 8, 10]
    assert answers.asked == [[0], [1, 2, 3, 4, 5]]


async def test_a_full_read_does_not_wait(database: Database) -> None:
    answers = Answers()
    gathering = Gathering(database, answers, at_most=5, interval_seconds=60)
    async with asyncio.timeout(10):
        assert await asyncio.gather(*(gathering.ask(number) for number in range(10))) == [2 * n for n in range(10)]
