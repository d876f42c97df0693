"""What a frame does: verify, apply, write, tell. The rules of both feeds, for the stream and for polls alike.

A restriction counts at once: it is applied, written and told before its bookmark. What widens is applied when its proof
holds, and written at the bookmark. A bookmark is written after the callbacks of all changes before it have returned.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Final, assert_never

from hallmark_client.errors import Unavailable
from hallmark_client.watch.changes import Change, change_of, end_of, is_restrictive
from hallmark_client.watch.commands import Do, Steps, Tell
from hallmark_client.watch.frames import (
    ACKNOWLEDGEMENTS_MAX,
    Bookmark,
    Feed,
    Frame,
    Goodbye,
    Heartbeat,
    Intent,
    Told,
    Transfer,
)
from hallmark_client.watch.held import Held, HeldFeed, Place, Writing
from hallmark_client.watch.settings import WatchSettings
from hallmark_client.watch.signed_places import SignedPlaces
from hallmark_client.watch.store import Store
from hallmark_events.errors import (
    EventInvalid,
    EventsError,
    ProofInvalid,
    ProofMissing,
    SignatureInvalid,
    StateDiffers,
)
from hallmark_events.event_set import EventSet
from hallmark_events.heartbeat import VerifiedHeartbeat
from hallmark_events.outcome import Applied
from hallmark_events.state_entry import Entry, entry_of
from hallmark_events.verified import EventVerifier

_DESCRIPTION_MAX: Final = 500
UNBELIEVED_MAX: Final = 10_000
"""Events of one feed that lack their proof. They are remembered before anybody trusted has signed them."""
BEHIND_MAX: Final = 3
"""Heartbeats in a row that speak of more than came: then somebody holds it back."""
_LATE: Final = 3
"""A heartbeat that is so many intervals behind the time that is proven already was held back on its way."""


@dataclass(slots=True, kw_only=True)
class Following:
    """Applies frames to what is held. `parent`: tenants/{tenant}."""

    held: Held
    store: Store
    settings: WatchSettings
    verifier: EventVerifier
    parent: str
    refused: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By jti, what could not be verified, for AcknowledgeEvents: code and description (RFC 8936, section 2.6)."""

    is_current: bool = False
    """The last heartbeat said so, or the last manifest."""
    places: SignedPlaces = field(init=False)
    beats_behind: int = 0
    """Heartbeats in a row, with nothing between them, that spoke of more than came."""

    def __post_init__(self) -> None:
        self.places = SignedPlaces(self.held)

    def frame(self, frame: Frame, nonce: bytes) -> Steps[Goodbye | None]:
        """One frame. Raises EventsError when what follows can not be believed: ask again."""
        if not isinstance(frame, Heartbeat):
            self.beats_behind = 0
        match frame:
            case Intent():
                self._intent(frame)
            case Told():
                yield from self._told(frame)
            case Bookmark():
                yield from self._bookmark(frame)
            case Heartbeat():
                yield from self._heartbeat(frame, nonce)
            case Goodbye():
                return frame
            case _:
                assert_never(frame)
        return None

    def tell(self, changes: Sequence[Change] = ()) -> Steps[None]:
        """These, after what was not told to its end before. When a callback raises, the rest stays pending."""
        held = self.held
        held.pending.update({(change.feed, change.jti): change for change in changes})
        for key, change in list(held.pending.items()):
            if is_restrictive(change) and key not in held.stored_pending:
                yield from self.write(held.early(held.feeds[change.feed], change))
            yield Tell(change)
            held.pending.pop(key, None)

    def write(self, writing: Writing) -> Steps[None]:
        if writing != Writing():
            yield Do(partial(self.store.save, writing))

    def _feed(self, feed: Feed) -> HeldFeed:
        held = self.held.feeds.get(feed)
        if held is None:
            raise EventInvalid(f"the server tells of the feed {feed}, which was not asked for")
        return held

    def _intent(self, frame: Intent) -> None:
        feed = self._feed(frame.feed)
        self.places.bind(feed, frame.epoch)
        if frame.transfer is Transfer.FULL:
            feed.transfer, feed.urgent = {}, {}
            feed.state.begin_full(frame.epoch)
            feed.must_begin = False
            return
        try:
            feed.state.go_on(frame.epoch)
        except StateDiffers:
            feed.must_begin = True
            raise

    def _told(self, frame: Told) -> Steps[None]:
        feed = self._feed(frame.feed)
        event = EventSet.parse(frame.data)
        entry, before = entry_of(event), feed.state.get(event.subject)
        if feed.state.is_transferring:
            feed.transfer[event.subject] = event.jti
        if before != entry and not (yield from self._is_believed(feed, event, frame, before)):
            return
        feed.unbelieved.pop(event.subject, None)
        outcome = feed.state.apply(event)
        if isinstance(outcome, Applied):
            feed.dirty.add(event.subject)
            yield from self.tell([change_of(frame.feed, event.subject, before, entry)])
        if frame.urgent and frame.feed is Feed.DEVICE:
            feed.urgent[event.jti] = None

    def _is_believed(self, feed: HeldFeed, event: EventSet, frame: Told, before: Entry | None) -> Steps[bool]:
        """Raises EventsError for what nobody trusted has said. Not believed is what lacks its proof: others go on."""
        status = None if before is None else before.status
        try:
            yield Do(partial(self.verifier.verify_event, event, frame.evidence, before=status))
        except (ProofMissing, ProofInvalid) as error:
            self._refuse(event, "authentication_failed", error)
            if len(feed.unbelieved) >= UNBELIEVED_MAX:
                raise
            feed.unbelieved[event.subject] = event.jti
            return False
        except (EventInvalid, SignatureInvalid) as error:
            code = "invalid_request" if isinstance(error, EventInvalid) else "invalid_key"
            self._refuse(event, code, error)
            raise
        # Before anybody is told of it: what begins with it has begun.
        trusted = self.held.clock.trusted.told(event.event_time, self.settings.clock.read())
        self.held.clock = dataclasses.replace(self.held.clock, trusted=trusted)
        return True

    def _refuse(self, event: EventSet, code: str, error: EventsError) -> None:
        if len(self.refused) < ACKNOWLEDGEMENTS_MAX:
            # One printable line: the server takes nothing else.
            words = "".join(letter if letter.isprintable() else " " for letter in str(error))
            self.refused[event.jti] = (code, words[:_DESCRIPTION_MAX])

    def _bookmark(self, frame: Bookmark) -> Steps[None]:
        feed = self._feed(frame.feed)
        try:
            changes = self._commit(feed, frame) if feed.state.is_transferring else self._checked(feed, frame)
        except StateDiffers:
            feed.must_begin = True
            raise
        yield from self.tell(changes)
        state = feed.state
        # What was counted is not counted again: a large feed takes its time.
        digest = state.digest() if feed.unbelieved else frame.digest
        place = Place(state.epoch, state.sequence, frame.cursor, digest, frame.digest)
        for jti in feed.urgent:
            self.held.acks.setdefault(jti, False)
        feed.page, feed.urgent = None, {}
        if place != feed.place or feed.dirty or not all(self.held.acks.values()):
            yield from self.write(self.held.at_bookmark(feed, place))

    def _checked(self, feed: HeldFeed, frame: Bookmark) -> list[Change]:
        if frame.digest != feed.told_digest():
            raise StateDiffers("an event was missed")
        feed.state.bookmark(sequence=frame.sequence)
        return []

    def _commit(self, feed: HeldFeed, frame: Bookmark) -> list[Change]:
        """A full transfer takes effect: what changes is told, also where only the event is another one."""
        told, feed.transfer = feed.transfer, {}
        feed.unbelieved = {subject: jti for subject, jti in feed.unbelieved.items() if told.get(subject) == jti}
        mirror, kept, before = dict(feed.state.mirror), dict(feed.state.kept), feed.entries()
        # Counted here: the state knows only what it was given, and what lacks its proof it was not given.
        digest = None if feed.unbelieved else frame.digest
        feed.state.commit_full(sequence=frame.sequence, digest=digest)
        state = feed.state
        for old, new in ((mirror, state.mirror), (kept, state.kept)):
            feed.dirty |= {subject for subject in old.keys() | new.keys() if old.get(subject) != new.get(subject)}
        if feed.unbelieved and feed.told_digest() != frame.digest:
            raise StateDiffers("the full transfer is not all that its bookmark counts")
        return differences(feed.feed, before, feed.entries())

    def _heartbeat(self, frame: Heartbeat, nonce: bytes) -> Steps[None]:
        verify = partial(self.verifier.verify_heartbeat, frame.evidence, nonce=nonce, parent=self.parent)
        fact: VerifiedHeartbeat = yield Do(verify)
        clocks = self.settings.clock.read()
        trusted = self.held.clock.trusted
        if fact.server_time + _LATE * self.settings.heartbeat < trusted.at(clocks).proven - timedelta(seconds=1):
            raise Unavailable("SILENT", "the heartbeat was held back on its way")
        if self.places.note_all(fact.feeds):
            yield from self.write(Writing(clock=self.held.clock))
        self.is_current = self._is_current(fact)
        if self.is_current:
            heard_at = max(fact.server_time, self.held.clock.heard_at or fact.server_time)
            self.held.clock = dataclasses.replace(
                self.held.clock, trusted=trusted.heard(fact.server_time, clocks), heard_at=heard_at
            )
        else:
            # The time is proved; that nothing is missing is not.
            heard = dataclasses.replace(trusted.heard(fact.server_time, clocks), fresh_at=trusted.fresh_at)
            self.held.clock = dataclasses.replace(self.held.clock, trusted=heard)

    def _is_current(self, fact: VerifiedHeartbeat) -> bool:
        """Whether each feed is where the server says it ends. Raises StateDiffers, Unavailable."""
        current, is_behind = True, False
        for feed in self.held.feeds.values():
            head, place = fact.feeds.get(feed.feed.value), feed.place
            if head is None or place is None or feed.state.is_transferring:
                current = False
            elif head.epoch != place.epoch:
                feed.must_begin = True
                raise StateDiffers("the server speaks of another history")
            elif head.sequence > place.sequence:
                current, is_behind = False, True
            elif head.sequence == place.sequence and head.state_digest != place.told:
                feed.must_begin = True
                raise StateDiffers("the server holds another state than this device")
            elif head.sequence < place.sequence or feed.unbelieved or not place.is_whole:
                current = False
        self.beats_behind = self.beats_behind + 1 if is_behind else 0
        if self.beats_behind >= BEHIND_MAX:
            raise Unavailable("HELD_BACK", "the service speaks of events that do not come: another way may have them")
        return current


def differences(feed: Feed, before: dict[str, Entry], after: dict[str, Entry]) -> list[Change]:
    """By subject. The same event is no change."""
    found: list[Change] = []
    for subject in sorted(before.keys() | after.keys()):
        old, new = before.get(subject), after.get(subject)
        if new is not None and (old is None or old.jti != new.jti):
            found.append(change_of(feed, subject, old, new))
        elif new is None and old is not None:
            found.append(end_of(feed, subject, old))
    return found


def reason_of(error: Exception) -> str:
    """One word for people and programs: of a HallmarkError its reason, of an EventsError its class."""
    if isinstance(error, EventsError):
        name = type(error).__name__
        return "".join(f"_{letter}" if letter.isupper() else letter.upper() for letter in name).lstrip("_")
    return str(getattr(error, "reason", type(error).__name__.upper()))
