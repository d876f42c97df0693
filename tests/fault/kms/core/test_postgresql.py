"""What only a database behind a connection does: deadlocks, lost connections, commits without an answer."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from kms.core.database import Database
from kms.core.errors import InvalidArgument, OutcomeUnknown, Reason, Unavailable
from support.postgresql import PostgresqlServer

_TABLE = "CREATE TABLE note (text TEXT PRIMARY KEY, count INTEGER NOT NULL DEFAULT 0)"
Work = Callable[[sa.Connection], object]


@pytest.fixture
def databases(postgresql_url: str) -> Iterator[list[Database]]:
    """As two replicas have them. The rows a and b are there."""
    opened = [Database(postgresql_url) for _ in range(2)]
    with opened[0].engine.begin() as connection:
        connection.exec_driver_sql(_TABLE)
        connection.exec_driver_sql("INSERT INTO note VALUES ('a'), ('b')")
    yield opened
    for database in opened:
        database.close()


@pytest.fixture
def database(databases: list[Database]) -> Database:
    return databases[0]


def _count(text: str) -> Work:
    return lambda tx: tx.execute(sa.text("UPDATE note SET count = count + 1 WHERE text = :text"), {"text": text})


def _insert(text: str) -> Work:
    return lambda tx: tx.execute(sa.text("INSERT INTO note (text) VALUES (:text)"), {"text": text})


async def _counts(database: Database) -> dict[str, int]:
    return await database.read(
        lambda tx: {row.text: row.count for row in tx.execute(sa.text("SELECT text, count FROM note"))}
    )


async def _together(database: Database, *works: Work) -> list[object]:
    """In one transaction, in this order."""
    blocker = asyncio.create_task(database.write(lambda _: time.sleep(0.05)))
    await asyncio.sleep(0.01)
    results = await asyncio.gather(*(database.write(work) for work in works), return_exceptions=True)
    await blocker
    return results


async def test_a_deadlock_of_two_replicas_costs_time_and_no_answer(databases: list[Database]) -> None:
    meeting = threading.Barrier(2, timeout=20)
    met = threading.Event()

    def meet(_: sa.Connection) -> None:
        """Both hold their first row now, and want the other's next."""
        if not met.is_set():
            meeting.wait()
            met.set()

    results = await asyncio.gather(
        _together(databases[0], _count("a"), meet, _count("b")),
        _together(databases[1], _count("b"), meet, _count("a")),
    )
    assert not [result for pair in results for result in pair if isinstance(result, Exception)]
    assert await _counts(databases[0]) == {"a": 2, "b": 2}, "each piece once"


@pytest.mark.parametrize("ending", ["terminated", "idle too long"])
async def test_a_connection_lost_in_a_transaction_undoes_all_of_it_and_the_next_one_works(
    postgresql: PostgresqlServer, database: Database, postgresql_url: str, ending: str
) -> None:
    def lose(tx: sa.Connection) -> None:
        if ending == "terminated":
            postgresql.end_connections(postgresql_url)
        else:
            tx.execute(sa.text("SET LOCAL idle_in_transaction_session_timeout = 100"))
            time.sleep(0.5)

    results = await _together(database, _insert("before"), lose, _insert("after"))
    for result in results:
        assert isinstance(result, Unavailable)
        assert (result.reason, result.retry_after_seconds) == (Reason.DATABASE_UNAVAILABLE, 5)
        assert not isinstance(result, OutcomeUnknown)
    assert await _counts(database) == {"a": 0, "b": 0}
    await database.write(_insert("later"))
    assert (await _counts(database)).keys() == {"a", "b", "later"}


