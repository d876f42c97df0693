import asyncio
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from kms.core.database import Database, UtcTime
from kms.core.errors import Unavailable

_metadata = sa.MetaData()
note = sa.Table("note", _metadata, sa.Column("text", sa.String, primary_key=True), sa.Column("at", UtcTime))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'core.db'}")
    _metadata.create_all(database.engine)
    yield database
    database.close()


def _insert(text: str):
    return lambda tx: tx.execute(note.insert().values(text=text)).rowcount


def _texts(tx: sa.Connection) -> set[str]:
    return set(tx.scalars(sa.select(note.c.text)))


async def test_many_writers_are_all_stored(database: Database) -> None:
    await asyncio.gather(*(database.write(_insert(str(number))) for number in range(500)))
    assert await database.read(_texts) == {str(number) for number in range(500)}


async def test_failing_work_undoes_itself_and_nothing_else(database: Database) -> None:
    def half_done(tx: sa.Connection) -> None:
        _insert("half")(tx)
        raise RuntimeError("stop")

    results = await asyncio.gather(
        database.write(_insert("a")), database.write(half_done), database.write(_insert("b")), return_exceptions=True
    )
    assert isinstance(results[1], RuntimeError)
    assert await database.read(_texts) == {"a", "b"}


async def test_a_violated_constraint_is_the_callers_own_problem(database: Database) -> None:
    await database.write(_insert("a"))
    results = await asyncio.gather(database.write(_insert("a")), database.write(_insert("c")), return_exceptions=True)
    assert isinstance(results[0], sa.exc.IntegrityError)
    assert await database.read(_texts) == {"a", "c"}


async def test_work_of_a_caller_that_left_is_not_begun(database: Database) -> None:
    blocker = asyncio.create_task(database.write(lambda _: __import__("time").sleep(0.2)))
    await asyncio.sleep(0.05)
    left = asyncio.create_task(database.write(_insert("left")))
    await asyncio.sleep(0)
    left.cancel()
    await asyncio.gather(blocker, left, return_exceptions=True)
    assert await database.read(_texts) == set()


async def test_what_was_answered_is_in_the_file(database: Database, tmp_path: Path) -> None:
    await database.write(_insert("kept"))
    with sqlite3.connect(tmp_path / "core.db") as other:
        assert other.execute("select text from note").fetchall() == [("kept",)]
    other.close()


async def test_sqlite_is_told_to_be_durable(database: Database) -> None:
    assert await database.read(lambda tx: tx.exec_driver_sql("pragma synchronous").scalar()) == 2
    assert await database.read(lambda tx: tx.exec_driver_sql("pragma journal_mode").scalar()) == "wal"


async def test_closing_finishes_what_was_queued_and_refuses_more(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'closing.db'}")
    _metadata.create_all(database.engine)
    tasks = [asyncio.create_task(database.write(_insert(str(number)))) for number in range(20)]
    await asyncio.sleep(0)
    await asyncio.to_thread(database.close)
    await asyncio.gather(*tasks)
    with pytest.raises(Unavailable):
        await database.write(_insert("late"))


async def test_times_come_back_to_the_microsecond(database: Database) -> None:
    moment = datetime(2026, 11, 21, 12, 0, 0, 123457, tzinfo=UTC)
    await database.write(lambda tx: tx.execute(note.insert().values(text="t", at=moment)))
    assert await database.read(lambda tx: tx.scalar(sa.select(note.c.at))) == moment


async def test_grouped_items_are_handed_over_together_and_answered_apart(database: Database) -> None:
    groups: list[list[str]] = []

    def insert_all(tx: sa.Connection, items: list[str]) -> list[str | Exception]:
        groups.append(items)
        tx.execute(note.insert(), [{"text": item} for item in items])
        return [ValueError(item) if item.startswith("bad") else item.upper() for item in items]

    blocker = asyncio.create_task(database.write(lambda _: __import__("time").sleep(0.1)))
    await asyncio.sleep(0.02)
    results = await asyncio.gather(
        *(database.write_grouped(insert_all, item) for item in ("a", "bad", "c")), return_exceptions=True
    )
    await blocker
    assert groups == [["a", "bad", "c"]]
    assert (results[0], results[2]) == ("A", "C")
    assert isinstance(results[1], ValueError)


async def test_a_group_that_fails_is_run_again_item_by_item(database: Database) -> None:
    def insert_all(tx: sa.Connection, items: list[str]) -> list[str | Exception]:
        tx.execute(note.insert(), [{"text": item} for item in items])
        return list(items)

    blocker = asyncio.create_task(database.write(lambda _: __import__("time").sleep(0.1)))
    await asyncio.sleep(0.02)
    results = await asyncio.gather(
        *(database.write_grouped(insert_all, item) for item in ("a", "a", "c")), return_exceptions=True
    )
    await blocker
    assert (results[0], results[2]) == ("a", "c")
    assert isinstance(results[1], sa.exc.IntegrityError)
    assert await database.read(_texts) == {"a", "c"}


async def test_a_transaction_the_database_gave_up_is_nobodys_success(database: Database) -> None:
    """What SQLite does on a full disk in the middle of a batch: roll everything back, then commit what follows."""

    def give_up(tx: sa.Connection) -> None:
        tx.exec_driver_sql("ROLLBACK")
        raise sa.exc.OperationalError("INSERT", {}, Exception("database or disk is full"))

    blocker = asyncio.create_task(database.write(lambda _: __import__("time").sleep(0.1)))
    await asyncio.sleep(0.02)
    results = await asyncio.gather(
        database.write(_insert("before")),
        database.write(give_up),
        database.write(_insert("after")),
        return_exceptions=True,
    )
    await blocker
    assert [type(result).__name__ for result in results] == ["TransactionLost"] * 3
    assert await database.read(_texts) == set()
    await database.write(_insert("later"))
    assert await database.read(_texts) == {"later"}


async def test_a_full_disk_never_tells_a_caller_that_lost_work_is_stored(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'full.db'}")
    _metadata.create_all(database.engine)

    def bound(tx: sa.Connection) -> None:
        pages = tx.exec_driver_sql("PRAGMA page_count").scalar_one()
        tx.exec_driver_sql(f"PRAGMA max_page_count = {pages + 40}")
        tx.exec_driver_sql("PRAGMA cache_size = 5")

    await database.write(bound)
    sizes = [10, 3000] * 60
    outcomes = await asyncio.gather(
        *(database.write(_insert(f"{number}-" + "x" * size)) for number, size in enumerate(sizes)),
        return_exceptions=True,
    )
    stored = {text.partition("-")[0] for text in await database.read(_texts)}
    told = {str(number) for number, outcome in enumerate(outcomes) if not isinstance(outcome, Exception)}
    assert told == stored
    assert len(told) < len(sizes)
    database.close()


def test_a_new_database_is_its_owners_only(database: Database, tmp_path: Path) -> None:
    asyncio.run(database.write(_insert("a")))
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("core.db*")} == {0o600}
