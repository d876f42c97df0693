"""Answers are forgotten on time, never because a clock jumped, and one failure does not end it."""

import asyncio
import functools
from datetime import datetime, timedelta

import pytest

from kms.app import upkeep
from kms.core.errors import Reason, Unavailable
from support.clock import START, FakeClock


class RecordingDatabase:
    """Fails its first write. `times`: as of when each of them was to forget."""

    def __init__(self) -> None:
        self.times: list[datetime] = []

    async def write(self, work: functools.partial[int]) -> None:
        self.times.append(work.keywords["now"])
        if len(self.times) == 1:
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
    database = await rounds(*[lambda clock: clock.advance(600)] * 3)
    assert database.times == [START + timedelta(seconds=seconds) for seconds in (600, 1200, 1800)]


async def test_a_clock_that_is_set_ahead_forgets_nothing_however_long_it_stays_so(rounds) -> None:
    def jump(clock: FakeClock) -> None:
        clock.advance(600)
        clock.jump(2 * 86400)

    database = await rounds(jump, *[lambda clock: clock.advance(600)] * 2)
    assert database.times == [START + timedelta(seconds=seconds) for seconds in (600, 1200, 1800)]
