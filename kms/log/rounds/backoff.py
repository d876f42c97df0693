"""How long a loop waits after it failed: doubling, bounded, forgotten after a success."""

_FIRST_SECONDS = 0.1
_LAST_SECONDS = 5.0


class Backoff:
    def __init__(self) -> None:
        self._next_seconds = _FIRST_SECONDS

    def failed(self) -> float:
        """Seconds to wait now."""
        seconds = self._next_seconds
        self._next_seconds = min(seconds * 2, _LAST_SECONDS)
        return seconds

    def succeeded(self) -> None:
        self._next_seconds = _FIRST_SECONDS
