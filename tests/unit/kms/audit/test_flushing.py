"""What was counted reaches the database, also one that was away; what can not is said."""

import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kms.audit import flushing, session_store
from kms.audit.flushing import Flusher, Kept
from kms.audit.recorder import Recorder
from kms.audit.signature_counter import SignatureCounter
from kms.core.database import Database
from kms.core.errors import OutcomeUnknown, Reason, Unavailable
from support.clock import FakeClock
from support.database import fresh_database
from support.randomness import SeededRandomness
from unit.kms.audit.bench import KEY, make_call, make_certificate

PEM = make_certificate()


class _Away:
    """A database whose writes raise what they are told to."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.error: Exception | None = None

    async def read(self, work: Any) -> Any:
        return await self._database.read(work)

    async def write(self, work: Any) -> Any:
        if self.error is not None:
            raise self.error
        return await self._database.write(work)


class World:
    def __init__(self, database: Database) -> None:
        self.database, self.away, self.clock = database, _Away(database), FakeClock()
        self.recorder = Recorder(SeededRandomness())
        self.dropped: list[int] = []
        self.flusher = Flusher(
            recorder=self.recorder,
            database=self.away,
            signatures=SignatureCounter(database, "log"),
            clock=self.clock,
            kept=Kept(sessions=timedelta(days=30), signatures=timedelta(days=400), sessions_max=5),
            interval_seconds=1,
            on_dropped=self.dropped.append,
        )

    def call(self, port: int = 1) -> None:
        call = make_call(port=port, now=self.clock.now())
        session, facts = self.recorder.admitted(call, PEM)
        moment = self.clock.now()
        self.recorder.finished(call, session, facts, (KEY,), now=moment, moved=1, refused=False, allowed=True)

    async def sessions(self) -> list[int]:
        """Calls of each."""
        listed = await self.database.read(
            lambda tx: session_store.listing(tx, None, classical_only=False, after=None, limit=1000)
        )
        return [session.calls for session in listed]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with fresh_database(tmp_path) as database:
        yield World(database)


async def test_what_was_counted_waits_while_the_database_is_away(world: World, caplog) -> None:
    world.call()
    world.away.error = Unavailable(Reason.DATABASE_UNAVAILABLE, "away")
    for _ in range(3):
        await world.flusher.flush()
        world.call()
    assert await world.sessions() == []
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1, "said once, not every few seconds"
    world.away.error = None
    await world.flusher.flush()
    assert await world.sessions() == [4]
    assert world.dropped == []


async def test_what_may_be_stored_already_is_not_added_again(world: World) -> None:
    world.call()
    world.away.error = OutcomeUnknown(Reason.DATABASE_UNAVAILABLE, "who knows")
    await world.flusher.flush()
    world.away.error = None
    await world.flusher.flush()
    assert await world.sessions() == []
    assert sum(world.dropped) == 2, "of a call: its session, and its kind"


async def test_memory_is_bounded_while_the_database_is_away(world: World, monkeypatch, caplog) -> None:
    monkeypatch.setattr(flushing, "WAITING_MAX", 4)
    world.away.error = Unavailable(Reason.DATABASE_UNAVAILABLE, "away")
    for _ in range(5):
        world.call()
        await world.flusher.flush()
    assert len(world.flusher._waiting) == 4
    assert sum(world.dropped) == 6
    assert any("were not counted" in record.message for record in caplog.records)


async def test_many_rows_go_in_several_writes(world: World, monkeypatch) -> None:
    monkeypatch.setattr(flushing, "ROWS_AT_ONCE", 7)
    for port in range(1, 101):
        world.call(port)
    await world.flusher.flush()
    assert await world.sessions() == [1] * 100


async def test_old_sessions_go_and_so_do_too_many(world: World) -> None:
    world.call()
    await world.flusher.flush()
    world.clock.advance(31 * 86400)
    world.call(2)
    await world.flusher.flush()
    await world.flusher.prune()
    assert len(await world.sessions()) == 1
    for port in range(3, 13):
        world.clock.advance(1)
        world.call(port)
    await world.flusher.flush()
    await world.flusher.prune()
    assert len(await world.sessions()) == 5
