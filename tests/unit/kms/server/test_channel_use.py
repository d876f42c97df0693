"""What classical sessions move, counted at every replica and shared through the database."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from kms.core.call import Call
from kms.core.database import Database
from kms.core.errors import Reason, ResourceExhausted, Unavailable
from kms.server.channel_account import HOURS_COUNTED
from kms.server.channel_use import STALE_SECONDS, ClassicalUse
from kms.server.channel_use_store import classical_use
from support.clock import FakeClock
from support.database import fresh_database
from unit.kms.server.channel_bench import POST_QUANTUM, AwayDatabase, entry_of, make_call

AWAY = Unavailable(Reason.DATABASE_UNAVAILABLE, "away")
INTERVAL = 3.0


class World:
    def __init__(self, database: Database) -> None:
        self.clock = FakeClock()
        self.database = AwayDatabase(database)
        self.use = self.replica()

    def replica(self) -> ClassicalUse:
        return ClassicalUse(self.database, self.clock, interval_seconds=INTERVAL)  # type: ignore[arg-type]

    def move(self, moved: int, *, at: ClassicalUse | None = None, call: Call | None = None) -> None:
        """A call of so many bytes, from beginning to end."""
        entry, use = entry_of(call or make_call(), received=1), at or self.use
        use.admitted(entry, {})
        entry.sent = moved - 1
        use.finished(entry, "OK", "")

    async def spent(self, budget: int, *, at: ClassicalUse | None = None, name: str = "b") -> float | None:
        """How long to wait; None: not spent."""
        try:
            await (at or self.use).check(make_call(name=name), budget)
        except ResourceExhausted as refused:
            if refused.reason is not Reason.CLASSICAL_BUDGET_SPENT:
                raise
            return refused.retry_after_seconds
        return None

    async def rows(self) -> list[tuple[str, int, int]]:
        found = await self.database.inner.read(lambda tx: tx.execute(sa.select(classical_use)).all())
        return [tuple(row) for row in found]


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    with fresh_database(tmp_path, database_url) as database:
        yield World(database)


async def test_bytes_of_classical_calls_count_and_those_of_others_do_not(world: World) -> None:
    world.move(600)
    world.move(10**9, call=make_call(group=POST_QUANTUM))
    world.move(10**9, call=make_call(name="other"))
    assert await world.spent(601) is None
    assert await world.spent(600) is not None


async def test_calls_in_progress_share_what_is_left(world: World) -> None:
    """Each alone would fit; a hundred at once must not all be let in because none has ended."""
    calls = [make_call() for _ in range(10)]
    for call in calls:
        world.use.admitted(entry_of(call, received=400), {})
    let_in = await asyncio.gather(*(world.use.check(call, 1000) for call in calls), return_exceptions=True)
    assert [type(each) for each in let_in] == [type(None)] * 3 + [ResourceExhausted] * 7


async def test_a_call_that_was_never_admitted_counts_for_nobody(world: World) -> None:
    entry = entry_of(make_call(), sent=10**9)
    world.use.finished(entry, "UNAUTHENTICATED", "CERTIFICATE_UNKNOWN")
    assert await world.spent(1) is None


async def test_the_budget_comes_back_when_the_hour_has_left_the_window(world: World) -> None:
    world.move(100)
    wait = await world.spent(100)
    assert wait == HOURS_COUNTED * 3600  # START is the beginning of an hour
    world.clock.advance(wait - 1)
    assert await world.spent(100) == 1
    world.clock.advance(1)
    assert await world.spent(100) is None


async def test_two_replicas_add_up(world: World) -> None:
    other = world.replica()
    world.move(400)
    world.move(500, at=other)
    assert await world.spent(900) is None, "they have not told each other yet"
    await world.use.flush()
    await other.flush()
    assert await world.spent(900, at=other) is not None
    world.clock.advance(2 * INTERVAL)
    assert await world.spent(900) is not None, "a quiet replica reads before it decides"
    assert [row[2] for row in await world.rows()] == [900]


async def test_both_write_at_once_and_nothing_is_lost(world: World) -> None:
    replicas = [world.use, world.replica()]
    for number in range(20):
        world.move(10, at=replicas[number % 2], call=make_call(name=f"b{number % 5}"))
    await asyncio.gather(*(each.flush() for each in replicas))
    assert sum(row[2] for row in await world.rows()) == 200


async def test_a_restart_forgets_nothing_that_was_told(world: World) -> None:
    world.move(900)
    await world.use.flush()
    assert await world.spent(900, at=world.replica()) is not None


async def test_a_stream_counts_while_it_flows_and_its_tenant_is_told_once(world: World) -> None:
    call = make_call()
    entry = entry_of(call)
    world.use.admitted(entry, {})
    await world.use.check(call, 1000)
    before = world.use.edition("default")
    entry.sent = 999
    await world.use.flush()
    assert world.use.edition("default") == before
    entry.sent = 1000
    await world.use.flush()
    after = world.use.edition("default")
    assert after != before
    assert world.use.edition("other") == world.replica().edition("other")
    assert await world.spent(1000) is not None
    await world.use.flush()
    assert world.use.edition("default") == after, "other streams of the tenant are not asked again and again"
    world.use.finished(entry, "RESOURCE_EXHAUSTED", "CLASSICAL_BUDGET_SPENT")
    await world.use.flush()
    assert [row[2] for row in await world.rows()] == [1000], "nothing is counted twice"


async def test_the_last_totals_hold_while_the_database_is_away_but_not_for_long(world: World) -> None:
    world.move(500)
    await world.use.flush()
    world.database.error = AWAY
    world.move(300)
    await world.use.flush()
    world.clock.advance(STALE_SECONDS - 1)
    assert await world.spent(801) is None
    assert await world.spent(800) is not None, "what was counted here meanwhile counts"
    world.clock.advance(2 * INTERVAL)
    with pytest.raises(Unavailable):
        await world.spent(10**9)
    world.database.error = None
    await world.use.flush()
    assert [row[2] for row in await world.rows()] == [800], "and was kept until it could be stored"
    assert await world.spent(801) is None


async def test_who_is_not_known_is_not_let_in_while_the_database_is_away(world: World) -> None:
    world.database.error = AWAY
    with pytest.raises(Unavailable):
        await world.spent(10**9)


async def test_while_totals_are_fresh_nobody_asks_the_database(world: World) -> None:
    for _ in range(50):
        assert await world.spent(10**6) is None
    assert world.database.reads == 1


async def test_old_hours_are_deleted(world: World) -> None:
    world.move(100)
    await world.use.flush()
    world.clock.advance(HOURS_COUNTED * 3600)
    await world.use.flush()
    assert await world.rows() == []


async def test_quiet_callers_take_no_memory(world: World) -> None:
    for number in range(100):
        world.move(1, call=make_call(name=f"b{number}"))
    await world.use.flush()
    world.clock.advance(STALE_SECONDS + 1)
    await world.use.flush()
    assert not world.use._accounts
    assert not world.use._running
    assert await world.spent(1, name="b7") is not None, "they are read again"
