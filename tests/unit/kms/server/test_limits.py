import pytest

from kms.core.errors import Reason, ResourceExhausted
from kms.server.limits import RateLimit, StreamLimit
from support.clock import FakeClock


def test_a_burst_of_one_second_then_the_sustained_rate() -> None:
    clock = FakeClock()
    limit = RateLimit(10, clock)
    for _ in range(10):
        limit.take("a", 1)
    with pytest.raises(ResourceExhausted) as refused:
        limit.take("a", 1)
    assert refused.value.reason is Reason.RATE_LIMITED
    assert refused.value.retry_after_seconds == pytest.approx(0.1)
    clock.advance(0.1)
    limit.take("a", 1)


def test_callers_do_not_pay_for_each_other() -> None:
    limit = RateLimit(1, FakeClock())
    limit.take("a", 1)
    limit.take("b", 1)


def test_a_call_dearer_than_a_second_waits_for_a_full_bucket_but_passes() -> None:
    clock = FakeClock()
    limit = RateLimit(5, clock)
    limit.take("a", 20)
    with pytest.raises(ResourceExhausted):
        limit.take("a", 20)
    clock.advance(1)
    limit.take("a", 20)


def test_devices_have_a_rate_of_their_own() -> None:
    limit = RateLimit(100, FakeClock(), device_rate_per_second=2)
    limit.take("phone", 2, device=True)
    with pytest.raises(ResourceExhausted, match="more than 2 calls"):
        limit.take("phone", 1, device=True)
    limit.take("backend", 100)


def test_who_was_quiet_for_a_second_is_not_remembered_and_has_a_full_bucket() -> None:
    clock = FakeClock()
    limit = RateLimit(4, clock)
    limit.take("quiet", 4)
    clock.advance(0.5)
    limit.take("busy", 1)
    limit.take("quiet", 2)
    clock.advance(0.75)
    assert limit.wait_seconds("busy", 4) == 0, "0.75 of a second brings more than the one that it took"
    assert limit.wait_seconds("quiet", 4) == pytest.approx(0.25)
    clock.advance(1)
    for number in range(1000):
        clock.advance(0.01)
        limit.take(f"one of many {number}", 1)
    assert len(limit._buckets) <= 101
    limit.take("quiet", 4)


def test_streams_are_bounded_for_each_caller_and_together() -> None:
    limit = StreamLimit(per_caller=2, total=3)
    limit.take("a")
    limit.take("a")
    with pytest.raises(ResourceExhausted, match="this identity"):
        limit.take("a")
    limit.take("b")
    with pytest.raises(ResourceExhausted, match="the server") as refused:
        limit.take("b")
    assert refused.value.reason is Reason.TOO_MANY_STREAMS
    limit.give_back("a")
    limit.take("b")


def test_streams_that_were_refused_are_not_counted() -> None:
    limit = StreamLimit(per_caller=1, total=2)
    limit.take("a")
    for _ in range(3):
        with pytest.raises(ResourceExhausted):
            limit.take("a")
    limit.give_back("a")
    limit.take("a")
    limit.take("b")
