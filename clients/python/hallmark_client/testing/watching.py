"""A watcher's core with a virtual clock, against both feeds in memory: days in milliseconds, and everything can fail.

world = EventWorld()
device = WatchedDevice(world)
world.events.tell(ARTIFACT_REVOKED, "artifacts/...")
device.advance(5)                  # seconds; the core runs as far as it gets in them
device.reboot(rtc=timedelta(days=-3))
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from hallmark.v1 import events_pb2
from hallmark_client.errors import HallmarkError, NotFound, Unavailable
from hallmark_client.system import System
from hallmark_client.testing.event_files import FakeEventFiles
from hallmark_client.testing.event_model import FakeEventFeeds
from hallmark_client.testing.events import FakeEvents
from hallmark_client.testing.keys import SERVICE_KEYS, FakeKeys
from hallmark_client.testing.log import FakeLog
from hallmark_client.testing.refusals import unreachable
from hallmark_client.testing.state import State
from hallmark_client.watch.changes import Change
from hallmark_client.watch.clocks import DeviceClock
from hallmark_client.watch.commands import Ask, Close, Command, Do, Fetch, Next, Open, Sleep, Steps, Tell
from hallmark_client.watch.core import Core
from hallmark_client.watch.decisions import Use, use_of
from hallmark_client.watch.settings import WatchSettings
from hallmark_client.watch.store import MemoryStore, Store
from hallmark_events.trust import TrustedKeys
from hallmark_tlog.vkey import VerifierKey, parse_vkey

Frame = events_pb2.WatchEventsResponse

NAME: Final = "phone"
CALLER: Final = f"spiffe://fake/tenants/default/device/{NAME}"
_BEGINNING: Final = datetime(2026, 11, 22, tzinfo=UTC)
_ORIGIN: Final = "fake.hallmark.invalid/log"


class PowerCut(BaseException):
    """Raised by a test out of a callback or a store: the device is off, in the middle of whatever it did."""


class EventWorld:
    """The service: its clock, keys, log, feeds and files. `api` and `cdn`: whether they can be reached.

    refusal: raised by every call when set. spoil: what the network makes of the frames of a stream or an answer.
    """

    def __init__(self) -> None:
        self.now = _BEGINNING
        self._bytes = random.Random(1)  # noqa: S311 - the same numbers in every run
        self.state = State(
            tenant="default", now=lambda: self.now, random_bytes=self._bytes.randbytes, log=FakeLog(_ORIGIN)
        )
        self.keys = FakeKeys(self.state)
        self.events = FakeEvents(self.state, self.keys)
        self.events.caller = CALLER
        self.files = FakeEventFiles(self.events)
        self.api = self.cdn = True
        self.generation = 0
        self.refusal: HallmarkError | None = None
        self.unanswered: set[str] = set()
        """Methods that nobody answers, such as AcknowledgeEvents."""
        self.spoil: Callable[[list[Frame]], list[Frame]] = lambda frames: frames
        self.cached: dict[str, bytes] | None = None
        """What a cache gives instead of the files."""

    @property
    def trusted_keys(self) -> TrustedKeys:
        versions = [self.keys.version(name, None).name for name in SERVICE_KEYS]
        return {version: self.keys.pair(version).public_key for version in versions}

    @property
    def log_policy(self) -> list[VerifierKey]:
        return [parse_vkey(key) for key in self.state.log.verifier_keys]

    def seconds(self) -> float:
        return self.now.timestamp()

    def check_api(self) -> None:
        if not self.api:
            raise unreachable()
        if self.refusal is not None:
            raise self.refusal

    def fetch(self, path: str) -> bytes:
        if not self.cdn:
            raise Unavailable("FILES_UNREACHABLE", "nobody listens")
        found = self.files.files if self.cached is None else self.cached
        if path not in found:
            raise NotFound("FILE_NOT_FOUND", path)
        return found[path]


@dataclass(slots=True)
class _OpenStream:
    request: events_pb2.WatchEventsRequest
    generation: int
    feeds: FakeEventFeeds
    positions: dict[events_pb2.Feed, int]
    waiting: list[Frame]
    beat_at: datetime


@dataclass(slots=True)
class WatchedDevice:
    """One device with clocks and a store of its own. `told`: changes whose callback returned."""

    world: EventWorld
    store: Store = field(default_factory=MemoryStore)
    settings: dict[str, Any] = field(default_factory=dict)
    on_change: Callable[[Change], object] = lambda _: None
    has_files: bool = True
    told: list[Change] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """Names of the commands that went out: "stream", "poll", "ack", "fetch"."""
    jitter: float = 0.5
    booted_at: datetime = _BEGINNING
    boot: int = 0
    rtc: timedelta = timedelta()
    """How far the clock that anybody can set is ahead."""
    core: Core = field(init=False)
    _steps: Steps[None] = field(init=False)
    _command: Command | None = None
    _due: datetime | None = None
    _stream: _OpenStream | None = None

    def __post_init__(self) -> None:
        self.start()

    @property
    def clock(self) -> DeviceClock:
        return DeviceClock(
            boot_seconds=self._boot_seconds,
            boot_id=lambda: f"boot-{self.boot}",
            rtc=lambda: self.world.now + self.rtc,
        )

    def start(self) -> None:
        """As the program does, from what is stored."""
        system = System(
            monotonic=self.world.seconds,
            jitter=lambda: self.jitter,
            random_bytes=self.world.state.random_bytes,
        )
        world = self.world
        self.core = Core(
            parent=world.state.parent,
            settings=WatchSettings(
                trusted_keys=world.trusted_keys,
                log_policy=world.log_policy,
                system=system,
                clock=self.clock,
                **self.settings,
            ),
            store=self.store,
            has_files=self.has_files,
        )
        self._steps, self._command, self._stream = self.core.run(), None, None

    def _boot_seconds(self) -> float:
        return (self.world.now - self.booted_at).total_seconds()

    def crash(self) -> None:
        """The process is gone; the device goes on."""
        self.start()

    def reboot(self, *, rtc: timedelta = timedelta(), off: timedelta = timedelta(seconds=20)) -> None:
        """Off for a while; then the boot clock begins anew and the real-time clock shows what it was set to."""
        self.world.now += off
        self.booted_at, self.boot, self.rtc = self.world.now, self.boot + 1, rtc
        self.start()

    def decision(self, subject: str) -> Use:
        return use_of(self.core.held, f"{self.world.state.parent}/{subject}", self.clock.read())

    def advance(self, seconds: float) -> None:
        """Lets the core run, and time pass. A PowerCut in it restarts the program."""
        until = self.world.now + timedelta(seconds=seconds)
        try:
            while self._step(until):
                pass
        except PowerCut:
            self.crash()
        self.world.now = max(self.world.now, until)

    def _step(self, until: datetime) -> bool:
        """One command. False when it is not done before `until`; it is gone on with later."""
        if self._command is None:
            self._command, self._due = next(self._steps), None
        try:
            done, answer = self._perform(self._command, until)
        except Exception as error:
            step = partial(self._steps.throw, error)
        else:
            if not done:
                return False
            step = partial(self._steps.send, answer)
        self._command, self._due = step(), None
        return True

    def _perform(self, command: Command, until: datetime) -> tuple[bool, Any]:
        match command:
            case Open(request):
                self._open(request)
            case Next(timeout_seconds):
                return self._next(timeout_seconds, until)
            case Close():
                self._stream = None
            case Ask(rpc, request):
                self.world.check_api()
                return True, self._ask(rpc.name, request)
            case Fetch(path):
                self.asked.append("fetch")
                return True, self.world.fetch(path)
            case Sleep(seconds):
                return self._sleep(seconds, until), None
            case Tell(change):
                self.on_change(change)
                self.told.append(change)
            case Do(work):
                return True, work()
        return True, None

    def _sleep(self, seconds: float, until: datetime) -> bool:
        if self._due is None:
            self._due = self.world.now + timedelta(seconds=seconds)
            self.slept.append(seconds)
        if self._due > until:
            return False
        self.world.now = max(self.world.now, self._due)
        return True

    def _open(self, request: events_pb2.WatchEventsRequest) -> None:
        self.asked.append("stream")
        self.world.check_api()
        feeds, events = self.world.events.feeds, self.world.events
        names = events.names_of(request.feeds)
        answers = {one.feed: feeds.answer(one, names[one.feed], 10**6, pages=False) for one in request.feeds}
        frames = [frame for answer in answers.values() for frame in answer.frames]
        self._stream = _OpenStream(
            request=request,
            generation=self.world.generation,
            feeds=feeds,
            positions={kind: answer.position for kind, answer in answers.items()},
            waiting=self.world.spoil(frames),
            beat_at=self.world.now + request.heartbeat_interval.ToTimedelta(),
        )

    def _next(self, timeout_seconds: float, until: datetime) -> tuple[bool, Frame | None]:
        stream = self._stream
        assert stream is not None, "the core reads from no stream"
        self.world.check_api()
        if stream.generation != self.world.generation or stream.feeds is not self.world.events.feeds:
            raise unreachable()
        if self._due is None:
            self._due = self.world.now + timedelta(seconds=timeout_seconds)
        self._take_news(stream)
        if stream.waiting:
            return True, Frame.FromString(stream.waiting.pop(0).SerializeToString())
        if min(stream.beat_at, self._due) > until:
            return False, None
        if self._due < stream.beat_at:
            self.world.now = max(self.world.now, self._due)
            raise Unavailable("SILENT", "nothing came")
        self.world.now = max(self.world.now, stream.beat_at)
        interval = stream.request.heartbeat_interval.ToTimedelta()
        stream.beat_at = self.world.now + interval
        names = self.world.events.names_of(stream.request.feeds)
        beat = self.world.events.heartbeat(names, stream.request.nonce, interval.total_seconds())
        stream.waiting = self.world.spoil([beat])
        return self._next(timeout_seconds, until)

    def _take_news(self, stream: _OpenStream) -> None:
        events = self.world.events
        for kind, name in events.names_of(stream.request.feeds).items():
            if stream.feeds.feed(name).sequence > stream.positions[kind]:
                answer = stream.feeds.live(name, kind, stream.positions[kind])
                stream.positions[kind] = answer.position
                stream.waiting += self.world.spoil(list(answer.frames))

    def _ask(self, name: str, request: Any) -> Any:
        events = self.world.events
        if name in self.world.unanswered:
            raise unreachable()
        if name == "AcknowledgeEvents":
            self.asked.append("ack")
            return events.acknowledge(request)
        self.asked.append("poll")
        response = events.poll(request)
        sets = self.world.spoil(list(response.sets))
        return events_pb2.PollEventsResponse(sets=sets, more_available=response.more_available)
