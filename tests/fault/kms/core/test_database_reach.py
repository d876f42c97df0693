"""A PostgreSQL that is there and does not answer: behind a proxy whose far side was cut off, or frozen."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
import sqlalchemy as sa

from kms.core import database_reach
from kms.core.database import Database
from kms.core.errors import OutcomeUnknown, Reason, Unavailable
from support.deployment_cuts import Relay
from support.postgresql import PostgresqlServer

LIMIT = 1.0


@pytest.fixture
def relay(postgresql_url: str) -> Iterator[Relay]:
    started = Relay(postgresql_url).start()
    yield started
    started.close()


@pytest_asyncio.fixture
async def database(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    made = database_reach.Reach
    monkeypatch.setattr("kms.core.database.Reach", lambda engine: made(engine, limit_seconds=LIMIT))
    made_database = Database(f"{relay.url}?connect_timeout=2")
    await made_database.write(lambda tx: tx.execute(sa.text("CREATE TABLE thing (name text PRIMARY KEY)")))
    yield made_database
    relay.heal()
    await asyncio.to_thread(made_database.close)


def _insert(name: str):
    return lambda tx: tx.execute(sa.text("INSERT INTO thing VALUES (:name)"), {"name": name})


def _names(tx: sa.Connection) -> set[str]:
    return set(tx.execute(sa.text("SELECT name FROM thing")).scalars())


async def _refused(call) -> float:
    """Seconds until it was told that the database is away."""
    began = time.monotonic()
    with pytest.raises(Unavailable) as refused:
        await call
    assert refused.value.reason == Reason.DATABASE_UNAVAILABLE
    assert refused.value.retry_after_seconds
    return time.monotonic() - began


async def test_nobody_waits_for_ever_and_soon_all_are_told_at_once(relay: Relay, database: Database) -> None:
    await database.read(_names)
    relay.cut()
    waits = await asyncio.gather(_refused(database.read(_names)), _refused(database.write(_insert("cut"))))
    assert max(waits) < LIMIT + 5, "one that looked whether its connection is good, and connects"
    until = time.monotonic() + 3
    later = []
    while time.monotonic() < until:
        later += await asyncio.gather(*(_refused(database.read(_names)) for _ in range(6)))
    later.sort()
    assert later[len(later) // 2] < 0.2, "while one tries again, the others are told at once"
    assert later[-1] < LIMIT + 4


async def test_it_works_again_by_itself(relay: Relay, database: Database) -> None:
    relay.cut()
    await asyncio.gather(_refused(database.read(_names)), _refused(database.write(_insert("cut"))))
    relay.heal()
    until = time.monotonic() + 10
    while True:
        try:
            await database.write(_insert("healed"))
            break
        except Unavailable:
            assert time.monotonic() < until
            await asyncio.sleep(0.05)
    assert "healed" in await database.read(_names)


async def test_a_commit_that_is_not_answered_may_have_happened(
    postgresql: PostgresqlServer, database: Database
) -> None:
    with postgresql.unanswered_commits(), pytest.raises(OutcomeUnknown):
        await database.write(_insert("perhaps"))
    assert await _read_when_back(database) == {"perhaps"}


async def _read_when_back(database: Database) -> set[str]:
    """A lost connection counts as a database that is away, for a moment."""
    until = time.monotonic() + 10
    while True:
        try:
            return await database.read(_names)
        except Unavailable:
            assert time.monotonic() < until
            await asyncio.sleep(0.05)


async def test_a_transaction_that_is_cut_off_is_undone(relay: Relay, database: Database) -> None:
    def cut(tx: sa.Connection) -> None:
        _insert("cut")(tx)
        relay.cut()
        time.sleep(0.1)

    with pytest.raises(Unavailable) as lost:
        await database.write(cut)
    assert not isinstance(lost.value, OutcomeUnknown)
    relay.heal()
    await asyncio.sleep(0.6)
    assert await database.read(_names) == set()


async def test_short_work_is_left_alone(database: Database) -> None:
    """Each under the limit, together over it."""
    for number in range(4):
        await database.write(lambda tx: tx.execute(sa.text("SELECT pg_sleep(0.4)")))
        await database.write(_insert(f"thing {number}"))
    assert len(await database.read(_names)) == 4
