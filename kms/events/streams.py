"""WatchEvents: frames until the caller leaves, the server drains, or the device is revoked."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from kms.core.errors import PermissionDenied, Reason, Unavailable
from kms.core.names import ChildName
from kms.events.frames import goodbye
from kms.events.hub import EventHub
from kms.events.resuming import Start
from kms.events.subscriber import Reader, Subscriber
from kms.events.wheel import Wheel

RETRY_MIN: Final = timedelta(seconds=0.5)
RETRY_MAX: Final = timedelta(seconds=10)
"""10,000 streams of a server that drains come to another at 1,000 a second."""
PAUSE_SECONDS: Final = 1.0
"""While the database is away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One stream's request. `device`: who calls, when it is a device; `interval`: of heartbeats, seconds."""

    tenant: str
    device: ChildName | None
    starts: Sequence[Start]
    nonce: bytes
    interval: float


async def stream(hub: EventHub, wheel: Wheel, wanted: Wanted) -> AsyncGenerator[bytes, None]:
    """WatchEventsResponse frames, serialised. Close the generator when the caller has gone.

    Each round: (1) ticket, so that nothing from here on is missed; (2) some frames of each feed; (3) goodbye when the
    device is revoked, or the server drains; (4) the heartbeat when there is one; (5) wait.
    Raises PermissionDenied/DEVICE_REVOKED; Unavailable at the start only: later a database that is away is waited for.
    """
    subscriber = Subscriber(wanted.tenant, nonce=wanted.nonce, interval=wanted.interval)
    await hub.subscribe(subscriber, wanted.starts, wanted.device)
    del wanted  # it would be held as long as the stream
    wheel.put(subscriber, hub.clock.monotonic())
    readers, is_open = subscriber.readers(), False
    try:
        while True:
            ticket, has_more = subscriber.ticket(), False
            for reader in readers:
                frames = reader.ready()
                if frames is None:
                    frames = await _next(reader, waits=is_open)
                for frame in frames:
                    yield frame
                has_more = has_more or reader.has_more
            is_open = True
            if subscriber.device is not None and subscriber.device.is_finished:
                yield goodbye("revoked", RETRY_MIN, RETRY_MAX)
                raise device_revoked()
            if hub.draining and not has_more:
                for frame in (*subscriber.mark(), goodbye("draining", RETRY_MIN, RETRY_MAX)):
                    yield frame
                return
            if subscriber.beat:
                frames, subscriber.beat = (*subscriber.mark(), subscriber.beat), b""
                for frame in frames:
                    yield frame
            frames, frame = (), b""  # they would be held as long as the stream waits
            if not has_more:
                await ticket
    finally:
        wheel.remove(subscriber)
        hub.unsubscribe(subscriber)


async def _next(reader: Reader, *, waits: bool) -> Sequence[bytes]:
    """`waits`: for a database that is away."""
    try:
        return await reader.next()
    except Unavailable:
        if not waits:
            raise
        await asyncio.sleep(PAUSE_SECONDS)
        return ()


def device_revoked() -> PermissionDenied:
    return PermissionDenied(
        Reason.DEVICE_REVOKED,
        "this device was revoked; it comes back only with a new key, attested anew under another identity",
    )
