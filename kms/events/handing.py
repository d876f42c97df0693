"""How long it takes to hand an event of the global feed to all streams: one line in the log for each."""

import logging
from dataclasses import dataclass

from kms.core.clock import Clock

LOGGER_NAME = "hallmark.fanout"
_LOGGER = logging.getLogger(LOGGER_NAME)


@dataclass(slots=True)
class Handing:
    """Counts the streams that were given the newest event, from the first to the last that began to write it."""

    clock: Clock
    _streams: int = 0
    _first: float = 0.0
    _last: float = 0.0

    def note(self) -> None:
        """One more stream is given it now."""
        self._last = self.clock.monotonic()
        if not self._streams:
            self._first = self._last
        self._streams += 1

    def tell(self) -> None:
        """Before the next event, and when it has been quiet for a while. Those who read it later are not counted."""
        if self._streams:
            milliseconds = round((self._last - self._first) * 1000, 3)
            _LOGGER.info("handed out", extra={"facts": {"streams": self._streams, "milliseconds": milliseconds}})
        self._streams = 0
