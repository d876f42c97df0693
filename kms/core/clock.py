"""Time comes in as an argument; this is the only module of the service that asks the system for it."""

import time
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

CLOCK_SKEW_MAX: Final = timedelta(minutes=1)
"""Clocks of replicas may differ by so much. What is further ahead was written while a clock was wrong."""


class Clock(Protocol):
    """Where `now` comes from. `now` is aware, UTC; `monotonic` is for durations only, seconds."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


def is_ahead(moment: datetime, now: datetime) -> bool:
    """Of a time that lay in the past when it was written: the clock was wrong then, and has come back since."""
    return moment > now + CLOCK_SKEW_MAX


def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC with six decimals and Z: sorts as text, one spelling per instant."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"
