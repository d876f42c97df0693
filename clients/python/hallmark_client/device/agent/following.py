"""An agent that keeps models current by itself: one thread, beside those that serve apps.

Each model is looked at when it starts and then once in a period; one that fails is tried again sooner, after pauses
that double up to the period. Apps hear of what was installed by `watch`, as of everything else.
"""

import logging
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Protocol, Self

from hallmark_client.backoff import full_jitter
from hallmark_client.device.updates import Installed, OnProgress
from hallmark_client.errors import HallmarkError
from hallmark_client.system import System
from hallmark_release.errors import ReleaseError, SourceMissing
from hallmark_release.source import ReleaseSource, open_source

_logger: Final = logging.getLogger("hallmark_client.device.agent")

EVERY_SECONDS: Final = 3600.0
EVERY_SECONDS_MIN: Final = 10.0
_FIRST_SECONDS: Final = 10.0
_SOONEST_SECONDS: Final = 1.0
_SPREAD: Final = 0.2
"""A tenth of the period, either way: a fleet that was switched on in one minute does not come back in one minute."""
_JOIN_SECONDS: Final = 5.0


class Update(Protocol):
    """`Device.update` with the trust that the agent was given. Raises HallmarkError, ReleaseError."""

    def __call__(self, model: str, source: ReleaseSource, /, *, progress: OnProgress) -> Installed: ...


@dataclass(slots=True)
class Follow:
    """source: URL or folder of a repository. due: by System.monotonic."""

    model: str
    source: str
    due: float = field(default=float("-inf"), init=False)
    failures: int = field(default=0, init=False)


class _Closing(SourceMissing):
    """The agent ends. As with a repository that is gone, nobody asks again, and what was fetched stays."""

    def __init__(self) -> None:
        super().__init__("the agent ends")


@dataclass(frozen=True, slots=True)
class _UntilClosing:
    """`ReleaseSource`: that below it, as long as the agent lives."""

    source: ReleaseSource
    closing: threading.Event

    def stream(self, path: str, *, start: int = 0) -> Iterator[bytes]:
        self.check()
        for portion in self.source.stream(path, start=start):
            self.check()
            yield portion

    def check(self) -> None:
        """Raises _Closing."""
        if self.closing.is_set():
            raise _Closing


class Following:
    """A context manager: the thread lives in its block. What one model fails with stops neither the others nor apps."""

    def __init__(
        self, update: Update, follows: Iterable[Follow], *, every: float = EVERY_SECONDS, system: System | None = None
    ) -> None:
        """follows: one or more. every: seconds between two looks at a model, 10 or more."""
        if every < EVERY_SECONDS_MIN:
            raise ValueError(f"a model is looked at every {EVERY_SECONDS_MIN:g} s or less often")
        self._update = update
        self._follows = tuple(follows)
        self._every = every
        self._system = system or System()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hallmark-agent-updates", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """An update ends with its next bytes. One that still waits for them is left: it changes nothing any more."""
        self._closing.set()
        self._thread.join(_JOIN_SECONDS)

    def look(self) -> float:
        """Every model that is due. Returns seconds until the next one is."""
        for follow in self._follows:
            if follow.due <= self._system.monotonic() and not self._closing.is_set():
                seconds = self._look_at(follow)
                follow.due = self._system.monotonic() + seconds
        return max(0.0, min(follow.due for follow in self._follows) - self._system.monotonic())

    def _run(self) -> None:
        while not self._closing.is_set():
            self._closing.wait(self.look())

    def _look_at(self, follow: Follow) -> float:
        """Seconds until it is due again."""
        try:
            source = _UntilClosing(open_source(follow.source), self._closing)
            installed = self._update(follow.model, source, progress=lambda _: source.check())
        except Exception as error:
            return self._every if self._closing.is_set() else self._failed(follow, error)
        if installed.is_new:
            _logger.info("%s: epoch %d was installed", follow.model, installed.artifact.version)
        elif follow.failures:
            _logger.info("%s: epoch %d is here, and is the current one", follow.model, installed.artifact.version)
        follow.failures = 0
        return self._every * (1 - _SPREAD / 2 + _SPREAD * self._system.jitter())

    def _failed(self, follow: Follow, error: Exception) -> float:
        match error:
            case HallmarkError():
                reason, why, told = error.reason, error.message, error.retry_after_seconds or 0.0
            case ReleaseError():
                reason, why, told = error.reason, str(error), 0.0
            case _:  # a fault of ours must not end the updates of the device
                reason, why, told = "FAULT", repr(error), 0.0
                _logger.error("the update of %s has failed", follow.model, exc_info=error)
        follow.failures += 1
        pause = full_jitter(
            follow.failures, first_seconds=_FIRST_SECONDS, ceiling_seconds=self._every, jitter=self._system.jitter
        )
        seconds = max(_SOONEST_SECONDS, pause, told)
        _logger.warning("%s: not updated (%s), again in %.0f s: %s", follow.model, reason, seconds, why)
        return seconds
