"""Time that a clock which is set ahead does not bring forward."""

from datetime import timedelta

from kms.core.steady_time import SteadyTime
from support.clock import START, FakeClock

HOUR = 3600


def test_it_is_the_clock_s_as_long_as_nobody_sets_it() -> None:
    clock = FakeClock()
    steady = SteadyTime(clock)
    clock.advance(HOUR)
    assert steady.now() == START + timedelta(hours=1) == clock.now()


def test_a_jump_ahead_brings_nothing_forward(caplog) -> None:
    clock = FakeClock()
    steady = SteadyTime(clock)
    clock.jump(100 * HOUR)
    for hours in range(1, 4):
        clock.advance(HOUR)
        assert steady.now() == START + timedelta(hours=hours)
    assert [record.levelname for record in caplog.records] == ["WARNING"], "said once"
    clock.jump(-100 * HOUR)
    assert steady.now() == clock.now()


def test_a_clock_that_is_set_back_is_believed() -> None:
    clock = FakeClock()
    steady = SteadyTime(clock)
    clock.jump(-HOUR)
    assert steady.now() == clock.now()
