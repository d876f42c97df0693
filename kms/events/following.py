"""One tenant in the hub: its global feed in memory, and who listens to what."""

from dataclasses import dataclass, field

from kms.events.global_feed import GlobalFeed
from kms.events.model import Position
from kms.events.news import Ends, News
from kms.events.subscriber import Subscriber


@dataclass(slots=True)
class Followed:
    """`outbox`: up to here the news were routed. `marked`: the mark of the global feed tells the end of what it has."""

    outbox: Position
    feed: GlobalFeed
    everybody: set[Subscriber] = field(default_factory=set)
    devices: dict[str, list[Subscriber]] = field(default_factory=dict)
    marked: bool = True
    idle_since: float | None = None

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
        else:
            self.feed.begin(ends.at, ends.head)
        for subscriber in self.everybody:
            subscriber.wake()
