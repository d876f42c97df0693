"""The heartbeats of all streams: once a second, those that are due, proved together."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, assert_never

from kms.events.heartbeats import Claim, HeartbeatFrames, Proof, Prover, Unproved
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
    prover: Prover
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
        claimed: list[tuple[Subscriber, Claim]] = []
        for subscriber in due:
            heads = heads_of(subscriber)
            if heads is None:  # has something to send first
                self.wheel.put_soon(subscriber, clock.monotonic())
            elif subscriber.nonce:
                claimed.append((subscriber, claim_of(subscriber, heads)))
            else:
                subscriber.beat = frames.frame(self.wheel.put(subscriber, clock.monotonic()), None)
                subscriber.wake()
        proofs = await self.prover.prove([claim for _, claim in claimed], now)
        for (subscriber, _), proof in zip(claimed, proofs, strict=True):
            self._give(subscriber, proof, frames)

    def _give(self, subscriber: Subscriber, proof: Proof | Unproved, frames: HeartbeatFrames) -> None:
        now = self.hub.clock.monotonic()
        match proof:
            case Proof():
                subscriber.beat = frames.frame(self.wheel.put(subscriber, now), proof)
                subscriber.wake()
            case Unproved.MOVED:
                self.wheel.put_soon(subscriber, now)
            case Unproved.AWAY:
                self.wheel.put(subscriber, now)
            case _:
                assert_never(proof)


def claim_of(subscriber: Subscriber, heads: Mapping[str, tuple[bytes, Head]]) -> Claim:
    device = None if subscriber.device is None else subscriber.device.device
    return Claim(subscriber.tenant, device, subscriber.nonce, heads)


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
