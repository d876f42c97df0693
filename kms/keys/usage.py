"""Usage limits that need no database: per second, by each replica, and the end in time. Totals: store.count_uses."""

from collections import OrderedDict

from kms.core.clock import Clock
from kms.core.errors import FailedPrecondition, Reason, ResourceExhausted
from kms.core.names import KeyName

_KEYS_MAX = 10_000


class UseRates:
    """Token buckets of keys with a limit per second: sustained `per_second`, bursts of one second's worth."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: OrderedDict[KeyName, tuple[float, float]] = OrderedDict()
        """Tokens left, and the monotonic time they were counted at; least lately used first."""

    def take(self, name: KeyName, per_second: int | None, uses: int = 1) -> None:
        """Raises ResourceExhausted/RATE_LIMITED and takes nothing when there is not enough for all `uses`."""
        if per_second is None:
            return
        now = self._clock.monotonic()
        tokens, counted = self._buckets.pop(name, (float(per_second), now))
        tokens = min(float(per_second), tokens + (now - counted) * per_second)
        enough = uses <= tokens
        self._buckets[name] = (tokens - uses if enough else tokens, now)
        if len(self._buckets) > _KEYS_MAX:
            self._buckets.popitem(last=False)
        if not enough:
            raise ResourceExhausted(
                Reason.RATE_LIMITED,
                f"{name} may be used {per_second} times a second; retry later",
                resource=str(name),
                retry_after_seconds=max(0.01, (uses - tokens) / per_second),
            )


def limit_reached(name: KeyName) -> FailedPrecondition:
    """For each use that `store.count_uses` did not allow."""
    return FailedPrecondition(
        Reason.USAGE_LIMIT_REACHED,
        f"{name} was used as often as its usage_limits.total allows; raise it, or create a new key",
        resource=str(name),
    )
