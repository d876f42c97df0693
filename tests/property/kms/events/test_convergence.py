"""Whatever happens between the service and a reader, the reader ends with exactly what the feeds say.

Commits, slow readers, lost connections, polls in small pages, several processes, restarts, replaced histories: nothing
is lost, and no event comes twice in one transfer.
"""

import asyncio
import contextlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hallmark.v1 import events_pb2
from hallmark_events.event_set import EventSet
from hallmark_events.state import FeedState
from kms.core.names import ChildName
from kms.events import global_feed, history, subscriber
from kms.events.model import GLOBAL, Priority, Status, device_feed
from kms.events.replacing import replace_history
from support.log_world import LogWorld
from unit.kms.events.bench import Frames, Replica, Response, device_named, event_world, fold, replica_of

FEEDS = (events_pb2.FEED_GLOBAL, events_pb2.FEED_DEVICE)
SUBJECTS = ("artifacts/a", "artifacts/b", "consents/c", "leases/d", "leases/e", "leases/f")
DEVICES = 2


@dataclass(frozen=True)
class World:
    """One database for all examples; each example is a tenant of its own."""

    runner: asyncio.Runner
    log_world: LogWorld
    replicas: tuple[Replica, Replica]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    patched = pytest.MonkeyPatch()
    patched.setattr(global_feed, "RING_EVENTS", 1)
    patched.setattr(subscriber, "PAGE_EVENTS", 2)
    folder: Path = tmp_path_factory.mktemp("events")
    with asyncio.Runner() as runner:
        stack = contextlib.AsyncExitStack()
        log_world = runner.run(stack.enter_async_context(event_world(folder)))
        replicas = [
            runner.run(stack.enter_async_context(replica_of(log_world, seed=seed, tick_seconds=0.005)))
            for seed in (1, 2)
        ]
        try:
            yield World(runner, log_world, (replicas[0], replicas[1]))
        finally:
            runner.run(stack.aclose())
            patched.undo()


@dataclass
class Feed:
    """What a reader holds of one feed. `stored`: the state and the cursor of the last bookmark, as on a disk."""

    state: FeedState = field(default_factory=FeedState)
    cursor: str = ""
    stored: tuple[bytes, str] = (b"", "")
    seen: set[str] = field(default_factory=set)

    def take(self, frame: Response) -> None:
        match frame.WhichOneof("frame"):
            case "intent":
                self.seen.clear()
            case "event":
                jti = EventSet.parse(frame.event.set).jti
                assert jti not in self.seen, "sent twice"
                self.seen.add(jti)
        fold(self.state, [frame])
        self.cursor = frame.cursor
        if frame.HasField("bookmark"):
            self.stored = self.state.to_json(), frame.cursor

    def lose(self) -> None:
        """Everything since the last bookmark."""
        data, self.cursor = self.stored
        self.state = FeedState.from_json(data) if data else FeedState()
        self.seen.clear()


@dataclass
class Reader:
    device: ChildName
    feeds: dict[int, Feed] = field(default_factory=lambda: {feed: Feed() for feed in FEEDS})
    stream: Frames | None = None
    closing: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    def starts(self) -> list[events_pb2.FeedStart]:
        return [
            events_pb2.FeedStart(
                feed=feed,
                cursor=held.cursor,
                state_digest=held.state.digest() if held.cursor == held.stored[1] and held.cursor else b"",
            )
            for feed, held in self.feeds.items()
        ]

    def take(self, frame: Response) -> None:
        if frame.WhichOneof("frame") != "heartbeat":
            self.feeds[frame.feed].take(frame)

    async def leave(self) -> None:
        await self.closing.aclose()
        self.stream = None
        for held in self.feeds.values():
            held.lose()

    async def read(self, replica: Replica, count: int) -> None:
        """Some frames of a stream, as many as there are."""
        if self.stream is None:
            await self.leave()
            watching = replica.watching(*self.starts(), device=self.device, tenant=self.device.tenant)
            self.stream = await self.closing.enter_async_context(watching)
        with contextlib.suppress(TimeoutError):
            for _ in range(count):
                self.take(await self.stream.next_or_timeout(0.05))

    async def poll(self, replica: Replica, max_events: int) -> bool:
        """Whether there is more."""
        if self.stream is not None:
            await self.leave()
        answer = await replica.poll(
            *self.starts(), device=self.device, tenant=self.device.tenant, max_events=max_events
        )
        for frame in answer.sets:
            self.take(frame)
        return answer.more_available


