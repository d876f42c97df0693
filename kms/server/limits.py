"""A token bucket for each caller, and a bound on the streams it holds open.

Memory is bounded: a caller who was quiet for a second has a full bucket again and is forgotten, and of too many the one
seen longest ago.
"""

from collections import OrderedDict
from dataclasses import dataclass

from kms.core.clock import Clock
from kms.core.errors import Reason, ResourceExhausted

_CALLERS_MAX = 50_000
_FULL_SECONDS = 1.0
"""A bucket holds one second's worth."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    updated: float


class RateLimit:
    """`rate` tokens a second flow in, one second's worth is kept at most. Devices have a rate of their own."""

    def __init__(self, rate_per_second: float, clock: Clock, *, device_rate_per_second: float | None = None) -> None:
        self._rate = rate_per_second
        self._device_rate = device_rate_per_second or rate_per_second
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, caller: str, cost: float, *, device: bool = False) -> None:
        """Raises ResourceExhausted/RATE_LIMITED with the time after which the call would be let through."""
        wait = self.wait_seconds(caller, cost, device=device)
        if wait > 0:
            rate = self._device_rate if device else self._rate
            raise ResourceExhausted(
                Reason.RATE_LIMITED,
                f"more than {rate:g} calls a second; slow down and retry in {wait:.2f} s",
                retry_after_seconds=wait,
            )

    def wait_seconds(self, caller: str, cost: float, *, device: bool = False) -> float:
        """0: it was taken. Else nothing was, and after so many seconds it may be."""
        rate, now = self._device_rate if device else self._rate, self._clock.monotonic()
        bucket = self._buckets.pop(caller, None) or _Bucket(rate, now)
        self._buckets[caller] = bucket
        bucket.tokens = min(rate, bucket.tokens + (now - bucket.updated) * rate)
        bucket.updated = now
        self._forget(now)
        cost = min(cost, rate)
        if bucket.tokens < cost:
            return (cost - bucket.tokens) / rate
        bucket.tokens -= cost
        return 0.0

    def _forget(self, now: float) -> None:
        while now - next(iter(self._buckets.values())).updated >= _FULL_SECONDS or len(self._buckets) > _CALLERS_MAX:
            self._buckets.popitem(last=False)


class StreamLimit:
    """How many streams a caller, and all together, may hold: each costs memory, and signed heartbeats the HSM."""

    def __init__(self, *, per_caller: int, total: int) -> None:
        self._per_caller = per_caller
        self._total = total
        self._open = 0
        self._open_of: dict[str, int] = {}

    def take(self, caller: str) -> None:
        """Before a stream begins; `give_back` when it ends. Raises ResourceExhausted/TOO_MANY_STREAMS."""
        mine = self._open_of.get(caller, 0)
        if mine >= self._per_caller or self._open >= self._total:
            who = "this identity" if mine >= self._per_caller else "the server"
            raise ResourceExhausted(
                Reason.TOO_MANY_STREAMS,
                f"{who} has as many streams open as it may; close one, or poll",
                retry_after_seconds=30,
            )
        self._open += 1
        self._open_of[caller] = mine + 1

    def give_back(self, caller: str) -> None:
        self._open -= 1
        self._open_of[caller] -= 1
        if not self._open_of[caller]:
            del self._open_of[caller]
