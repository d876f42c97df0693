import logging

import pytest

from hsm.breaker import CircuitBreaker, CircuitState
from hsm.errors import CircuitOpen, TokenUnavailable

FAULT = TokenUnavailable("gone")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> CircuitBreaker:
    return CircuitBreaker(threshold=3, pause_seconds=1.0, clock=clock)


def fail(breaker: CircuitBreaker, times: int) -> None:
    for _ in range(times):
        breaker.failed(FAULT, None)


def test_failures_in_a_row_open_it_and_successes_between_do_not(breaker: CircuitBreaker) -> None:
    for _ in range(5):
        fail(breaker, 2)
        breaker.succeeded()
    breaker.admit()
    fail(breaker, 3)
    with pytest.raises(CircuitOpen, match="gone") as caught:
        breaker.admit()
    assert caught.value.retry_after_seconds == 2.0
    assert caught.value.retryable


def test_what_one_process_loses_counts_once(breaker: CircuitBreaker) -> None:
    for _ in range(100):
        breaker.failed(FAULT, 7)
    breaker.failed(FAULT, 8)
    breaker.admit()
    breaker.failed(FAULT, 9)
    assert breaker.state is CircuitState.OPEN


def test_a_probe_closes_it(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker, 3)
    assert not breaker.begin_probe()
    clock.now += 1.0
    assert breaker.begin_probe()
    assert not breaker.begin_probe()  # one at a time
    with pytest.raises(CircuitOpen):
        breaker.admit()
    breaker.probe_succeeded()
    breaker.admit()
    fail(breaker, 2)
    breaker.admit()  # counting begins anew


def test_late_answers_do_not_close_it(breaker: CircuitBreaker) -> None:
    fail(breaker, 3)
    breaker.succeeded()
    with pytest.raises(CircuitOpen):
        breaker.admit()


def test_each_failed_probe_doubles_the_pause_up_to_ten_times(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker, 3)
    pauses = []
    for _ in range(6):
        began = clock.now
        while not breaker.begin_probe():
            clock.now += 0.5
        pauses.append(clock.now - began)
        breaker.probe_failed(FAULT)
    assert pauses == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_one_line_is_logged_for_each_change(breaker: CircuitBreaker, clock: Clock, caplog) -> None:
    with caplog.at_level(logging.DEBUG):
        fail(breaker, 20)
        for _ in range(50):
            with pytest.raises(CircuitOpen):
                breaker.admit()
        clock.now += 1.0
        assert breaker.begin_probe()
        breaker.probe_failed(FAULT)
        clock.now += 2.0
        assert breaker.begin_probe()
        breaker.probe_succeeded()
    assert [record.message for record in caplog.records] == [
        "the HSM failed 3 times in a row, calls are refused: gone",
        "the HSM signs again after 3.0 s",
    ]
