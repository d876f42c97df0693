"""The watcher without its thread: which way to ask, what an answer does, how long to wait. Opens nothing by itself.

    steps = core.run()
    command = next(steps)
    while True:
        command = steps.send(answer of the command)      # or steps.throw(its error)

The three ways are rungs of a ladder: a stream, polls, files over plain HTTP. A way that fails again and again is left
for the next one, and the best is tried again by and by. A way also ends when what it tells can not be believed.
"""

import dataclasses
import logging
from dataclasses import dataclass, field
from typing import Final, assert_never

from hallmark_client.errors import HallmarkError, PermissionDenied, Unavailable
from hallmark_client.permission_rpc import POLL_EVENTS
from hallmark_client.watch.acknowledging import CALL_SECONDS, Acknowledging
from hallmark_client.watch.commands import Ask, Close, Next, Open, Sleep, Steps
from hallmark_client.watch.file_plane import FilePlane
from hallmark_client.watch.following import Following, reason_of
from hallmark_client.watch.frames import (
    Feed,
    Goodbye,
    Heartbeat,
    Intent,
    Told,
    frame_of,
    poll_request,
    watch_request,
)
from hallmark_client.watch.held import Held, HeldFeed
from hallmark_client.watch.ladder import HINT_MAX_SECONDS, Ladder, Rung
from hallmark_client.watch.refused import DEVICE_REVOKED, end_device, is_end_of_device
from hallmark_client.watch.settings import WatchSettings
from hallmark_client.watch.status import Status, WatchStatus
from hallmark_client.watch.store import Store, StoreFailed
from hallmark_events.errors import EventsError, RolledBack, StateDiffers
from hallmark_events.trusted_time import Basis
from hallmark_events.verified import EventVerifier

_logger = logging.getLogger("hallmark_client.watch")

SILENT_HEARTBEATS: Final = 3
"""So many missing in a row: the stream is dead, whatever TCP thinks."""
NONCE_BYTES: Final = 32
STORED_SECONDS: Final = 300.0
"""The clock is written so often when nothing else is: what a power cut makes a device forget of the time."""
_VARIES: Final = 1.2
"""The server varies the time between heartbeats by a fifth."""


class Revoked(PermissionDenied):
    """The stream ended because this device was revoked."""


