import pytest

from kms.core.errors import Reason
from kms.server import limits_rates
from kms.server.limits_rates import RateLimit, TokenBuckets
from kms.tenants.exceeded import LimitExceeded
from support.clock import FakeClock


def test_a_burst_of_one_second_then_the_sustained_rate() -> None:
    clock = FakeClock()
    limit = RateLimit(10, clock)
    for _ in range(10):
        limit.take("a", 1)
    with pytest.raises(LimitExceeded) as refused:
        limit.take("a", 1)
    assert refused.value.reason is Reason.RATE_LIMITED
    assert refused.value.retry_after_seconds == pytest.approx(0.1)
    assert (refused.value.limit.subject, refused.value.limit.value) == ("caller:a", 10)
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
    with pytest.raises(LimitExceeded):
        limit.take("a", 20)
    clock.advance(1)
    limit.take("a", 20)


def test_devices_have_a_rate_of_their_own() -> None:
    limit = RateLimit(100, FakeClock(), device_rate_per_second=2)
    limit.take("phone", 2, device=True)
    with pytest.raises(LimitExceeded, match="more than 2 calls"):
        limit.take("phone", 1, device=True)
    limit.take("backend", 100)


def test_callers_of_a_tenant_share_its_rate() -> None:
    clock = FakeClock()
    limit = RateLimit(10, clock)
    limit.take("a", 8, tenant="acme", tenant_rate=12)
    with pytest.raises(LimitExceeded, match="this tenant together") as refused:
        limit.take("b", 8, tenant="acme", tenant_rate=12)
    assert (refused.value.limit.subject, refused.value.limit.value) == ("tenant:acme", 12)
    assert refused.value.retry_after_seconds == pytest.approx(4 / 12)
    limit.take("c", 10, tenant="other", tenant_rate=12)


def test_what_the_tenant_refuses_costs_the_caller_nothing_and_the_other_way_round() -> None:
    limit = RateLimit(10, FakeClock())
    limit.take("a", 8, tenant="acme", tenant_rate=12)
    assert limit.wait_seconds("b", 10, tenant="acme", tenant_rate=12) > 0
    assert limit.wait_seconds("b", 10) == 0, "b's own tokens are all there"
    assert limit.wait_seconds("a", 4, tenant="acme", tenant_rate=12) > 0, "a's own are not"
    assert limit.wait_seconds("c", 4, tenant="acme", tenant_rate=12) == 0, "the tenant's four are still there"


def test_who_was_quiet_for_a_second_is_not_remembered_and_has_a_full_bucket() -> None:
    clock = FakeClock()
    buckets = TokenBuckets(clock)

    def take(key: str, cost: float) -> float:
        wait = buckets.wait_seconds(key, cost, 4)
        if wait == 0:
            buckets.take(key, cost, 4)
        return wait

    take("quiet", 4)
    clock.advance(0.5)
    take("busy", 1)
    take("quiet", 2)
    clock.advance(0.75)
    assert take("busy", 4) == 0, "0.75 of a second brings more than the one that it took"
    assert take("quiet", 4) == pytest.approx(0.25)
    clock.advance(1)
    for number in range(1000):
        clock.advance(0.01)
        take(f"one of many {number}", 1)
    assert len(buckets) <= 101
    assert take("quiet", 4) == 0


def test_a_million_callers_at_once_take_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits_rates, "BUCKETS_MAX", 100)
    buckets = TokenBuckets(FakeClock())
    for number in range(1_000):
        assert buckets.wait_seconds(f"caller {number}", 1, 10) == 0
        assert len(buckets) <= 100
