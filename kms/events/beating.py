"""The heartbeats of all streams: once a second, those that are due, proved together."""

import asyncio
import logging
from dataclasses import dataclass
from typing import Final

from kms.events.heartbeats import HeartbeatFrames, HeartbeatSigner, leaf_of
from kms.events.hub import EventHub
from kms.events.reading import Head
from kms.events.subscriber import Subscriber
from kms.events.wheel import Wheel

BEAT_SECONDS: Final = 1.0
_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Beats:
    """One for the process; `run` it beside the hub."""

    hub: EventHub
    signer: HeartbeatSigner
    wheel: Wheel

    async def run(self) -> None:
        """Until cancelled. Deliveries are told at the same pace."""
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            try:
                await self.beat()
                await self.hub.deliveries.tell()
            except Exception:  # the next beat tries again; callers that get none notice by themselves
                _logger.warning("no heartbeats could be sent", exc_info=True)

    async def beat(self) -> None:
        """Raises what the database raises; those who are due are due again in a second then."""
        clock = self.hub.clock
        due = self.wheel.due(clock.monotonic())
        if not due:
            return
        now = clock.now()
        frames = HeartbeatFrames(now)
        try:
            await self.hub.follow()  # a heartbeat vouches for everything that was committed before its time
        except BaseException:
            for subscriber in due:
                self.wheel.put_soon(subscriber, clock.monotonic())
            raise
        proved: list[tuple[Subscriber, bytes]] = []
        for subscriber in due:
            heads = heads_of(subscriber)
            if heads is None:  # has something to send first
                self.wheel.put_soon(subscriber, clock.monotonic())
            elif subscriber.nonce:
                proved.append((subscriber, leaf_of(subscriber.tenant, subscriber.nonce, heads)))
            else:
                subscriber.beat = frames.frame(self.wheel.put(subscriber, clock.monotonic()), None)
                subscriber.wake()
        proofs = await self.signer.prove([leaf for _, leaf in proved], now)
        for place, (subscriber, _) in enumerate(proved):
            next_in = self.wheel.put(subscriber, clock.monotonic())
            if proofs:
                subscriber.beat = frames.frame(next_in, proofs[place])
                subscriber.wake()


def heads_of(subscriber: Subscriber) -> dict[str, tuple[bytes, Head]] | None:
    """By "device" and "global"; None while the device's feed has grown beyond what was sent."""
    heads: dict[str, tuple[bytes, Head]] = {}
    if subscriber.device is not None:
        if (head := subscriber.device.head) is None:
            return None
        heads["device"] = head
    if subscriber.feeds is not None:
        heads["global"] = subscriber.feeds.head
    return heads
