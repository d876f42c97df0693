"""How much a watcher knows, in one word, and why."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hallmark_client.model.result import Result


class Status(StrEnum):
    VALID = "VALID"
    """Connected, and proved to be current."""
    INTERRUPTED = "INTERRUPTED"
    """Not connected now, and current not long ago: what is held is used."""
    STALE = "STALE"
    """Not proved to be current for too long, or never. Decisions follow the limits of each lease."""
    OFF = "OFF"
    """Not started, closed, or its store has failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchStatus(Result):
    """reasons: codes, the newest trouble first, such as UNREACHABLE, SILENT, ROLLED_BACK, NEVER_WHOLE, CLOCK_UNKNOWN.

    rung: "stream", "poll" or "files". fresh_at: in the service's time, when state was last proved to be current.
    """

    status: Status
    reasons: tuple[str, ...]
    rung: str
    is_ready: bool
    fresh_at: datetime | None
