"""A token bucket for each caller. Memory is bounded: the callers seen longest ago are forgotten first."""

from collections import OrderedDict
from dataclasses import dataclass

from kms.core.clock import Clock
from kms.core.errors import Reason, ResourceExhausted

_CALLERS_MAX = 50_000


@dataclass(slots=True)
class _Bucket:
    tokens: float
    updated: float


class RateLimit:
    """`rate` tokens a second flow in, at most `rate` (one second's worth) are kept."""

    def __init__(self, rate_per_second: float, clock: Clock) -> None:
        self._rate = rate_per_second
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, caller: str, cost: float) -> None:
        """Raises ResourceExhausted/RATE_LIMITED with the time after which the call would be let through."""
        now = self._clock.monotonic()
        bucket = self._buckets.pop(caller, None) or _Bucket(self._rate, now)
        self._buckets[caller] = bucket
        while len(self._buckets) > _CALLERS_MAX:
            self._buckets.popitem(last=False)
        bucket.tokens = min(self._rate, bucket.tokens + (now - bucket.updated) * self._rate)
        bucket.updated = now
        cost = min(cost, self._rate)
        if bucket.tokens < cost:
            wait = (cost - bucket.tokens) / self._rate
            raise ResourceExhausted(
                Reason.RATE_LIMITED,
                f"more than {self._rate:g} calls a second; slow down and retry in {wait:.2f} s",
                retry_after_seconds=wait,
            )
        bucket.tokens -= cost