@dataclass(slots=True, kw_only=True)
class Core:
    """One watcher. `parent`: tenants/{tenant}. has_files: whether there is an address for Fetch."""

    parent: str
    settings: WatchSettings
    store: Store
    has_files: bool
    held: Held = field(init=False)
    ladder: Ladder = field(init=False)
    trouble: str = ""
    is_live: bool = False
    is_off: bool = True
    _following: Following = field(init=False)
    _files: FilePlane = field(init=False)
    _acks: Acknowledging = field(init=False)
    _stored_at: float | None = None
    _has_asked: bool = False

    def __post_init__(self) -> None:
        """Reads the store: what was held is useful at once. Raises StoreFailed."""
        stored = self.store.load(self.parent)
        feeds = {feed: HeldFeed(feed=feed) for feed in self.settings.feeds}
        for feed, held in feeds.items():
            if feed in stored.places:
                held.state, held.place = stored.states[feed], stored.places[feed]
        pending = {(one.feed, one.jti): one for one in stored.pending}
        self.held = Held(
            feeds=feeds,
            device=None if self.settings.device is None else f"{self.parent}/devices/{self.settings.device}",
            clock=stored.clock,
            lists=stored.lists,
            pending=pending,
            stored_pending=set(pending),
            acks=dict.fromkeys(stored.acks, True),
        )
        settings = self.settings
        verifier = EventVerifier(
            trusted_keys=settings.trusted_keys,
            log_policy=settings.log_policy,
            issuer=settings.issuer,
            parent=self.parent,
        )
        self._following = Following(
            held=self.held, store=self.store, settings=settings, verifier=verifier, parent=self.parent
        )
        self._acks = Acknowledging(self.held, self._following)
        has_files = self.has_files and Feed.GLOBAL in settings.feeds
        self._files = FilePlane(self.held, self._following, self.parent.removeprefix("tenants/"))
        worst = Rung.FILES if has_files else max(Rung.POLL, settings.begin_with)
        self.ladder = Ladder(best=settings.begin_with, worst=worst, jitter=settings.system.jitter)

    def run(self) -> Steps[None]:
        """For ever. Raises StoreFailed: then nothing is safe to go on with."""
        self.is_off = False
        while True:
            seconds = yield from self.once()
            yield Sleep(seconds)

    def once(self) -> Steps[float]:
        """One stream to its end, one question, or one look at the files. Returns seconds to wait before the next."""
        system = self.settings.system
        rung = self.ladder.choose(system.monotonic())
        began = system.monotonic()
        try:
            yield from self._following.tell()
            match rung:
                case Rung.STREAM if self._asks_first():
                    yield from self._poll()
                    seconds = 0.0
                case Rung.STREAM:
                    seconds = yield from self._stream()
                case Rung.POLL:
                    seconds = yield from self._poll()
                case Rung.FILES:
                    seconds = yield from self._look()
                case _:
                    assert_never(rung)
        except StoreFailed:
            self._interrupted("WATCH_STORE")
            self.is_off = True
            raise
        except Exception as error:  # of the way, of what was told, or of a callback: try again
            seconds = self._failed(error, rung, system.monotonic() - began)
        yield Close()
        yield from self._store_clock()
        return min(seconds, self.ladder.until_climb(system.monotonic()))

    def status(self) -> WatchStatus:
        now = self.held.clock.trusted.at(self.settings.clock.read())
        fresh_at = self.held.clock.trusted.fresh_at
        is_fresh = fresh_at is not None and now.time - fresh_at <= self.settings.stale_after
        reasons = [self.trouble] if self.trouble else []
        if not self.held.is_ready:
            reasons.append("NEVER_WHOLE")
        if now.basis is Basis.UNKNOWN and fresh_at is not None:
            reasons.append("CLOCK_UNKNOWN")
            is_fresh = False
        if self.is_off:
            status = Status.OFF
        elif not self.held.is_ready or not is_fresh:
            status = Status.STALE
        else:
            status = Status.VALID if self.is_live else Status.INTERRUPTED
        return WatchStatus(
            status=status,
            reasons=tuple(reasons),
            rung=self.ladder.rung.name.lower(),
            is_ready=self.held.is_ready,
            fresh_at=fresh_at,
        )

    def _stream(self) -> Steps[float]:
        system, interval = self.settings.system, self.settings.heartbeat.total_seconds()
        nonce = system.random_bytes(NONCE_BYTES)
        self._begin_again()
        yield Open(watch_request(self.parent, self._starts(), nonce, self.settings.heartbeat))
        patience = SILENT_HEARTBEATS * _VARIES * interval
        until = system.monotonic() + patience
        while True:
            wire = yield Next(max(0.0, until - system.monotonic()))
            if wire is None:
                raise Unavailable("STREAM_ENDED", "the server ended the stream")
            frame = frame_of(wire)
            if frame is None:
                continue
            goodbye = yield from self._following.frame(frame, nonce)
            if goodbye is not None:
                return self._after_goodbye(goodbye)
            if isinstance(frame, Heartbeat):
                until = system.monotonic() + patience
                yield from self._alive()
                yield from self._acks.send()
            elif any(feed.state.is_transferring for feed in self.held.feeds.values()):
                until = system.monotonic() + patience  # a long transfer, and it goes on
                self.is_live = False
            elif not any(feed.urgent for feed in self.held.feeds.values()):
                yield from self._acks.send()

    def _poll(self) -> Steps[float]:
        """Pages until there is no more."""
        self._begin_again()
        more, has_beat, self._following.is_current = True, False, False
        while more:
            nonce = self.settings.system.random_bytes(NONCE_BYTES)
            acks, errors = self._acks.waiting()
            request = poll_request(
                self.parent,
                self._starts(),
                nonce,
                max_events=self.settings.max_events,
                ack=acks,
                set_errs=errors,
                return_immediately=not (self.settings.wait_in_poll and self.is_live and not acks),
            )
            response = yield Ask(POLL_EVENTS, request, CALL_SECONDS)
            self._acks.done(acks, errors)
            for wire in response.sets:
                frame = frame_of(wire)
                if frame is None:
                    continue
                yield from self._following.frame(frame, nonce)
                has_beat = has_beat or isinstance(frame, Heartbeat)
                if isinstance(frame, Intent | Told):
                    self.held.feeds[frame.feed].page = frame.cursor
            more = response.more_available
            if more and not response.sets:
                raise Unavailable("POLL_EMPTY", "the server promises more and tells nothing")
        if not has_beat or self._following.beats_behind:
            raise Unavailable("SILENT", "the answer has no heartbeat, or one that speaks of more: it proves nothing")
        yield from self._alive()
        yield from self._acks.send()
        self.ladder.succeeded()
        return self.settings.varied(self.settings.poll_every)

    def _look(self) -> Steps[float]:
        yield from self._files.look()
        yield from self._alive()
        self.ladder.succeeded()
        return self.settings.varied(self.settings.files_every)

    def _alive(self) -> Steps[None]:
        self.is_live = self.held.is_ready and self._following.is_current
        if self.is_live:
            self.trouble = ""
        yield from self._store_clock()

    def _store_clock(self) -> Steps[None]:
        now = self.settings.system.monotonic()
        if self._stored_at is None or now - self._stored_at >= STORED_SECONDS:
            self._stored_at = now
            ticked = self.held.clock.trusted.ticked(self.settings.clock.read())
            self.held.clock = dataclasses.replace(self.held.clock, trusted=ticked)
            yield from self._following.write(self.held.everything_done())

    def _asks_first(self) -> bool:
        """A new device, or one after a reboot, does not wait for the first heartbeat to know that it may go on."""
        is_first, self._has_asked = not self._has_asked, True
        clocks = self.settings.clock.read()
        return is_first and self.held.clock.trusted.at(clocks).basis is not Basis.BOOT_CLOCK

    def _starts(self) -> dict[Feed, tuple[str, bytes]]:
        return {feed: held.start() for feed, held in self.held.feeds.items()}

    def _begin_again(self) -> None:
        for feed in self.held.feeds.values():
            feed.page = None

    def _after_goodbye(self, goodbye: Goodbye) -> float:
        if goodbye.reason == "revoked":
            raise Revoked(DEVICE_REVOKED, "this device was revoked")
        self._interrupted(f"GOODBYE_{goodbye.reason.upper()[:40]}")
        self.ladder.succeeded()
        shortest, longest = goodbye.retry_after_min.total_seconds(), goodbye.retry_after_max.total_seconds()
        wait = shortest + max(0.0, longest - shortest) * self.settings.system.jitter()
        return min(max(0.0, wait), HINT_MAX_SECONDS)

    def _failed(self, error: Exception, rung: Rung, lived: float) -> float:
        is_held_back = self._following.beats_behind > 0
        if rung is Rung.STREAM and lived >= 2 * self.settings.heartbeat.total_seconds() and not is_held_back:
            self.ladder.succeeded()  # it held for a while: a loss, not a way that does not work
        self._interrupted(reason_of(error))
        if isinstance(error, StateDiffers | RolledBack):
            _logger.warning("what the server told can not be true of this device's state: %s", error)
        elif isinstance(error, HallmarkError | EventsError):
            _logger.info("watch interrupted, resuming: %s", error)
        else:
            _logger.error("on_change failed, it is told again: %r", error, exc_info=error)
        seconds = self.ladder.failed(error, self.settings.system.monotonic())
        has_news = is_end_of_device(error) and end_device(self.held)
        return 0.0 if has_news else seconds  # the next round begins with telling it

    def _interrupted(self, reason: str) -> None:
        self.is_live = self._following.is_current = False
        self.trouble = reason
