"""What a test makes go wrong, and when."""

from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from hallmark_client.errors import HallmarkError
from hallmark_client.rpc import RPCS

_NAMES: Final = frozenset(each.name for each in RPCS)


@dataclass(frozen=True, slots=True)
class Fault:
    """error: raised instead of answering. stored: the act is done first, as when only its answer is lost."""

    error: HallmarkError
    stored: bool


@dataclass
class Faults:
    """Queues by method name; each fault and change is used once."""

    _faults: dict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))
    _changes: dict[str, deque[Callable[[Any], None]]] = field(default_factory=lambda: defaultdict(deque))

    def add(self, method: str, fault: Fault, times: int) -> None:
        self._faults[_known(method)].extend([fault] * times)

    def add_change(self, method: str, change: Callable[[Any], None]) -> None:
        self._changes[_known(method)].append(change)

    def take(self, method: str) -> Fault | None:
        return self._faults[method].popleft() if self._faults[method] else None

    def change(self, method: str, answer: Any) -> None:
        """Applies the next change that waits for this method to its answer, in place."""
        if self._changes[method]:
            self._changes[method].popleft()(answer)


def _known(method: str) -> str:
    assert method in _NAMES, f"{method!r} is no method; there are {', '.join(sorted(_NAMES))}"
    return method
