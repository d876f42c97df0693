"""The event service below gRPC: a real database and log, keys in memory, a clock that stands, frames as messages."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Connection

from hallmark.v1 import events_pb2
from hallmark_events.event_set import EventSet
from hallmark_events.state import FeedState
from kms.app.events import EventParts, make_events, start_events
from kms.core.call import Call, Channel
from kms.core.database import Database
from kms.core.identity import Caller, Role
from kms.core.names import ChildName
from kms.events.appending import Events
from kms.events.cursor import open_cursor_codec
from kms.events.model import GLOBAL, SIGNING_KEY_ID, Draft, Event, InitiatingEntity, Priority, Status, device_feed
from kms.events.ports import EventObservers
from kms.keys.service import KeyService
from kms.keys.signing import SigningService
from kms.keys.usage import UseRates
from kms.log.model import LogEntry
from support.log_world import LogWorld
from support.randomness import SeededRandomness

TENANT = "default"
ISSUER = "spiffe://hallmark.test/server"
URI = "tag:hallmark.local,2026:secevent/odai/event-type/artifact-status-change"
REVOKED = "https://schemas.openid.net/secevent/caep/event-type/credential-change"
Response = events_pb2.WatchEventsResponse


def device_named(number: int, tenant: str = TENANT) -> ChildName:
    return ChildName(tenant, "devices", str(uuid.UUID(int=number)))


def caller_of(device: ChildName | None, *, role: Role = Role.BACKEND, tenant: str = TENANT) -> Caller:
    if device is not None:
        role, tenant, name = Role.DEVICE, device.tenant, f"d-{device.id}"
    else:
        name = "somebody"
    return Caller(f"spiffe://hallmark.test/tenants/{tenant}/{role}/{name}", tenant, role, name)


def start(feed: int = events_pb2.FEED_GLOBAL, cursor: str = "", digest: bytes = b"") -> events_pb2.FeedStart:
    return events_pb2.FeedStart(feed=feed, cursor=cursor, state_digest=digest)


@dataclass
class Replica:
    """One process of the service."""

    world: LogWorld
    events: Events
    parts: EventParts
    revisions: dict[tuple[str, str], int] = field(default_factory=dict)

    @property
    def database(self) -> Database:
        return self.events.database

    def call(self, method: str, caller: Caller) -> Call:
        channel = Channel("ipv4:127.0.0.1:1", "TLSv1.3", "X25519MLKEM768")
        return Call(f"call-{uuid.uuid4()}", method, caller, channel, self.world.clock.now())

    async def act(
        self,
        subject: str,
        status: Status = Status.INVALID,
        *,
        feeds: Sequence[str] = (GLOBAL,),
        tenant: str = TENANT,
        priority: Priority = Priority.URGENT,
        revision: int | None = None,
        held: bool = False,
        notifies: bool = True,
        uri: str = URI,
    ) -> Event:
        """Commits an event about tenants/{tenant}/{subject}."""
        name, now = f"tenants/{tenant}/{subject}", self.world.clock.now()
        if revision is None:
            revision = await self.events.next_revision(tenant, feeds[0], name)
        draft = Draft(
            id=self.events.new_id(now),
            tenant=tenant,
            uri=uri,
            subject=name,
            revision=revision,
            status=status,
            event_time=now,
            effective_time=now,
            initiating_entity=InitiatingEntity.ADMIN,
            priority=priority,
        )
        signed = await self.events.sign(draft, now)

        def work(tx: Connection) -> Event:
            entry = LogEntry(draft.id, "com.example.key.used", tenant, name, now, {"n": 1})
            promise = self.world.log.record(tx, entry)
            if held:
                return self.events.hold(tx, signed, promise, feeds)
            self.events.append(tx, signed, promise, feeds)
            return signed_event(self, tx, draft.id)

        made = await self.events.database.write(work)
        if notifies:
            self.events.notify(tenant)
        return made

    @contextlib.asynccontextmanager
    async def watching(
        self, *feeds: events_pb2.FeedStart, device: ChildName | None = None, tenant: str = TENANT, **more: Any
    ) -> AsyncIterator["Frames"]:
        request = events_pb2.WatchEventsRequest(parent=f"tenants/{tenant}", feeds=feeds or [start()], **more)
        call = self.call("WatchEvents", caller_of(device, tenant=tenant))
        async with contextlib.aclosing(self.parts.servicer.WatchEvents(request, call)) as frames:
            opened = Frames(frames)
            try:
                yield opened
            finally:
                await opened.stop_waiting()

    async def poll(
        self,
        *feeds: events_pb2.FeedStart,
        device: ChildName | None = None,
        tenant: str = TENANT,
        return_immediately: bool = True,
        **more: Any,
    ) -> events_pb2.PollEventsResponse:
        request = events_pb2.PollEventsRequest(
            parent=f"tenants/{tenant}", feeds=feeds or [start()], return_immediately=return_immediately, **more
        )
        return await self.parts.servicer.PollEvents(request, self.call("PollEvents", caller_of(device, tenant=tenant)))

    async def acknowledge(self, device: ChildName, *ack: str, **more: Any) -> None:
        request = events_pb2.AcknowledgeEventsRequest(parent=f"tenants/{device.tenant}", ack=ack, **more)
        await self.parts.servicer.AcknowledgeEvents(request, self.call("AcknowledgeEvents", caller_of(device)))


def signed_event(replica: Replica, tx: Connection, event_id: str) -> Event:
    from kms.events import history

    return history.find_events(tx, [event_id])[event_id]


class Frames:
    """What a stream sends."""

    def __init__(self, frames: AsyncGenerator[bytes, None]) -> None:
        self._frames = frames
        self._waiting: asyncio.Future[bytes] | None = None

    async def take(self, count: int) -> list[Response]:
        async with asyncio.timeout(10):
            return [Response.FromString(await anext(self._frames)) for _ in range(count)]

    async def next_or_timeout(self, seconds: float) -> Response:
        """Raises TimeoutError; the stream goes on."""
        if self._waiting is None:
            self._waiting = asyncio.ensure_future(anext(self._frames))
        done, _ = await asyncio.wait({self._waiting}, timeout=seconds)
        if not done:
            raise TimeoutError
        frame, self._waiting = self._waiting.result(), None
        return Response.FromString(frame)

    async def stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            await asyncio.gather(self._waiting, return_exceptions=True)

    async def raw(self) -> bytes:
        async with asyncio.timeout(10):
            return await anext(self._frames)

    async def until_bookmark(self) -> list[Response]:
        found: list[Response] = []
        while not found or found[-1].WhichOneof("frame") != "bookmark":
            found += await self.take(1)
        return found

    async def are_silent(self, seconds: float = 0.05) -> bool:
        """Ends the stream."""
        waiting = asyncio.ensure_future(anext(self._frames))
        done, _ = await asyncio.wait({waiting}, timeout=seconds)
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration):
            await waiting
        return not done


def told(frames: Sequence[Response]) -> list[str]:
    """Events by the last part of their subject, intents by transfer and reason, the rest by kind."""
    return [_told(frame) for frame in frames]


def _told(frame: Response) -> str:
    match frame.WhichOneof("frame"):
        case "event":
            return EventSet.parse(frame.event.set).subject.rpartition("/")[2]
        case "intent":
            transfer = Response.Intent.Transfer.Name(frame.intent.transfer).removeprefix("TRANSFER_")
            return f"{transfer} {frame.intent.reason}".strip()
        case "goodbye":
            return f"goodbye {frame.goodbye.reason}"
        case kind:
            return str(kind)


def fold(state: FeedState, frames: Sequence[Response]) -> None:
    """As a client does. Raises when a digest is not that of the server."""
    for frame in frames:
        match frame.WhichOneof("frame"):
            case "intent" if frame.intent.transfer == Response.Intent.TRANSFER_FULL:
                state.begin_full(frame.intent.epoch)
            case "intent":
                state.go_on(frame.intent.epoch)
            case "event":
                state.apply(EventSet.parse(frame.event.set))
            case "bookmark":
                end = {"sequence": frame.bookmark.sequence, "digest": frame.bookmark.state_digest}
                state.commit_full(**end) if state.is_transferring else state.bookmark(**end)


@contextlib.asynccontextmanager
async def replica_of(
    world: LogWorld,
    *,
    seed: int = 1,
    observers: EventObservers | None = None,
    follows: bool = True,
    tick_seconds: float = 0.02,
    quiet_seconds: float = 0.01,
) -> AsyncIterator[Replica]:
    """Another process on the same database. `follows`: its hub runs."""
    randomness = SeededRandomness(seed)
    signing = SigningService(world.database, world.provider, world.log, randomness, UseRates(world.clock))
    events = make_events(
        database=world.database,
        signing=signing,
        log=world.log,
        randomness=randomness,
        draining=asyncio.Event(),
        issuer=ISSUER,
    )
    codec = await open_cursor_codec(world.database, randomness)
    parts = start_events(events, clock=world.clock, codec=codec, witnesses=None, observers=observers)
    parts.hub.tick_seconds = tick_seconds
    parts.hub.quiet_seconds = quiet_seconds
    running = asyncio.create_task(parts.hub.run()) if follows else None
    try:
        yield Replica(world, events, parts)
    finally:
        if running is not None:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


@contextlib.asynccontextmanager
async def event_world(folder: Path, url: str | None = None) -> AsyncIterator[LogWorld]:
    """`url`: of a database with all tables; None: SQLite in the folder."""
    world = LogWorld(folder, url=url)
    log = await world.open()
    await log.prepare()
    keys = KeyService(world.database, world.provider, log, SeededRandomness(99))
    await keys.ensure_service_key(SIGNING_KEY_ID, world.clock.now())
    try:
        yield world
    finally:
        await world.close()


__all__ = ["TENANT", "Replica", "device_feed", "device_named", "event_world", "fold", "replica_of", "start", "told"]
