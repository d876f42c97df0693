"""A circuit breaker: after several failures in a row the token is left alone, and callers are told so at once.

CLOSED      calls go through; `threshold` failures in a row open the circuit
OPEN        calls are refused with CircuitOpen and a hint when to come back; after a pause a probe is due
HALF_OPEN   one probe, a real signature, is under way; calls are still refused; it closes the circuit, or opens it for
            twice as long

Pure but for its log: one line when it opens and one when it closes, not one per call. One thread, no locking.
"""

import enum
import logging
from collections.abc import Callable
from typing import Final

from .errors import CircuitOpen, HsmError

_LOG: Final = logging.getLogger(__name__)
_MAX_PAUSE_FACTOR: Final = 10.0


class CircuitState(enum.StrEnum):
    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"


class CircuitBreaker:
    """`clock` is monotonic seconds. The pause starts with `pause_seconds` and doubles up to ten times that."""

    def __init__(self, *, threshold: int, pause_seconds: float, clock: Callable[[], float]) -> None:
        self._threshold = threshold
        self._first_pause = pause_seconds
        self._pause = pause_seconds
        self._clock = clock
        self._failures = 0
        self._sources: set[int | None] = set()
        self._opened_at = 0.0
        self._probe_at = 0.0
        self._reason = ""
        self.state = CircuitState.CLOSED

    def admit(self) -> None:
        """Raises CircuitOpen, with the seconds until the next probe."""
        if self.state is not CircuitState.CLOSED:
            wait = max(self._probe_at - self._clock(), 0.0) + self._first_pause
            raise CircuitOpen(
                f"the HSM failed several times in a row and is left alone for a moment ({self._reason}); "
                "see `hallmark hsm doctor`",
                wait,
            )

    def succeeded(self) -> None:
        """A call was answered. Late answers do not close an open circuit: the probe does."""
        self._failures = 0
        self._sources.clear()

    def failed(self, error: HsmError, source: int | None) -> None:
        """A call was not answered. `source`: the process it was lost with; all that one loses count as one failure.

        So the many calls that wait in one hung process do not open the circuit while another answers.
        """
        if source is not None and source in self._sources:
            return
        self._sources.add(source)
        self._failures += 1
        if self.state is CircuitState.CLOSED and self._failures >= self._threshold:
            self._reason = str(error)
            self._opened_at = self._clock()
            self._open()
            _LOG.warning("the HSM failed %d times in a row, calls are refused: %s", self._failures, self._reason)

    def begin_probe(self) -> bool:
        """True when one is due; the caller makes it and says how it went."""
        if self.state is not CircuitState.OPEN or self._clock() < self._probe_at:
            return False
        self.state = CircuitState.HALF_OPEN
        return True

    def probe_succeeded(self) -> None:
        _LOG.warning("the HSM signs again after %.1f s", self._clock() - self._opened_at)
        self.state = CircuitState.CLOSED
        self.succeeded()
        self._pause = self._first_pause

    def probe_failed(self, error: HsmError) -> None:
        self._reason = str(error)
        self._pause = min(2 * self._pause, _MAX_PAUSE_FACTOR * self._first_pause)
        self._open()

    def _open(self) -> None:
        self.state = CircuitState.OPEN
        self._probe_at = self._clock() + self._pause