COUNT = st.integers(min_value=1, max_value=6)
WHICH = st.integers(min_value=0, max_value=DEVICES - 1)
ACT = st.tuples(st.just("act"), st.integers(0, len(SUBJECTS) - 1), st.integers(0, 3))
READ = st.tuples(st.just("read"), WHICH, COUNT)
REST = st.sampled_from(["poll", "leave", "restart", "replace"])
STEPS = st.lists(ACT | ACT | READ | READ | st.tuples(REST, WHICH, COUNT), min_size=5, max_size=25)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
def test_every_reader_converges(world: World, steps: list[tuple[str, int, int]]) -> None:
    world.runner.run(_converges(world, steps))


async def _converges(world: World, steps: list[tuple[str, int, int]]) -> None:
    tenant = f"t{uuid.uuid4().hex}"
    readers = [Reader(device_named(number + 1, tenant)) for number in range(DEVICES)]
    replicas, turn = list(world.replicas), 0
    async with contextlib.AsyncExitStack() as stack:
        for reader in readers:
            stack.push_async_callback(reader.leave)
        for subject in range(len(SUBJECTS)):
            await _act(replicas[0], tenant, subject, 3)
        for action, first, second in steps:
            turn += 1
            replica = replicas[turn % len(replicas)]
            match action:
                case "act":
                    await _act(replica, tenant, first, second)
                case "read":
                    await readers[first].read(replica, second)
                case "poll":
                    await readers[first].poll(replica, second)
                case "leave":
                    await readers[first].leave()
                case "restart":
                    for reader in readers:
                        await reader.leave()
                    another = replica_of(world.log_world, seed=uuid.uuid4().int, tick_seconds=0.005)
                    replicas[first] = await stack.enter_async_context(another)
                case "replace":
                    now = world.log_world.clock.now()
                    before = await replica.events.newest(tenant, GLOBAL, now)
                    await replace_history(replica.events, tenant, before.epoch, now)
        for number, reader in enumerate(readers):
            await _ends_with_the_truth(replicas[number], reader)
            newcomer = Reader(reader.device)
            stack.push_async_callback(newcomer.leave)
            await newcomer.read(replicas[number], 1)
            await _ends_with_the_truth(replicas[number], newcomer)


async def _act(replica: Replica, tenant: str, subject: int, choice: int) -> None:
    """About everybody, about one device, or both; what ended for ever stays so."""
    feeds = ([GLOBAL], [_feed(tenant, 0)], [_feed(tenant, 1)], [GLOBAL, _feed(tenant, 0)])[choice]
    name = SUBJECTS[subject]
    status = Status.VALID if (subject + choice) % 2 else Status.SUSPENDED
    priority = Priority.LEASE if name.startswith("leases") else Priority.URGENT
    revision = max([await replica.events.next_revision(tenant, feed, f"tenants/{tenant}/{name}") for feed in feeds])
    await replica.act(name, status, feeds=feeds, tenant=tenant, priority=priority, revision=revision)


def _feed(tenant: str, number: int) -> str:
    return device_feed(device_named(number + 1, tenant))


async def _ends_with_the_truth(replica: Replica, reader: Reader) -> None:
    tenant = reader.device.tenant
    async with asyncio.timeout(20):
        while True:
            if reader.stream is None:
                while await reader.poll(replica, 100):
                    pass
            else:
                await reader.read(replica, 100)
            told = {feed: _mirror(reader.feeds[feed].state) for feed in FEEDS}
            names = {events_pb2.FEED_GLOBAL: GLOBAL, events_pb2.FEED_DEVICE: device_feed(reader.device)}
            truth = {
                feed: dict(await replica.database.read(lambda tx, name=name: history.subjects(tx, tenant, name)))
                for feed, name in names.items()
            }
            if told == truth and all(not reader.feeds[feed].state.is_transferring for feed in FEEDS):
                return


def _mirror(state: FeedState) -> dict[str, str]:
    return {subject: entry.jti for subject, entry in state.mirror.items()}
