"""Limits of callers and of the server: a token bucket for each caller, a bound on calls and on open streams.

Memory is bounded: a caller who was quiet for a second has a full bucket again and is forgotten, and of too many the one
seen longest ago.
"""

from collections import OrderedDict
from dataclasses import dataclass

from kms.core.call import Call
from kms.core.clock import Clock
from kms.core.errors import Reason, ResourceExhausted
from kms.core.identity import Role
from kms.tenants.model import Quotas

CALLS_MAX = 4096
"""Calls in progress, streams that the server sends apart. More are refused at once: each holds a message in memory."""

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


class Limits:
    """All limits of one server, in the order in which a call meets them."""

    def __init__(self, rate: RateLimit, streams: StreamLimit) -> None:
        self._rate = rate
        self._streams = streams
        self._calls = 0

    def enter(self, call: Call, cost: float, quotas: Quotas) -> None:  # noqa: ARG002
        """A call with one answer begins; `leave` when it ends. Raises ResourceExhausted: then it did not begin."""
        self._take(call, cost)
        if self._calls >= CALLS_MAX:
            raise ResourceExhausted(
                Reason.QUEUE_FULL, "this server is busy with other calls; retry", retry_after_seconds=0.5
            )
        self._calls += 1

    def leave(self, call: Call) -> None:  # noqa: ARG002
        self._calls -= 1

    def enter_stream(self, call: Call, cost: float, quotas: Quotas) -> None:  # noqa: ARG002
        """A stream of answers begins; `leave_stream` when it ends. Raises as `enter` does."""
        self._take(call, cost)
        if self._calls >= CALLS_MAX:
            raise ResourceExhausted(
                Reason.QUEUE_FULL, "this server is busy with other calls; retry", retry_after_seconds=0.5
            )
        self._streams.take(call.caller.spiffe_id)

    def leave_stream(self, call: Call) -> None:
        self._streams.give_back(call.caller.spiffe_id)

    def wait_seconds(self, call: Call, cost: float, quotas: Quotas) -> float:  # noqa: ARG002
        """For one more message of a stream. 0: it was taken. Else nothing was, and after so many seconds it may be."""
        return self._rate.wait_seconds(call.caller.spiffe_id, cost, device=call.caller.role is Role.DEVICE)

    def _take(self, call: Call, cost: float) -> None:
        self._rate.take(call.caller.spiffe_id, cost, device=call.caller.role is Role.DEVICE)
