"""The one thread that writes."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from kms.core import writer
from kms.core.database import Database
from kms.core.errors import Reason, ResourceExhausted, Unavailable

_INSERT = sa.text("INSERT INTO note VALUES (:text)")


@contextmanager
def _opened(url: str) -> Iterator[Database]:
    database = Database(url, commit_interval_seconds=0.05)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE note (text TEXT PRIMARY KEY)")
    yield database
    database.close()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with _opened(database_url) as database:
        yield database


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[Database]:
    """Where time is measured: no server in between."""
    with _opened(f"sqlite:///{tmp_path / 'writer.db'}") as database:
        yield database


def _insert_all(tx: sa.Connection, items: list[str]) -> list[str | Exception]:
    for item in items:
        tx.execute(_INSERT, {"text": item})
    return [ValueError(item) if item == "refused" else item.upper() for item in items]


async def _texts(database: Database) -> set[str]:
    return await database.read(lambda tx: set(tx.execute(sa.text("SELECT text FROM note")).scalars()))


async def test_the_items_of_one_caller_are_committed_together_and_answered_apart(database: Database) -> None:
    answers = await database.write_many(_insert_all, ["a", "refused", "c"])
    assert answers[0::2] == ["A", "C"]
    assert isinstance(answers[1], ValueError)
    assert await _texts(database) == {"a", "refused", "c"}, "a refusal is the work's word; it undid nothing"


async def test_a_callers_group_that_raises_costs_other_callers_nothing(database: Database) -> None:
    results = await asyncio.gather(
        database.write_many(_insert_all, ["a", "b"]),
        database.write_many(_insert_all, ["c", "c"]),
        database.write_grouped(_insert_all, "d"),
        return_exceptions=True,
    )
    assert (results[0], results[2]) == (["A", "B"], "D")
    assert isinstance(results[1], sa.exc.IntegrityError)
    assert await _texts(database) == {"a", "b", "d"}


async def test_commits_keep_their_distance_under_load_and_a_lone_one_does_not_wait(quick: Database) -> None:
    await asyncio.sleep(0.06)
    began = time.monotonic()
    await quick.write_grouped(_insert_all, "alone")
    assert time.monotonic() - began < 0.045
    groups: list[int] = []

    def count(tx: sa.Connection, items: list[int]) -> list[int | Exception]:
        groups.append(len(items))
        return list(items)

    async def call_again_and_again() -> None:
        for number in range(4):
            await quick.write_grouped(count, number)

    await asyncio.gather(*(call_again_and_again() for _ in range(10)))
    assert len(groups) <= 8, "forty writes share a few commits"


async def test_much_that_waits_is_committed_at_once(quick: Database) -> None:
    await quick.write_grouped(_insert_all, "first")
    began = time.monotonic()
    await quick.write_many(_insert_all, [str(number) for number in range(200)])
    assert time.monotonic() - began < 0.045


async def test_what_waits_is_bounded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_QUEUE_MAX", 3)
    blocker = asyncio.create_task(database.write(lambda _: time.sleep(0.1)))
    await asyncio.sleep(0.03)
    waiting = asyncio.create_task(database.write_many(_insert_all, ["a", "b"]))
    await asyncio.sleep(0)
    with pytest.raises(ResourceExhausted) as refused:
        await database.write_many(_insert_all, ["c", "d"])
    assert (refused.value.reason, refused.value.retry_after_seconds) == (Reason.QUEUE_FULL, 1)
    await asyncio.gather(blocker, waiting)
    assert await database.write_grouped(_insert_all, "later") == "LATER"


async def test_work_through_sqlalchemy_and_through_the_driver_share_a_transaction(database: Database) -> None:
    def half(tx: sa.Connection) -> None:
        tx.execute(_INSERT, {"text": "by sqlalchemy"})
        tx.connection.dbapi_connection.execute("INSERT INTO note VALUES ('by the driver')")
        with tx.begin_nested():
            tx.execute(_INSERT, {"text": "nested"})

    def broken(tx: sa.Connection) -> None:
        half(tx)
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        await database.write(broken)
    assert await _texts(database) == set()
    await database.write(half)
    assert await _texts(database) == {"by sqlalchemy", "by the driver", "nested"}


@dataclass(frozen=True)
class Batch:
    """Work that can not be hashed, as what it holds can not."""

    texts: list[str]

    def __call__(self, tx: sa.Connection) -> int:
        _insert_all(tx, self.texts)
        return len(self.texts)


@dataclass(frozen=True)
class Grouped:
    """The same for work of many callers, which has to be hashed."""

    texts: list[str]

    def __call__(self, tx: sa.Connection, items: list[str]) -> list[str | Exception]:
        return _insert_all(tx, items)


async def test_any_callable_is_work(database: Database) -> None:
    batches = [Batch(["a", "b"]), Batch(["c"])]
    assert await asyncio.gather(*(database.write(batch) for batch in batches)) == [2, 1]
    assert await _texts(database) == {"a", "b", "c"}


async def test_the_writer_outlives_a_defect(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    """Who came with it is told; those who come later are served."""
    with pytest.raises(TypeError, match="unhashable"):
        await database.write_grouped(Grouped([]), "a")
    assert "the writer failed" in caplog.text
    assert await database.write(Batch(["b"])) == 1
    assert await _texts(database) == {"b"}


async def test_a_write_that_takes_long_or_fails_is_told(quick: Database) -> None:
    assert quick.writes_problem == ""
    stop = threading.Event()

    def hold(_: sa.Connection) -> None:
        stop.wait(10)

    held = asyncio.create_task(quick.write(hold))
    await asyncio.sleep(2.2)
    assert "a write has been running for 2 s" in quick.writes_problem
    stop.set()
    await held
    assert quick.writes_problem == ""

    def give_up(tx: sa.Connection) -> None:
        tx.connection.driver_connection.rollback()

    with pytest.raises(Unavailable):
        await quick.write(give_up)
    assert "was not stored" in quick.writes_problem
    await quick.write_grouped(_insert_all, "room again")
    assert quick.writes_problem == ""
