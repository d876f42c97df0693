"""Token buckets: how much a second of each caller, and of all callers of a tenant together.

Memory is bounded: who was quiet for a second has a full bucket again and is forgotten, and of too many the one seen
longest ago.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from kms.core.clock import Clock
from kms.core.errors import Reason
from kms.tenants.exceeded import Limit, LimitExceeded

BUCKETS_MAX: Final = 50_000
_FULL_SECONDS: Final = 1.0
"""A bucket holds one second's worth."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    updated: float


class TokenBuckets:
    """`rate` tokens a second flow into each, one second's worth is kept at most. What costs more than a second brings
    takes a full bucket.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def wait_seconds(self, key: str, cost: float, rate: float) -> float:
        """Until so much is there; 0 when it is. Nothing is taken."""
        now = self._clock.monotonic()
        bucket = self._buckets.pop(key, None) or _Bucket(rate, now)
        self._buckets[key] = bucket
        bucket.tokens = min(rate, bucket.tokens + (now - bucket.updated) * rate)
        bucket.updated = now
        self._forget(now)
        return max(0.0, (min(cost, rate) - bucket.tokens) / rate)

    def take(self, key: str, cost: float, rate: float) -> None:
        """At once after `wait_seconds` said 0."""
        self._buckets[key].tokens -= min(cost, rate)

    def _forget(self, now: float) -> None:
        while now - next(iter(self._buckets.values())).updated >= _FULL_SECONDS or len(self._buckets) > BUCKETS_MAX:
            self._buckets.popitem(last=False)


class RateLimit:
    """Of each caller, devices with a rate of their own; and of a tenant, where its quotas have one. What one of the two
    refuses costs nothing at the other.
    """

    def __init__(self, rate_per_second: float, clock: Clock, *, device_rate_per_second: float | None = None) -> None:
        self._rate = rate_per_second
        self._device_rate = device_rate_per_second or rate_per_second
        self._callers = TokenBuckets(clock)
        self._tenants = TokenBuckets(clock)

    def take(self, caller: str, cost: float, *, device: bool = False, tenant: str = "", tenant_rate: float = 0) -> None:
        """`tenant_rate` 0: the tenant has none. Raises LimitExceeded/RATE_LIMITED with the time after which the call
        would be let through.
        """
        rate = self._device_rate if device else self._rate
        mine, theirs = self._take(caller, cost, rate, tenant, tenant_rate)
        if mine > 0:
            limit = Limit.of_caller(caller, "calls", "rate-of-caller", round(rate))
            raise _too_fast(limit, "this identity", rate, mine)
        if theirs > 0:
            limit = Limit.of_tenant(tenant, "calls", "rate-of-tenant", round(tenant_rate))
            raise _too_fast(limit, "all identities of this tenant together", tenant_rate, theirs)

    def wait_seconds(
        self, caller: str, cost: float, *, device: bool = False, tenant: str = "", tenant_rate: float = 0
    ) -> float:
        """0: it was taken. Else nothing was, and after so many seconds it may be."""
        rate = self._device_rate if device else self._rate
        return max(self._take(caller, cost, rate, tenant, tenant_rate))

    def _take(self, caller: str, cost: float, rate: float, tenant: str, tenant_rate: float) -> tuple[float, float]:
        """What the caller, and its tenant, have to wait. Taken from both when that is nothing, else from neither."""
        mine = self._callers.wait_seconds(caller, cost, rate)
        theirs = self._tenants.wait_seconds(tenant, cost, tenant_rate) if tenant_rate else 0.0
        if mine == theirs == 0:
            self._callers.take(caller, cost, rate)
            if tenant_rate:
                self._tenants.take(tenant, cost, tenant_rate)
        return mine, theirs


def _too_fast(limit: Limit, who: str, rate: float, wait: float) -> LimitExceeded:
    return LimitExceeded(
        Reason.RATE_LIMITED,
        f"more than {rate:g} calls a second by {who}; slow down and retry in {wait:.2f} s",
        limit,
        retry_after_seconds=wait,
    )
