"""A back office that watches for revocations, in a thread and with an identity of its own."""

import queue
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kms.cli.demo.stage import DemoFailed
from kms.cli.watch import ServiceKeys

if TYPE_CHECKING:
    from hallmark_client.client import Client
    from hallmark_client.model.revocations import RevocationEvent

_PATIENCE_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event, verified, and when it was there (time.monotonic)."""

    event: "RevocationEvent"
    at: float


class Watcher:
    """Follows the feed until `close`. Events are verified before they count as arrived."""

    def __init__(self, client: "Client", *, service_key: str) -> None:
        """service_key: name of the key version that signs events; fetched now, and kept."""
        self._client = client
        self._trusted = ServiceKeys(client)
        self._trusted[service_key]
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._arrivals: queue.Queue[Arrival | Exception] = queue.Queue()
        self._thread = threading.Thread(target=self._follow, name="demo-watcher", daemon=True)
        self._thread.start()

    def wait_until_watching(self) -> None:
        """Until the server has sent all there was. Raises DemoFailed."""
        if not self._ready.wait(_PATIENCE_SECONDS):
            raise DemoFailed("the watching back office did not get to see the feed")

    def next(self) -> Arrival:
        """The next event. Raises DemoFailed when none comes, and what ended the watch."""
        try:
            arrival = self._arrivals.get(timeout=_PATIENCE_SECONDS)
        except queue.Empty:
            raise DemoFailed(f"no event reached the watcher within {_PATIENCE_SECONDS:.0f} seconds") from None
        if isinstance(arrival, Exception):
            raise arrival
        return arrival

    def close(self) -> int:
        """Ends the watch; gives how many events came that nobody asked for."""
        self._stop.set()
        self._client.close()
        self._thread.join(_PATIENCE_SECONDS)
        return self._arrivals.qsize()

    def _follow(self) -> None:
        from hallmark_client.model.revocations import Event

        try:
            for frame in self._client.revocations.watch(
                heartbeat_seconds=5, trusted_keys=self._trusted, stop=self._stop
            ):
                now = time.monotonic()
                if isinstance(frame, Event):
                    self._arrivals.put(Arrival(frame.event, now))
                self._ready.set()
        except Exception as error:  # handed to whoever waits for an event
            self._arrivals.put(error)
            self._ready.set()
