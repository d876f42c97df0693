"""Both feeds as a server keeps them: what each says now, whole or by changes. No clock, no signatures, no threads."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from hallmark.v1 import events_pb2
from hallmark_events.canonical import canonical_json
from hallmark_events.event_set import EventSet

Response: Final = events_pb2.WatchEventsResponse
GLOBAL: Final = "global"


@dataclass(frozen=True, slots=True)
class FakeEvent:
    """As it is sent, and read."""

    wire: events_pb2.Event
    read: EventSet


@dataclass(slots=True)
class FakeEventFeed:
    """The newest event of each subject, by its place."""

    sequence: int = 0
    newest: dict[str, tuple[int, FakeEvent]] = field(default_factory=dict)

    def put(self, event: FakeEvent) -> None:
        self.sequence += 1
        self.newest[event.read.subject] = self.sequence, event

    def after(self, sequence: int) -> list[tuple[int, FakeEvent]]:
        return sorted((each for each in self.newest.values() if each[0] > sequence), key=lambda each: each[0])

    def digest(self) -> bytes:
        rows = [[subject, self.newest[subject][1].read.jti] for subject in sorted(self.newest)]
        return hashlib.sha256(canonical_json(rows)).digest()

    def copy(self) -> "FakeEventFeed":
        return FakeEventFeed(self.sequence, dict(self.newest))


@dataclass(frozen=True, slots=True)
class Answer:
    """position: where the reader stands after the frames. is_all: a bookmark ends them."""

    frames: Sequence[events_pb2.WatchEventsResponse]
    position: int
    is_all: bool


@dataclass(slots=True)
class FakeEventFeeds:
    """Feeds by name: "global", "devices/{device}". epoch: 16 bytes, greater for a later history."""

    epoch: bytes
    feeds: dict[str, FakeEventFeed] = field(default_factory=dict)

    def feed(self, name: str) -> FakeEventFeed:
        return self.feeds.setdefault(name, FakeEventFeed())

    def answer(self, start: events_pb2.FeedStart, name: str, limit: int, *, pages: bool) -> Answer:
        """By the rules of the service: everything for every doubt, nothing or what changed otherwise."""
        feed = self.feed(name)
        epoch, sequence, amid_full = self._read(start.cursor, name)
        if amid_full and pages and epoch == self.epoch:
            return self._page(name, start, sequence, limit, transfer=Response.Intent.TRANSFER_FULL, goes_on=True)
        reason = ""
        if not start.cursor:
            reason = "CURSOR_MISSING"
        elif amid_full or epoch is None:
            reason = "CURSOR_INVALID"
        elif epoch != self.epoch or sequence > feed.sequence:
            reason = "CURSOR_EPOCH"
        elif sequence == feed.sequence and start.state_digest not in {b"", feed.digest()}:
            reason = "STATE_DIFFERS"
        if reason:
            return self._page(name, start, 0, limit, transfer=Response.Intent.TRANSFER_FULL, reason=reason)
        transfer = Response.Intent.TRANSFER_NONE if sequence == feed.sequence else Response.Intent.TRANSFER_CHANGES
        return self._page(name, start, sequence, limit, transfer=transfer)

    def live(self, name: str, kind: events_pb2.Feed, sequence: int) -> Answer:
        """What came since, without an intent."""
        start = events_pb2.FeedStart(feed=kind)
        return self._page(name, start, sequence, 1000, transfer=Response.Intent.TRANSFER_CHANGES, goes_on=True)

    def cursor(self, name: str, sequence: int, *, amid_full: bool = False) -> str:
        return f"{self.epoch.hex()}.{sequence}.{'full' if amid_full else 'cursor'}.{name}"

    def _page(
        self,
        name: str,
        start: events_pb2.FeedStart,
        sequence: int,
        limit: int,
        *,
        transfer: events_pb2.WatchEventsResponse.Intent.Transfer,
        reason: str = "",
        goes_on: bool = False,
    ) -> Answer:
        """Events that take something back first; so all but the last have the cursor of the page's beginning."""
        feed = self.feed(name)
        rows = feed.after(sequence)
        page, is_all = rows[:limit], len(rows) <= limit
        end = page[-1][0] if page else sequence
        amid_full = transfer == Response.Intent.TRANSFER_FULL
        frames = []
        if not goes_on:
            intent = Response.Intent(transfer=transfer, reason=reason, epoch=self.epoch)
            frames.append(Response(feed=start.feed, intent=intent, cursor=self.cursor(name, sequence)))
        for place, (_, event) in enumerate(sorted(page, key=lambda row: (row[1].wire.priority, row[0])), 1):
            cursor = self.cursor(name, end if place == len(page) else sequence, amid_full=amid_full)
            frames.append(Response(feed=start.feed, event=event.wire, cursor=cursor))
        if is_all:
            mark = Response.Bookmark(sequence=feed.sequence, state_digest=feed.digest())
            frames.append(Response(feed=start.feed, bookmark=mark, cursor=self.cursor(name, feed.sequence)))
        return Answer(frames, feed.sequence if is_all else end, is_all)

    def _read(self, cursor: str, name: str) -> tuple[bytes | None, int, bool]:
        epoch, _, rest = cursor.partition(".")
        sequence, _, rest = rest.partition(".")
        kind, _, place = rest.partition(".")
        if place != name or not sequence.isdigit():
            return None, 0, False
        return bytes.fromhex(epoch), int(sequence), kind == "full"
