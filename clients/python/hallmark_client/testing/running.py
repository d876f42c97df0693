"""Whether the fake runs, and the watches that hang on it."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from hallmark.v1 import revocation_pb2
from hallmark_client.testing.feed import FakeFeed, Frame
from hallmark_client.testing.refusals import invalid, unreachable

_DEFAULT_HEARTBEAT_SECONDS: Final = 30.0


@dataclass
class Running:
    """condition: guards everything the fake holds, and wakes watches. generation: counts the times it was stopped."""

    condition: threading.Condition = field(default_factory=lambda: threading.Condition(threading.RLock()))
    up: bool = True
    generation: int = 0
    goodbye_wait_seconds: tuple[float, float] | None = None

    def check_up(self) -> None:
        if not self.up:
            raise unreachable()


@dataclass
class Watcher:
    """One stream. Asserts that no event goes out twice in it."""

    running: Running
    feed: FakeFeed
    request: revocation_pb2.WatchRevocationsRequest
    is_cancelled: Callable[[], bool]
    _position: int = 0
    _bookmarked: int = -1
    _heartbeat_at: float = 0.0
    _sent: set[str] = field(default_factory=set)

    def frames(self) -> Iterator[Frame]:
        """Events, bookmark, then heartbeats and live events, until cancelled, drained or stopped."""
        with self.running.condition:
            self.running.check_up()
            generation = self.running.generation
            self._position = self.feed.read_cursor(self.request.cursor)
            interval = self._interval_seconds()
            self._heartbeat_at = time.monotonic() + interval
        while True:
            with self.running.condition:
                frame = self._next_frame(interval)
                while frame is None and not self.is_cancelled() and self.running.generation == generation:
                    self.running.condition.wait(max(0.0, self._heartbeat_at - time.monotonic()))
                    frame = self._next_frame(interval)
                if self.is_cancelled():
                    return
                if self.running.generation != generation:
                    raise unreachable()
            assert frame is not None
            self._assert_new(frame)
            yield frame
            if frame.WhichOneof("frame") == "goodbye":
                return

    def _next_frame(self, interval: float) -> Frame | None:
        if self._position < self.feed.newest:
            self._position += 1
            return self.feed.event_frame(self._position)
        if self._bookmarked != self._position:
            self._bookmarked = self._position
            return self.feed.bookmark_frame(self._position)
        if self.running.goodbye_wait_seconds is not None:
            return self.feed.goodbye_frame(self._position, self.running.goodbye_wait_seconds)
        if time.monotonic() >= self._heartbeat_at:
            self._heartbeat_at = time.monotonic() + interval
            return self.feed.heartbeat_frame(self._position, self.request.nonce, interval)
        return None

    def _assert_new(self, frame: Frame) -> None:
        if frame.WhichOneof("frame") == "event":
            assert frame.event.name not in self._sent, f"{frame.event.name} goes out twice in one stream"
            self._sent.add(frame.event.name)

    def _interval_seconds(self) -> float:
        if not self.request.HasField("heartbeat_interval"):
            return _DEFAULT_HEARTBEAT_SECONDS
        seconds = self.request.heartbeat_interval.ToTimedelta().total_seconds()
        if not 1 <= seconds <= 300:
            raise invalid("heartbeat_interval", "must be 1 to 300 seconds")
        if self.request.nonce and not 16 <= len(self.request.nonce) <= 64:
            raise invalid("nonce", "must have 16 to 64 random bytes, or be left out")
        return seconds
