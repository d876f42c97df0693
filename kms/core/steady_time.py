"""Time for what can not be undone: a clock that is set ahead brings nothing forward."""

import logging
from datetime import datetime, timedelta

from kms.core.clock import Clock, is_ahead

_logger = logging.getLogger(__name__)


class SteadyTime:
    """What the clock said at the start plus what passed since, or what it says now if that is earlier."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._start = clock.now()
        self._mark = clock.monotonic()
        self._told = False

    def now(self) -> datetime:
        """Never ahead of the clock, nor of the time that really passed. A restart takes the clock at its word again."""
        shown = self._clock.now()
        vouched = self._start + timedelta(seconds=self._clock.monotonic() - self._mark)
        ran_ahead = is_ahead(shown, vouched)
        if ran_ahead and not self._told:
            _logger.warning(
                "the clock went %s ahead of the time that passed: what can not be undone waits", shown - vouched
            )
        self._told = ran_ahead
        return min(shown, vouched)
