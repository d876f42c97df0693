"""Answers are forgotten on time, never because a clock jumped, and one failure does not end it."""

import asyncio
from datetime import timedelta

import pytest

from kms.app import upkeep
from kms.core.errors import Reason, Unavailable
from support.clock import FakeClock


class RecordingDatabase:
    """Fails its first write."""

    def __init__(self) -> None:
        self.writes = 0

    async def write(self, _work: object) -> None:
        self.writes += 1
        if self.writes == 1:
            raise Unavailable(Reason.DATABASE_UNAVAILABLE, "away")


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch):
    """Sleeps end at once; what happens to the clock in each is given."""
    clock, database = FakeClock(), RecordingDatabase()

    async def run(*changes) -> RecordingDatabase:
        steps = iter(changes)

        async def sleep(_seconds: float) -> None:
            change = next(steps, None)
            if change is None:
                raise asyncio.CancelledError
            change(clock)

        monkeypatch.setattr(upkeep.asyncio, "sleep", sleep)
        with pytest.raises(asyncio.CancelledError):
            await upkeep.purge_answers(database, clock)  # type: ignore[arg-type]
        return database

    return run


async def test_it_goes_on_after_a_failure(rounds) -> None:
    assert (await rounds(*[lambda clock: clock.advance(600)] * 3)).writes == 3


async def test_a_clock_that_jumps_ahead_forgets_nothing(rounds) -> None:
    def jump(clock: FakeClock) -> None:
        clock.advance(600)
        clock._now += timedelta(days=2)

    assert (await rounds(jump)).writes == 0
