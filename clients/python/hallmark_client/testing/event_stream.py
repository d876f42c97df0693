"""WatchEvents of the fake: the frames of one stream."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from hallmark.v1 import events_pb2
from hallmark_client.testing.event_model import FakeEventFeeds, Response
from hallmark_client.testing.events import FakeEvents
from hallmark_client.testing.refusals import invalid, unreachable
from hallmark_client.testing.running import Running

Frame = events_pb2.WatchEventsResponse

_DEFAULT_HEARTBEAT_SECONDS: Final = 30.0
_ALL: Final = 10**6


@dataclass(slots=True)
class EventStream:
    """One stream. Ends when cancelled or drained, breaks when the fake is stopped or its history replaced."""

    running: Running
    events: FakeEvents
    request: events_pb2.WatchEventsRequest
    is_cancelled: Callable[[], bool]
    _names: dict[events_pb2.Feed, str] = field(init=False)
    _feeds: FakeEventFeeds = field(init=False)
    _positions: dict[events_pb2.Feed, int] = field(default_factory=dict)
    _generation: int = field(init=False)
    _beat_at: float = field(init=False)

    def frames(self, caller: str) -> Iterator[Frame]:
        """What is asked for, then live events, bookmarks and heartbeats."""
        interval = self._interval_seconds()
        with self.running.condition:
            self.events.state.check_parent(self.request.parent)
            self.events.caller = caller
            self._names = self.events.names_of(self.request.feeds)
            self._feeds, self._generation = self.events.feeds, self.running.generation
            frames = self._opening()
        yield from frames
        self._beat_at = time.monotonic() + interval
        while True:
            with self.running.condition:
                self._wait()
                if self.is_cancelled():
                    return
                self._check_same()
                frames = self._news() or [self._goodbye() or self._heartbeat(interval)]
            yield from frames
            if frames[-1].HasField("goodbye"):
                return

    def _opening(self) -> list[Frame]:
        frames: list[Frame] = []
        for start in self.request.feeds:
            answer = self._feeds.answer(start, self._names[start.feed], _ALL, pages=False)
            self._positions[start.feed] = answer.position
            frames += answer.frames
        return frames

    def _wait(self) -> None:
        """Until there is something to say."""
        while not (
            self.is_cancelled()
            or self.running.generation != self._generation
            or self.events.feeds is not self._feeds
            or self.running.goodbye_wait_seconds is not None
            or time.monotonic() >= self._beat_at
            or any(self._feeds.feed(name).sequence > self._positions[kind] for kind, name in self._names.items())
        ):
            self.running.condition.wait(max(0.0, self._beat_at - time.monotonic()))

    def _check_same(self) -> None:
        if self.running.generation != self._generation or self.events.feeds is not self._feeds:
            raise unreachable()

    def _news(self) -> list[Frame]:
        frames: list[Frame] = []
        for kind, name in self._names.items():
            if self._feeds.feed(name).sequence > self._positions[kind]:
                answer = self._feeds.live(name, kind, self._positions[kind])
                self._positions[kind] = answer.position
                frames += answer.frames
        return frames

    def _heartbeat(self, interval: float) -> Frame:
        self._beat_at = time.monotonic() + interval
        return self.events.heartbeat(self._names, self.request.nonce, interval)

    def _goodbye(self) -> Frame | None:
        wait = self.running.goodbye_wait_seconds
        if wait is None:
            return None
        goodbye = Response.Goodbye(reason="draining")
        goodbye.retry_after_min.FromTimedelta(timedelta(seconds=wait[0]))
        goodbye.retry_after_max.FromTimedelta(timedelta(seconds=wait[1]))
        return Response(goodbye=goodbye)

    def _interval_seconds(self) -> float:
        if self.request.nonce and not 16 <= len(self.request.nonce) <= 64:
            raise invalid("nonce", "must have 16 to 64 random bytes, or be left out")
        if not self.request.HasField("heartbeat_interval"):
            return _DEFAULT_HEARTBEAT_SECONDS
        seconds = self.request.heartbeat_interval.ToTimedelta().total_seconds()
        if not 1 <= seconds <= 300:
            raise invalid("heartbeat_interval", "must be 1 to 300 seconds")
        return seconds
