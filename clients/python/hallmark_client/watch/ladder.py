"""Which way to ask next, and when: stream, poll, files; down when one fails again and again, up again by and by."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from hallmark_client.backoff import full_jitter
from hallmark_client.errors import HallmarkError, PermissionDenied, TransportRefused, Unauthenticated

FIRST_SECONDS: Final = 1.0
CEILING_SECONDS: Final = 300.0
HINT_MAX_SECONDS: Final = 300.0
"""Longest wait that a server may ask for: nobody but the owner of the watch may silence it for good."""
FAILURES_MAX: Final = 3
"""In a row, on one rung: then the next one."""
CLIMB_SECONDS: Final = (30.0, 3600.0)
"""Before the stream is tried again: the first time, and at most."""


class Rung(IntEnum):
    """Lower is better."""

    STREAM = 0
    POLL = 1
    FILES = 2


def is_refusal(error: Exception) -> bool:
    """The device, not the connection, is the reason: asking the API more often changes nothing."""
    return isinstance(error, PermissionDenied | Unauthenticated | TransportRefused)


@dataclass(slots=True, kw_only=True)
class Ladder:
    """best: where to begin and to climb to. worst: FILES, or POLL where no address of files is known."""

    best: Rung
    worst: Rung
    jitter: Callable[[], float]
    rung: Rung = field(init=False)
    _on_rung: int = 0
    _in_a_row: int = 0
    _refusals: int = 0
    _fell_from: Rung | None = None
    """Where the climb that is being tried falls back to."""
    _climb_at: float | None = None
    _climbs: int = 0
    _is_circling: bool = False

    def __post_init__(self) -> None:
        self.rung = self.best

    def choose(self, now: float) -> Rung:
        """The rung to use now; tries the best one again when it is time. now: monotonic seconds."""
        if self._climb_at is not None and now >= self._climb_at and self.rung is not self.best:
            self._fell_from, self.rung, self._on_rung, self._climb_at = self.rung, self.best, 0, None
        return self.rung

    def failed(self, error: Exception, now: float) -> float:
        """Seconds to wait."""
        self._in_a_row += 1
        self._on_rung += 1
        if self._fell_from is not None:
            self._to(self._fell_from, now)
        elif is_refusal(error) and self.rung is not self.worst and self._is_meant(error):
            self._to(self.worst, now)
        elif self.rung is self.worst and self.rung is not self.best:
            # Nothing answers at all: round and round, so that whatever comes back first is found soon.
            self.rung, self._on_rung, self._climb_at, self._climbs, self._is_circling = self.best, 0, None, 0, True
        elif (self._is_circling or self._on_rung >= FAILURES_MAX) and self.rung < self.worst:
            self._to(Rung(self.rung + 1), now)
        wait = full_jitter(
            self._in_a_row, first_seconds=FIRST_SECONDS, ceiling_seconds=CEILING_SECONDS, jitter=self.jitter
        )
        hint = error.retry_after_seconds if isinstance(error, HallmarkError) else None
        return max(wait, min(hint or 0.0, HINT_MAX_SECONDS))

    def _is_meant(self, error: Exception) -> bool:
        """A server that dies amid a handshake looks like one that refuses it: that counts when it comes again."""
        self._refusals += 1
        return not isinstance(error, TransportRefused) or self._refusals > 1

    def succeeded(self) -> None:
        """It holds: a stream that lived, an answer to a question, files that were good."""
        self._in_a_row = self._on_rung = self._refusals = 0
        self._fell_from, self._is_circling = None, False
        if self.rung is self.best:
            self._climb_at, self._climbs = None, 0

    def until_climb(self, now: float) -> float:
        """Seconds; infinite when there is nothing to climb to."""
        return float("inf") if self._climb_at is None else max(0.0, self._climb_at - now)

    def _to(self, rung: Rung, now: float) -> None:
        self.rung, self._on_rung, self._fell_from = rung, 0, None
        if rung is self.best:
            return
        first, ceiling = CLIMB_SECONDS
        wait = min(ceiling, first * 2.0 ** min(self._climbs, 10))
        # Half of it at least, or a whole fleet climbs at the moment it fell.
        self._climb_at = now + wait * (0.5 + 0.5 * self.jitter())
        self._climbs += 1