async def test_a_commit_without_an_answer_says_that_nobody_knows(
    postgresql: PostgresqlServer, database: Database, postgresql_url: str
) -> None:
    """A key pair whose row may be there must stay: KeyGenerator keeps it after this error only."""
    with postgresql.unanswered_commits():
        writing = asyncio.create_task(database.write(_insert("stored")))
        await asyncio.sleep(0.3)
        assert not writing.done()
        await asyncio.to_thread(postgresql.end_connections, postgresql_url)
        with pytest.raises(OutcomeUnknown) as unknown:
            await writing
    assert (unknown.value.reason, unknown.value.retry_after_seconds) == (Reason.DATABASE_UNAVAILABLE, 5)
    assert (await _counts(database)).keys() == {"a", "b", "stored"}
    await database.write(_insert("later"))


async def test_work_that_hides_a_failed_statement_is_not_told_that_it_was_stored(database: Database) -> None:
    """PostgreSQL would answer the COMMIT of a failed transaction with ROLLBACK, and no error."""

    def hide(tx: sa.Connection) -> str:
        try:
            _insert("a")(tx)
        except sa.exc.IntegrityError:
            return "hidden"
        raise AssertionError("the row is there")

    before, hidden, after = await _together(database, _insert("before"), hide, _insert("after"))
    assert isinstance(hidden, Exception)
    told = {name for name, result in {"before": before, "after": after}.items() if not isinstance(result, Exception)}
    assert (await _counts(database)).keys() == {"a", "b"} | told


async def test_a_lock_that_is_never_released_is_not_waited_for_without_end(
    databases: list[Database], postgresql_url: str
) -> None:
    impatient = Database(
        sa.make_url(postgresql_url).update_query_dict({"options": "-c lock_timeout=200"}).render_as_string(False)
    )
    held, release = threading.Event(), threading.Event()

    def hold(tx: sa.Connection) -> None:
        _count("a")(tx)
        held.set()
        release.wait(20)

    holding = asyncio.create_task(databases[0].write(hold))
    await asyncio.to_thread(held.wait, 20)
    refused, other = await _together(impatient, _count("a"), _count("b"))
    release.set()
    await holding
    assert isinstance(refused, Unavailable)
    assert not isinstance(other, Exception), "only who wanted the row is refused"
    assert await _counts(databases[1]) == {"a": 1, "b": 1}
    impatient.close()


async def test_a_read_sees_one_state(databases: list[Database]) -> None:
    begun, changed = threading.Event(), threading.Event()

    def look_twice(tx: sa.Connection) -> list[int]:
        counts = [tx.execute(sa.text("SELECT count FROM note WHERE text = 'a'")).scalar_one()]
        begun.set()
        changed.wait(20)
        return [*counts, tx.execute(sa.text("SELECT count FROM note WHERE text = 'a'")).scalar_one()]

    reading = asyncio.create_task(databases[0].read(look_twice))
    await asyncio.to_thread(begun.wait, 20)
    await databases[1].write(_count("a"))
    changed.set()
    assert await reading == [0, 0]


async def test_a_server_that_is_not_there_is_said_so(postgresql_url: str) -> None:
    away = Database(sa.make_url(postgresql_url).set(host="127.0.0.1", port=1).render_as_string(False))
    for call in (away.read(lambda tx: None), away.write(lambda tx: None)):
        with pytest.raises(Unavailable) as refused:
            await call
        assert refused.value.reason is Reason.DATABASE_UNAVAILABLE
    away.close()


async def test_a_commit_is_on_disk_whatever_the_server_is_set_to(database: Database) -> None:
    settings = "synchronous_commit", "lock_timeout", "idle_in_transaction_session_timeout"
    shown = await database.read(lambda tx: [tx.execute(sa.text(f"SHOW {name}")).scalar_one() for name in settings])
    assert shown == ["on", "10s", "20s"]


async def test_a_text_that_no_table_can_hold_is_the_requests_fault(database: Database) -> None:
    for call in (database.write(_insert("nul \0")), database.read(_insert("nul \0"))):
        with pytest.raises(InvalidArgument) as refused:
            await call
        assert refused.value.reason == Reason.FIELD_INVALID
