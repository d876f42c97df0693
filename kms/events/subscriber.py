"""A stream as the hub knows it: where it stands in its feeds, and one future to wake it. It has no queue of its own."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from kms.core.names import ChildName
from kms.events.frames import FrameWriter
from kms.events.global_feed import FullPage, GlobalFeed
from kms.events.model import GLOBAL, Position, Status
from kms.events.reading import Answer, Head, Question
from kms.events.resuming import Start, Transfer, Why

PAGE_EVENTS: Final = 64
"""Read or handed over at once: about 300 KiB."""

Ask: TypeAlias = Callable[[Question], Awaitable[Answer]]
Note: TypeAlias = Callable[[ChildName, Sequence[str]], None]


class Reader(Protocol):
    """One feed of one stream."""

    @property
    def has_more(self) -> bool:
        """Ask again before waiting."""

    def ready(self) -> Sequence[bytes] | None:
        """The next frames where they are in memory, none when there is nothing to send; None: await `next`."""

    async def next(self) -> Sequence[bytes]:
        """The next frames; none when there is nothing to send now. Raises what the database raises."""


@dataclass(slots=True)
class GlobalReader:
    """Reads the ring, and the database when the ring has gone past, or does not reach back so far."""

    feed: GlobalFeed
    ask: Ask
    start: Start | None
    position: Position
    full: bool = False
    paging: bool = False
    bookmarked: int = -1
    seen_end: int = 0

    @property
    def has_more(self) -> bool:
        feed, position = self.feed, self.position
        if self.paging or position.epoch != feed.epoch:
            return self.paging
        return position.sequence < feed.end or (self._may_mark and self._owes_bookmark)

    @property
    def _may_mark(self) -> bool:
        """The first bookmark is not put off: the stream is open from there on."""
        return self.feed.settled or self.bookmarked < 0

    @property
    def _owes_bookmark(self) -> bool:
        return self.position.sequence == self.feed.at.sequence != self.bookmarked

    @property
    def head(self) -> tuple[bytes, Head]:
        """(epoch, end) of the feed as the server knows it."""
        return self.feed.epoch, self.feed.head

    def ready(self) -> Sequence[bytes] | None:
        feed, position = self.feed, self.position
        if self.start is not None or self.paging or position.epoch != feed.epoch or not feed.covers(position.sequence):
            return None
        if position.sequence < feed.end:
            frames, self.position = feed.after(position)
            return frames
        return self.mark() if self._may_mark else ()

    def mark(self) -> Sequence[bytes]:
        """The bookmark that was put off, if one was: nothing that vouches for the end may overtake it."""
        if self.start is not None or self.paging or self.position.epoch != self.feed.epoch or not self._owes_bookmark:
            return ()
        self.position, self.bookmarked = self.feed.at, self.feed.at.sequence
        return (self.feed.bookmark,)

    async def next(self) -> Sequence[bytes]:
        """What `ready` does not have."""
        if self.start is not None:
            opening = await self._open(self.start)
            self.start = None
            return opening
        if self.full:
            return await self._full_page()
        if self.paging:
            return await self._changes(Start(self.feed.tenant, GLOBAL, self.position), Why.OVERRUN)
        if self.position.epoch != self.feed.epoch:
            # A later one than the hub has seen: the hub will come to it in a moment.
            return [] if self.position.epoch > self.feed.epoch else await self._begin_full(Why.CURSOR_EPOCH)
        return await self._changes(Start(self.feed.tenant, GLOBAL, self.position), Why.OVERRUN)

    async def _open(self, start: Start) -> list[bytes]:
        feed, position = self.feed, start.position
        if position is None:
            return await self._begin_full(start.why)
        at_end = position.sequence == feed.at.sequence
        if not feed.knows(position) or (at_end and start.digest not in {b"", feed.head.digest}):
            return await self._changes(start, Why.NOTHING)
        self.start, self.position = None, position
        transfer = Transfer.NONE if at_end and feed.end == position.sequence else Transfer.CHANGES
        return [feed.intent(position, transfer, Why.NOTHING), *(self.ready() or ())]

    async def _begin_full(self, why: Why) -> list[bytes]:
        page = self.feed.find_page(0, at_least=0)
        if page is None:
            answer = await self.ask(Question(Start(self.feed.tenant, GLOBAL), PAGE_EVENTS))
            page = self.feed.keep_page(answer)
        return [self.feed.intent(page.answer.before, Transfer.FULL, why), *self._take(page)]

    async def _full_page(self) -> Sequence[bytes]:
        page = None
        if self.position.epoch == self.feed.epoch:
            page = self.feed.find_page(self.position.sequence, at_least=self.seen_end)
        if page is None:
            start = Start(self.feed.tenant, GLOBAL, self.position, amid_full=True)
            page = self.feed.keep_page(await self.ask(Question(start, PAGE_EVENTS)))
        if not page.answer.goes_on:
            return [self.feed.writer.intent(page.answer.before, Transfer.FULL, page.answer.why), *self._take(page)]
        return self._take(page)

    async def _changes(self, start: Start, why: Why) -> list[bytes]:
        begins = not self.paging
        answer = await self.ask(Question(start, PAGE_EVENTS))
        page = FullPage(answer, self.feed.writer.answer(answer, quiet=True))
        if answer.transfer is Transfer.FULL:
            return [self.feed.writer.intent(answer.before, Transfer.FULL, answer.why), *self._take(page)]
        if begins:
            return [self.feed.writer.intent(answer.before, answer.transfer, why), *self._take(page)]
        return list(self._take(page))

    def _take(self, page: FullPage) -> Sequence[bytes]:
        answer = page.answer
        self.position, self.seen_end = answer.after, answer.end
        self.paging = answer.head is None
        self.full = self.paging and answer.transfer is Transfer.FULL
        if answer.head is not None:
            self.bookmarked = answer.head.sequence
        return page.frames


@dataclass(slots=True)
class DeviceReader:
    """Reads its device's own feed from the database, when the hub says that it has grown."""

    device: ChildName
    writer: FrameWriter
    ask: Ask
    note: Note
    start: Start
    grown: bool = True
    opened: bool = False
    revoked: bool = False
    known: tuple[bytes, Head] | None = None

    @property
    def head(self) -> tuple[bytes, Head] | None:
        """(epoch, end) of the feed as the server knows it; None while it is known to have grown beyond that."""
        return None if self.grown else self.known

    @property
    def has_more(self) -> bool:
        return self.grown

    @property
    def is_finished(self) -> bool:
        """The device is revoked, and was told all there is."""
        return self.revoked and not self.grown

    def ready(self) -> Sequence[bytes] | None:
        return None if self.grown else ()

    async def next(self) -> Sequence[bytes]:
        self.grown = False
        try:
            answer = await self.ask(Question(self.start, PAGE_EVENTS))
        except BaseException:
            self.grown = True
            raise
        self.start = Start(self.start.tenant, self.start.feed, answer.after, amid_full=_goes_on(answer))
        frames = self._frames(answer)
        self.opened = True
        if answer.head is None:
            self.grown = True
        else:
            self.known = answer.after.epoch, answer.head
        self.revoked = self.revoked or any(
            each.event.subject == str(self.device) and each.event.status is Status.INVALID for each in answer.events
        )
        if answer.events:
            self.note(self.device, [each.event.id for each in answer.events])
        return frames

    def _frames(self, answer: Answer) -> Sequence[bytes]:
        if self.opened and answer.transfer is Transfer.NONE:
            return ()
        return self.writer.answer(answer, quiet=self.opened and answer.transfer is not Transfer.FULL)


