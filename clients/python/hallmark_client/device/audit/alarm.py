"""One call later, in a thread of its own; setting it again puts it off."""

import threading
from collections.abc import Callable


class Alarm:
    """For its owner's lock to guard. What was cancelled may still come, if it was on its way: the owner looks again."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act
        self._timer: threading.Timer | None = None

    @property
    def is_set(self) -> bool:
        return self._timer is not None

    def set(self, seconds: float) -> None:
        self.cancel()
        self._timer = threading.Timer(seconds, self._act)
        self._timer.daemon = True
        self._timer.start()

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
