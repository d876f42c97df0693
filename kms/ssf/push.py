"""Push delivery (RFC 8935): what waits is sent in order; what fails is tried again with growing, random pauses.

A replica claims a stream for one round by moving its next attempt into the future (compare and set), so two never push
the same at the same time. A round that dies after the receiver took a set sends it again: same jti, which receivers
know (RFC 8935, section 2: at least once).
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.engine import Connection

from kms.core.clock import Clock
from kms.core.database import Database
from kms.core.randomness import Randomness
from kms.ssf import queue_store, stream_store
from kms.ssf.model import Queued, Refused, SsfSettings, Stream, StreamStatus
from kms.ssf.push_http import Accepted, PushClient, PushFailed
from kms.ssf.sets import SetMaker, SetSigner
from kms.ssf.settling import settle
from kms.ssf.stopping import pause

FAILURES_MAX: Final = 16
"""About half an hour of pauses; then the stream is paused."""
FIRST_SECONDS: Final = 1.0
CEILING_SECONDS: Final = 300.0
TICK_SECONDS: Final = 0.5
_SETS_A_ROUND: Final = 50
_STREAMS_AT_ONCE: Final = 16
_ROUND_SECONDS: Final = 30.0
_CLAIM: Final = timedelta(seconds=60)
"""Longer than a round may take."""
_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Round:
    """What came of one. `problem` is why it ended early; empty when it did not."""

    delivered: list[str] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pusher:
    """One for the process."""

    database: Database
    settings: SsfSettings
    maker: SetMaker
    signer: SetSigner
    client: PushClient
    clock: Clock
    randomness: Randomness

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.step()
            except Exception:  # one stream that goes wrong must not silence the others for ever
                _logger.warning("shared signals can not be pushed now, later again", exc_info=True)
            await asyncio.sleep(TICK_SECONDS)

    async def step(self) -> int:
        """A round for every stream that is due, 16 at most; how many there were."""
        now = self.clock.now()
        due = await self.database.read(
            lambda tx: stream_store.due_for_push(tx, now, failures_max=FAILURES_MAX, limit=_STREAMS_AT_ONCE)
        )
        ended = await asyncio.gather(*map(self._push, due), return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception):
                raise error
        return len(due)

    async def _push(self, stream_id: str) -> None:
        now = self.clock.now()
        claimed = await self.database.write(lambda tx: self._claim(tx, stream_id, now))
        if claimed is None:
            return
        stream, sets = claimed
        ended = Round()
        try:
            tokens = await self.signer.sign(sets, now)
            async with asyncio.timeout(_ROUND_SECONDS):
                await self._send(stream, tokens, ended)
        except PushFailed as error:
            ended.problem = str(error)
        except TimeoutError:
            ended.problem = "" if ended.delivered else "the receiver is too slow"
        await self.database.write(lambda tx: self._settle(tx, stream_id, ended, self.clock.now()))

    def _claim(self, tx: Connection, stream_id: str, now: datetime) -> tuple[Stream, Sequence[Queued]] | None:
        if not stream_store.claim(tx, stream_id, now, _CLAIM):
            return None
        stream = stream_store.lock_by_id(tx, stream_id)
        assert stream is not None, "it was just claimed"
        return stream, queue_store.waiting(tx, stream, limit=_SETS_A_ROUND)

    async def _send(self, stream: Stream, tokens: dict[str, str], ended: Round) -> None:
        async with self.client.connected(stream.wishes.delivery) as exchange:
            for jti, token in tokens.items():
                if not exchange.may_go_on:
                    return
                answer = await exchange.push(token)
                if isinstance(answer, Accepted):
                    ended.delivered.append(jti)
                else:
                    ended.refused.append(Refused(jti, answer.err, answer.description))

    def _settle(self, tx: Connection, stream_id: str, ended: Round, now: datetime) -> None:
        stream = stream_store.lock_by_id(tx, stream_id)
        if stream is None:  # deleted meanwhile
            return
        settle(tx, stream, delivered=ended.delivered, refused=ended.refused, now=now)
        if not ended.problem:
            stream_store.update_stream(tx, stream_id, failures=0, next_attempt_time=now + self.settings.push_interval)
            return
        _logger.info("push to %s failed: %s", stream.receiver, ended.problem)
        failures = 1 if ended.delivered else stream.failures + 1
        again = now + max(self.settings.push_interval, self._pause_after(failures))
        values = {"failures": failures, "last_error": ended.problem, "next_attempt_time": again}
        stream_store.update_stream(tx, stream_id, **values)
        if failures >= FAILURES_MAX and stream.status is StreamStatus.ENABLED:
            pause(tx, stream, f"{failures} attempts to push failed: {ended.problem}", self.maker, now)

    def _pause_after(self, failures: int) -> timedelta:
        """Full jitter: anything up to a ceiling that doubles, so that many streams do not come back at once."""
        most = min(CEILING_SECONDS, FIRST_SECONDS * 2.0 ** (failures - 1))
        return timedelta(seconds=most * int.from_bytes(self.randomness.bytes(4), "big") / 2**32)
