"""One tenant in the hub: its global feed in memory, and who listens to what.

The bookmark after live events is put off until no event has come for a while. It is a message of its own, which costs
each stream as much as an event does: sent at once it would stand in the way of the next event, and of the last devices
that the first one has yet to reach. Readers apply an event when it comes; the bookmark says that this was all.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from kms.events.global_feed import GlobalFeed
from kms.events.model import Position
from kms.events.news import Ends, News
from kms.events.subscriber import Subscriber

QUIET_SECONDS: Final = 1.0
"""Without an event, after which bookmarks go out."""
_QUIET_LATEST: Final = 5
"""At most so many times as long after the first event: there may always be a next one."""
_SLICE: Final = 250
_SLICE_SECONDS: Final = 0.02
"""Bookmarks go out to some streams at a time: an event that comes then waits for one slice, not for ten thousand."""


@dataclass(slots=True)
class Followed:
    """`outbox`: up to here the news were routed. `marked`: the mark of the global feed tells the end of what it has."""

    outbox: Position
    feed: GlobalFeed
    everybody: set[Subscriber] = field(default_factory=set)
    devices: dict[str, list[Subscriber]] = field(default_factory=dict)
    marked: bool = True
    idle_since: float | None = None
    quiet_seconds: float = QUIET_SECONDS
    _latest: float | None = None
    _timer: asyncio.TimerHandle | None = None

    @property
    def is_idle(self) -> bool:
        return not (self.everybody or self.devices)

    def add(self, subscriber: Subscriber) -> None:
        if subscriber.feeds is not None:
            self.everybody.add(subscriber)
        if subscriber.device is not None:
            self.devices.setdefault(subscriber.device.start.feed, []).append(subscriber)

    def remove(self, subscriber: Subscriber) -> None:
        self.everybody.discard(subscriber)
        if subscriber.device is not None:
            name = subscriber.device.start.feed
            left = [each for each in self.devices.get(name, ()) if each is not subscriber]
            if left:
                self.devices[name] = left
            else:
                self.devices.pop(name, None)

    def route(self, news: News) -> None:
        """Wakes those whom it concerns, and nobody else: when a device is woken tells nothing about others."""
        for name in news.grown:
            for subscriber in self.devices.get(name, ()):
                subscriber.grow()
        if news.everybody:
            self.feed.handing.tell()
        for placed in news.everybody:
            self.feed.append(placed)
        self.outbox = news.outbox
        if news.ends is not None:
            self.marked = True
            self._mark(news.ends)
        elif news.everybody:
            self.marked = False

    def begin(self, ends: Ends) -> None:
        """Anew: what was known may be of a history that was replaced."""
        self.outbox, self.marked = ends.outbox, True
        self.feed.begin(ends.at, ends.head)
        for subscriber in self.everybody:
            subscriber.wake()
        for those in self.devices.values():
            for subscriber in those:
                subscriber.grow()

    def wake_all(self) -> None:
        for subscriber in self.everybody:
            subscriber.wake()
        for those in self.devices.values():
            for subscriber in those:
                subscriber.wake()

    def _mark(self, ends: Ends) -> None:
        if self.feed.end == ends.at.sequence:
            self.feed.mark(ends.at, ends.head)
            self._put_bookmarks_off()
        else:
            self.feed.begin(ends.at, ends.head)
        for subscriber in self.everybody:
            subscriber.wake()

    def _put_bookmarks_off(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        if self._timer is not None:
            self._timer.cancel()
        if self._latest is None:
            self._latest = now + _QUIET_LATEST * self.quiet_seconds
        self._timer = loop.call_at(min(now + self.quiet_seconds, self._latest), self._settle)

    def _settle(self) -> None:
        self.feed.handing.tell()
        self.feed.settled, self._latest = True, None
        self._let_bookmarks_go(iter(list(self.everybody)))

    def _let_bookmarks_go(self, waiting: Iterator[Subscriber]) -> None:
        some = list(islice(waiting, _SLICE))
        for subscriber in some:
            subscriber.wake()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(_SLICE_SECONDS, self._let_bookmarks_go, waiting) if some else None
