"""Time comes in as an argument; this is the only module of the service that asks the system for it."""

import time
from datetime import UTC, datetime
from typing import Protocol


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


def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC with six decimals and Z: sorts as text, one spelling per instant."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"
