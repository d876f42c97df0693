"""PollEvents: the frames of a stream for one question (RFC 8936, section 2.4)."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from hallmark.v1 import events_pb2
from kms.core.names import ChildName
from kms.events.heartbeats import Claim, HeartbeatFrames, Proof, Prover
from kms.events.hub import EventHub
from kms.events.model import GLOBAL
from kms.events.reading import Answer, Head, Question
from kms.events.resuming import Start, Transfer
from kms.events.subscriber import Subscriber

WAIT_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question. `returns_immediately`: also with nothing new."""

    tenant: str
    device: ChildName | None
    starts: Sequence[Start]
    nonce: bytes
    max_events: int
    returns_immediately: bool


@dataclass(frozen=True, slots=True)
class PollService:
    hub: EventHub
    prover: Prover
    wait_seconds: float = WAIT_SECONDS

    async def poll(self, asked: Asked) -> events_pb2.PollEventsResponse:
        """For each feed its intent, events, and the bookmark when nothing remains; then the heartbeat.

        A page in the middle of a full transfer has no intent: it goes on with the one that was begun.
        """
        if asked.returns_immediately:
            now, answers = await self._look(asked)
        else:
            now, answers = await self._wait(asked)
        frames = [frame for answer in answers for frame in self.hub.writer.answer(answer)]
        is_all = len(answers) == len(asked.starts) and all(answer.head is not None for answer in answers)
        if is_all:
            frames += await self._heartbeat(asked, answers, now)
        for answer in answers:
            if answer.before.feed != GLOBAL and answer.events:
                assert asked.device is not None
                self.hub.deliveries.note(asked.device, [each.event.id for each in answer.events])
        sets = [events_pb2.WatchEventsResponse.FromString(frame) for frame in frames]
        return events_pb2.PollEventsResponse(sets=sets, more_available=not is_all)

    async def _look(self, asked: Asked) -> tuple[datetime, list[Answer]]:
        """When it was looked, and what was there. The feed of the device first, as long as there is room."""
        now = self.hub.clock.now()  # the heartbeat vouches for what was committed before
        answers: list[Answer] = []
        room = asked.max_events
        for start in sorted(asked.starts, key=lambda start: start.feed == GLOBAL):
            if room > 0:
                answers.append(await self.hub.ask(Question(start, room)))
                room -= len(answers[-1].events)
        return now, answers

    async def _wait(self, asked: Asked) -> tuple[datetime, list[Answer]]:
        """Until there is something to tell, for `wait_seconds` at most."""
        subscriber = Subscriber(asked.tenant, nonce=b"", interval=0)
        await self.hub.subscribe(subscriber, asked.starts, asked.device)
        try:
            ticket = subscriber.ticket()
            now, answers = await self._look(asked)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.wait_seconds):
                    while not (self.hub.draining or any(answer.transfer is not Transfer.NONE for answer in answers)):
                        await ticket
                        ticket = subscriber.ticket()
                        now, answers = await self._look(asked)
        finally:
            self.hub.unsubscribe(subscriber)
        return now, answers

    async def _heartbeat(self, asked: Asked, answers: Sequence[Answer], now: datetime) -> list[bytes]:
        """One frame, or none while nobody can sign it: then the caller asks again."""
        if not asked.nonce:
            return [HeartbeatFrames(now).frame(timedelta(0), None)]
        heads: dict[str, tuple[bytes, Head]] = {}
        for answer in answers:
            assert answer.head is not None
            heads["global" if answer.after.feed == GLOBAL else "device"] = answer.after.epoch, answer.head
        device = asked.device if "device" in heads else None
        (proof,) = await self.prover.prove([Claim(asked.tenant, device, asked.nonce, heads)], now)
        return [HeartbeatFrames(now).frame(timedelta(0), proof)] if isinstance(proof, Proof) else []
