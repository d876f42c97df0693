"""The global feed of one tenant in memory: its last frames as bytes, the same objects for every reader."""

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from kms.events.frames import FrameWriter
from kms.events.handing import Handing
from kms.events.model import GLOBAL, Placed, Position, anchor_of
from kms.events.reading import Answer, Head
from kms.events.resuming import Transfer, Why

RING_EVENTS: Final = 1024
RING_BYTES: Final = 16 * 1024 * 1024
RUN_EVENTS: Final = 64
"""Handed out at once."""
PAGES_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class FullPage:
    """A page of a full transfer as frames, without its intent."""

    answer: Answer
    frames: Sequence[bytes]


@dataclass(slots=True)
class GlobalFeed:
    """`at`, `head` and `bookmark` tell one and the same end. The ring may already go further.

    `settled`: the bookmark may go out to those who have had the events before it (kms.events.following).
    """

    tenant: str
    writer: FrameWriter
    at: Position
    head: Head
    handing: Handing
    bookmark: bytes = b""
    settled: bool = True
    _first: int = 0
    _ring: deque[tuple[bytes, bytes]] = field(default_factory=deque)
    """(anchor, frame) of each event from _first on, without a gap."""
    _bytes: int = 0
    _runs: dict[int, tuple[Sequence[bytes], Position]] = field(default_factory=dict)
    """What was handed out from where, since the last change."""
    _intents: dict[tuple[Position, Transfer, Why], bytes] = field(default_factory=dict)
    _pages: OrderedDict[int, FullPage] = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        self.begin(self.at, self.head)

    @property
    def epoch(self) -> bytes:
        return self.at.epoch

    @property
    def end(self) -> int:
        """Sequence of the last event in the ring, or before it."""
        return self._first + len(self._ring) - 1

    def begin(self, at: Position, head: Head) -> None:
        """From here on, whatever was known before."""
        self._ring.clear()
        self._pages.clear()
        self._first, self._bytes = at.sequence + 1, 0
        self.mark(at, head)
        self.settled = True

    def mark(self, at: Position, head: Head) -> None:
        """The end is here now, and this is the state there."""
        self._runs.clear()
        self._intents.clear()
        self.at, self.head = at, head
        self.bookmark = self.writer.bookmark(at, head)

    def append(self, placed: Placed) -> None:
        """The next event. One that is there already is passed over."""
        if placed.sequence <= self.end:
            return
        if placed.sequence != self.end + 1:  # the ring has no gaps: slow readers go by the database
            self._ring.clear()
            self._first, self._bytes = placed.sequence, 0
        self._runs.clear()
        self.settled = False
        frame = self.writer.event(placed, placed.position(self.at))
        self._ring.append((anchor_of(placed.event.id), frame))
        self._bytes += len(frame)
        while len(self._ring) > RING_EVENTS or self._bytes > RING_BYTES:
            self._bytes -= len(self._ring.popleft()[1])
            self._first += 1

    def covers(self, sequence: int) -> bool:
        """Whether everything after `sequence` is here."""
        return sequence + 1 >= self._first

    def knows(self, position: Position) -> bool:
        """Whether the position is surely of this history, and everything after it is here."""
        if position.epoch != self.epoch or not self.covers(position.sequence):
            return False
        if position.sequence in {0, self.at.sequence}:
            return position == (self.at if position.sequence else position.beginning())
        place = position.sequence - self._first
        return 0 <= place < len(self._ring) and self._ring[place][0] == position.anchor

    def after(self, position: Position) -> tuple[Sequence[bytes], Position]:
        """The next frames, and where they lead.

        Most readers are at the same place: they are given the same list. `covers` was asked before.
        """
        self.handing.note()
        run = self._runs.get(position.sequence)
        if run is None:
            run = self._runs[position.sequence] = self._run(position)
        return run

    def _run(self, position: Position) -> tuple[Sequence[bytes], Position]:
        begin = position.sequence + 1 - self._first
        found = list(islice(self._ring, begin, begin + RUN_EVENTS))
        frames = [frame for _, frame in found]
        if found:
            position = Position(self.tenant, GLOBAL, self.epoch, position.sequence + len(found), found[-1][0])
        return frames, position

    def intent(self, position: Position, transfer: Transfer, why: Why) -> bytes:
        """Thousands come back to the same place: encoded once."""
        place = position, transfer, why
        frame = self._intents.get(place)
        if frame is None:
            frame = self._intents[place] = self.writer.intent(position, transfer, why)
        return frame

    def find_page(self, after: int, *, at_least: int) -> FullPage | None:
        """A page of a full transfer that somebody has read, when the feed ended at `at_least` or later.

        Pages of one transfer must not go back in time: a subject that has moved on to a later page would be in none.
        """
        page = self._pages.get(after)
        return page if page is not None and page.answer.end >= at_least else None

    def keep_page(self, answer: Answer) -> FullPage:
        """For those who come next."""
        after = answer.before.sequence
        page = self._pages.get(after)
        if page is not None and page.answer is answer:
            return page  # many asked together, and got one answer
        page = FullPage(answer, self.writer.answer(answer, quiet=True))
        if answer.before.epoch == self.epoch:
            self._pages[after] = page
            self._pages.move_to_end(after)
            while len(self._pages) > PAGES_MAX:
                self._pages.popitem(last=False)
        return page
