"""Backends that sign and back offices that watch, through the balancer, while a replica is killed."""

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kms.cli.demo.stage import KEY_ID, DemoFailed, hold

if TYPE_CHECKING:
    from hallmark_client.client import Client
    from hallmark_client.model.log import LogPromise
    from hallmark_client.model.signed import TrustedKeys

_PATIENCE_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True)
class Signed:
    """One acknowledged signature: when it was asked for and answered (time.monotonic), and what the log promised."""

    asked: float
    answered: float
    promise: "LogPromise"


class SteadyBackend:
    """Signs one message after the other, and keeps the promises it was given. A failure would be the caller's to see:
    the client library asks again, within its deadline, with the same request_id.
    """

    def __init__(self, client: "Client", *, number: int) -> None:
        self._client = client
        self._number = number
        self._stop = threading.Event()
        self.signed: list[Signed] = []
        self.failures: list[Exception] = []
        self._thread = threading.Thread(target=self._sign, name=f"demo-backend-{number}", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Lets the call at hand end."""
        self._stop.set()
        self._thread.join(_PATIENCE_SECONDS)
        hold(not self._thread.is_alive(), "a backend's call did not come back")
        self._client.close()

    def _sign(self) -> None:
        while not self._stop.is_set():
            asked = time.monotonic()
            message = f"backend {self._number}, message {len(self.signed)}".encode()
            try:
                promise = self._client.signing.sign(KEY_ID, message).log
            except Exception as error:  # counted, and told with what was found
                self.failures.append(error)
                time.sleep(_LOOK_SECONDS)
            else:
                self.signed.append(Signed(asked, time.monotonic(), promise))


class Follower:
    """A back office that follows revocations over a connection of its own, and believes only what is signed."""

    def __init__(self, client: "Client", trusted: "TrustedKeys") -> None:
        self._client = client
        self._trusted = trusted
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._error: Exception | None = None
        self.heard: dict[str, list[float]] = {}
        """Names of events, and when each came (time.monotonic): once each, or something is wrong."""
        self._thread = threading.Thread(target=self._follow, name="demo-follower", daemon=True)
        self._interruptions = _Interruptions(self._thread)
        self._thread.start()

    @property
    def has_moved(self) -> bool:
        """Its stream was lost at least once; the client library opened another by itself."""
        return self._interruptions.count > 0

    def wait_until_watching(self) -> None:
        hold(self._ready.wait(_PATIENCE_SECONDS), "a back office did not get to see the feed")
        self._check()

    def wait_for(self, event_name: str) -> float:
        """When it was there. Raises DemoFailed when it does not come."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while event_name not in self.heard:
            self._check()
            hold(time.monotonic() < deadline, f"{event_name} did not reach a watching back office")
            time.sleep(_LOOK_SECONDS / 10)
        return self.heard[event_name][0]

    def close(self) -> None:
        self._stop.set()
        self._client.close()
        self._thread.join(_PATIENCE_SECONDS)
        self._interruptions.remove()

    def _check(self) -> None:
        if self._error is not None:
            raise DemoFailed(f"a watch ended: {self._error}") from self._error

    def _follow(self) -> None:
        from hallmark_client.model.revocations import Event

        try:
            frames = self._client.revocations.watch(heartbeat_seconds=5, trusted_keys=self._trusted, stop=self._stop)
            for frame in frames:
                if isinstance(frame, Event):
                    self.heard.setdefault(frame.event.name, []).append(time.monotonic())
                self._ready.set()
        except Exception as error:  # handed to whoever waits
            self._error = error
            self._ready.set()


class _Interruptions(logging.Handler):
    """Counts what the client library says of lost streams, in one thread."""

    def __init__(self, thread: threading.Thread) -> None:
        super().__init__(logging.INFO)
        self._of = thread
        self._logger = logging.getLogger("hallmark_client.revocation_watch")
        self._level = self._logger.level
        self._logger.addHandler(self)
        self._logger.setLevel(logging.INFO)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += record.thread == self._of.ident

    def remove(self) -> None:
        self._logger.removeHandler(self)
