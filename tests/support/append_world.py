"""A running log and what appends to it, without gRPC."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hallmark.v1 import log_pb2
from hallmark_tlog.proof import VerifiedEntry, verify_proof
from kms.core.call import Call, Channel
from kms.core.clock import SystemClock
from kms.core.identity import Caller, Role
from kms.log.appending.appending import Appended, AppendService, AppendWait, Event, event_key_of
from kms.log.appending.rpc import AppendRpc
from kms.server.errors import to_status
from support.log_world import ORIGIN, LogWorld
from support.randomness import SeededRandomness

TYPE = "com.example.model.released"
BACKEND = Caller("spiffe://hallmark.test/tenants/default/backend/b", "default", Role.BACKEND, "b")


def call(caller: Caller = BACKEND) -> Call:
    return Call("call-1", "Append", caller, Channel("ipv4:127.0.0.1:1", "TLSv1.3", "X25519"), SystemClock().now())


def request(**members: Any) -> log_pb2.AppendEntryRequest:
    """Valid, unless `members` say otherwise."""
    given = {"parent": "tenants/default", "request_id": str(uuid.uuid4()), "event_type": TYPE, "subject": "models/x"}
    return log_pb2.AppendEntryRequest(**{**given, **members})


def event(request_id: str | None = None, **members: Any) -> Event:
    given = {
        "event_key": event_key_of(BACKEND, request_id or str(uuid.uuid4())),
        "tenant": "default",
        "by": BACKEND.spiffe_id,
        "event_type": TYPE,
        "subject": "models/x",
        "facts": {},
    }
    return Event(**{**given, **members})


@dataclass
class AppendWorld:
    """`world` runs on the system's clock."""

    world: LogWorld
    randomness: SeededRandomness = field(default_factory=SeededRandomness)
    draining: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def service(self) -> AppendService:
        return AppendService(self.world.database, self.world.log, self.randomness)

    @property
    def rpc(self) -> AppendRpc:
        return AppendRpc(self.service, self.world.clock, to_status, self.draining)

    async def append(self, one: Event, wait: AppendWait = AppendWait.PUBLISHED) -> Appended:
        return await self.service.append(one, now=self.world.clock.now(), wait=wait)

    async def append_many(self, events: Iterable[Event], wait: AppendWait = AppendWait.PUBLISHED) -> list[Any]:
        return await self.service.append_many(list(events), now=self.world.clock.now(), wait=wait)

    def verify(self, tlog_proof: bytes | None, entry: bytes) -> VerifiedEntry:
        assert tlog_proof is not None
        return verify_proof(tlog_proof, entry, self.world.log.verifier_keys(), origin=ORIGIN)

    async def restart(self) -> None:
        await self.world.reopen()
        await self.world.log.start()


@asynccontextmanager
async def append_world(folder: Path, **settings: float) -> AsyncIterator[AppendWorld]:
    world = LogWorld(folder, **settings)
    world.clock = SystemClock()
    await world.open()
    await world.log.start()
    try:
        yield AppendWorld(world)
    finally:
        await world.close()


async def until(condition: Any) -> None:
    """Raises TimeoutError after a few seconds."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.005)