def _goes_on(answer: Answer) -> bool:
    return answer.transfer is Transfer.FULL and answer.head is None


class Subscriber:
    """`beat`: a heartbeat to be sent. `slot`: where it stands in the wheel."""

    __slots__ = ("_ticket", "beat", "device", "feeds", "interval", "nonce", "slot", "tenant")

    def __init__(self, tenant: str, *, nonce: bytes, interval: float) -> None:
        self.tenant = tenant
        self.nonce = nonce
        self.interval = interval
        self.feeds: GlobalReader | None = None
        self.device: DeviceReader | None = None
        self.beat = b""
        self.slot = 0
        self._ticket: asyncio.Future[None] | None = None

    def readers(self) -> tuple[Reader, ...]:
        """That of the device first: what is about itself is more urgent than what is about everybody."""
        return tuple(reader for reader in (self.device, self.feeds) if reader is not None)

    def mark(self) -> Sequence[bytes]:
        """Before what vouches for the end of the feeds, and before a goodbye."""
        return () if self.feeds is None else self.feeds.mark()

    def ticket(self) -> asyncio.Future[None]:
        """Done when there may be something to send. Take it before looking."""
        if self._ticket is None or self._ticket.done():
            self._ticket = asyncio.get_running_loop().create_future()
        return self._ticket

    def grow(self) -> None:
        """The feed of its device has grown."""
        if self.device is not None:
            self.device.grown = True
        self.wake()

    def wake(self) -> None:
        if self._ticket is not None and not self._ticket.done():
            self._ticket.set_result(None)
