"""What a watcher holds: the state of both feeds, where they go on, what time it is at least, what is still to be done.

    mirror, kept   per feed and subject; hallmark_events.state
    cursor         per feed: of its last bookmark, with the digest of the state there
    pending        changes whose callback has not returned
    acks           urgent events whose effects are stored and that the server was not told of yet
    listed         statuses from status lists, by subject

`Writing` is what one transaction of the store changes. Rules that a crash tests: a cursor is written with the state it
stands for and after the callbacks of all changes before it; a restriction is written, with its pending change, before
anybody is told of it; so what is read back repeats, and allows nothing that was taken back.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from hallmark_client.watch.changes import Change
from hallmark_client.watch.frames import Feed
from hallmark_events.canonical import format_time
from hallmark_events.manifest import SeenManifest
from hallmark_events.state import FeedState, state_digest
from hallmark_events.state_entry import Entry, Kept
from hallmark_events.trusted_time import TrustedTime
from hallmark_events.types import StatusValue

SEVERITY: Final = {StatusValue.VALID: 0, StatusValue.SUSPENDED: 1, StatusValue.INVALID: 2}


@dataclass(frozen=True, slots=True)
class Row:
    """One subject of one feed: what is written of it. None: remove."""

    feed: Feed
    subject: str
    mirror: Entry | None
    kept: Kept | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a feed goes on. digest: of the mirror at the bookmark; told: of what the server told until there."""

    epoch: bytes
    sequence: int
    cursor: str
    digest: bytes
    told: bytes

    @property
    def is_whole(self) -> bool:
        """Whether all that was told until there is believed, and so held."""
        return self.digest == self.told


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """trusted: hallmark_events.trusted_time. heard_at: when the service last proved that both feeds are current.
    signed: (epoch, sequence) of each feed, the furthest that a heartbeat or a manifest was signed for.
    """

    trusted: TrustedTime = field(default_factory=TrustedTime)
    heard_at: datetime | None = None
    signed: Mapping[Feed, tuple[bytes, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lists:
    """From the last manifest. extended: leases that it lengthened, and until when."""

    seen: SeenManifest | None = None
    issued_at: datetime | None = None
    listed: Mapping[str, StatusValue] = field(default_factory=dict)
    extended: Mapping[str, datetime] = field(default_factory=dict)

    def status_of(self, subject: str, entry: Entry | None) -> StatusValue | None:
        """What the lists say, unless they only suspend and `entry`, of a feed, was told after them."""
        listed = self.listed.get(subject)
        if listed is not StatusValue.SUSPENDED or entry is None or self.issued_at is None:
            return listed
        return None if str(entry.own.get("event_time", "")) > format_time(self.issued_at) else listed


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """One transaction. None: unchanged."""

    rows: tuple[Row, ...] = ()
    places: Mapping[Feed, Place] = field(default_factory=dict)
    pending: tuple[Change, ...] = ()
    told: tuple[tuple[Feed, str], ...] = ()
    """Pending no more: feed and jti."""
    acks: tuple[str, ...] = ()
    acknowledged: tuple[str, ...] = ()
    clock: Clock | None = None
    lists: Lists | None = None


@dataclass(slots=True, kw_only=True)
class HeldFeed:
    """One feed. `place`: None before the first bookmark; then nothing of the feed is stored either."""

    feed: Feed
    state: FeedState = field(default_factory=FeedState)
    place: Place | None = None
    page: str | None = None
    """Cursor of the last page, in the middle of a poll."""
    must_begin: bool = False
    """The next question asks for everything."""
    dirty: set[str] = field(default_factory=set)
    urgent: dict[str, None] = field(default_factory=dict)
    """jti of urgent events since the last bookmark: acknowledged there."""
    unbelieved: dict[str, str] = field(default_factory=dict)
    """Subject to jti of events that were told, and are not obeyed because they came without a good proof."""
    transfer: dict[str, str] = field(default_factory=dict)
    """Subject to jti of all that the full transfer at hand has told."""

    def start(self) -> tuple[str, bytes]:
        """Cursor and digest to go on from."""
        if self.page is not None:
            return self.page, b""
        if self.place is None or self.must_begin:
            return "", b""
        return self.place.cursor, self.place.digest

    def told_digest(self) -> bytes:
        """Of the mirror, counting what was told and not believed."""
        if not self.unbelieved:
            return self.state.digest()
        newest = {subject: entry.jti for subject, entry in self.state.mirror.items()}
        return state_digest({**newest, **self.unbelieved})

    def row(self, subject: str) -> Row:
        return Row(self.feed, subject, self.state.mirror.get(subject), self.state.kept.get(subject))

    def entries(self) -> dict[str, Entry]:
        """What decides about each subject now."""
        return {**self.state.mirror, **{subject: kept.entry for subject, kept in self.state.kept.items()}}


@dataclass(slots=True, kw_only=True)
class Held:
    """All of it. Changed by the core alone; read under the watcher's lock."""

    feeds: dict[Feed, HeldFeed]
    device: str | None = None
    """Resource name of this device, where it is known."""
    clock: Clock = field(default_factory=Clock)
    lists: Lists = field(default_factory=Lists)
    pending: dict[tuple[Feed, str], Change] = field(default_factory=dict)
    stored_pending: set[tuple[Feed, str]] = field(default_factory=set)
    acks: dict[str, bool] = field(default_factory=dict)
    """jti; whether it is stored."""
    acknowledged: set[str] = field(default_factory=set)

    @property
    def is_ready(self) -> bool:
        """Each feed has been whole once."""
        return all(feed.place is not None for feed in self.feeds.values())

    def get(self, subject: str) -> Entry | None:
        """What decides about the subject: of both feeds, the harsher."""
        found = [entry for feed in self.feeds.values() if (entry := feed.state.get(subject)) is not None]
        return max(found, key=lambda entry: SEVERITY[entry.status], default=None)

    def status_of(self, subject: str) -> StatusValue | None:
        """From feeds and status lists, the harsher."""
        entry = self.get(subject)
        told = (self.lists.status_of(subject, entry), None if entry is None else entry.status)
        return max((status for status in told if status is not None), key=SEVERITY.__getitem__, default=None)

    def subjects(self) -> Iterator[tuple[Feed, str, Entry]]:
        """Sorted by feed and subject."""
        for feed in self.feeds.values():
            for subject in feed.state.subjects():
                entry = feed.state.get(subject)
                if entry is not None:
                    yield feed.feed, subject, entry

    def early(self, feed: HeldFeed, change: Change) -> Writing:
        """A restriction, before its bookmark. Empty for a feed that was never whole: nothing of it is stored yet."""
        if feed.place is None:
            return Writing()
        feed.dirty.discard(change.subject)
        self.stored_pending.add((change.feed, change.jti))
        return self._with_done(Writing(rows=(feed.row(change.subject),), pending=(change,)))

    def at_bookmark(self, feed: HeldFeed, place: Place) -> Writing:
        """Everything since the last one, in one transaction."""
        rows = tuple(feed.row(subject) for subject in sorted(feed.dirty))
        feed.dirty.clear()
        feed.place = place
        return self._with_done(Writing(rows=rows, places={feed.feed: place}, clock=self.clock))

    def everything_done(self) -> Writing:
        """What needs no bookmark: callbacks that returned, acknowledgements, the clock."""
        return self._with_done(Writing(clock=self.clock))

    def _with_done(self, writing: Writing) -> Writing:
        told = tuple(
            sorted(self.stored_pending - self.pending.keys() - {(one.feed, one.jti) for one in writing.pending})
        )
        self.stored_pending -= set(told)
        acks = tuple(jti for jti, is_stored in self.acks.items() if not is_stored)
        self.acks.update(dict.fromkeys(acks, True))
        acknowledged, self.acknowledged = tuple(sorted(self.acknowledged)), set()
        return replace(writing, told=told, acks=acks, acknowledged=acknowledged)
