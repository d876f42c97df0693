"""Poll delivery (RFC 8936): a receiver fetches what waits for it and acknowledges what it has.

What was not acknowledged is given again at the next poll. A poll that may wait does so for 25 seconds at most; of one
stream one poll waits at a time, and the one that comes later ends it: nobody can hold more connections than streams.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy.engine import Connection

from kms.core.canonical import Json
from kms.core.clock import Clock
from kms.core.database import Database
from kms.ssf import bodies, queue_store, stream_store
from kms.ssf.bodies import Members
from kms.ssf.errors import RequestInvalid, StreamNotFound
from kms.ssf.model import Method, Queued, Receiver, Refused, Stream
from kms.ssf.sets import SetSigner
from kms.ssf.settling import settle
from kms.ssf.streams import StreamService

SETS_MAX: Final = 100
"""In one answer: about 200 KB."""
WAIT_SECONDS: Final = 25.0
_LOOK_SECONDS: Final = 0.5
"""How often a poll that waits asks the database, so that what another replica has queued is seen."""
_ANSWERS_MAX: Final = 1_000
_ERROR_CHARACTERS_MAX: Final = 255


@dataclass(frozen=True, slots=True)
class PollRequest:
    """RFC 8936, section 2.2. `most` is 0 when only acknowledgements are made."""

    acknowledged: tuple[str, ...] = ()
    refused: tuple[Refused, ...] = ()
    most: int = SETS_MAX
    at_once: bool = False


def parse_poll(members: Members) -> PollRequest:
    """Raises RequestInvalid."""
    acknowledged = members.get("ack", [])
    errors = members.get("setErrs", {})
    if not isinstance(acknowledged, list) or not all(isinstance(each, str) for each in acknowledged):
        raise RequestInvalid("ack is a list of jti")
    if not isinstance(errors, dict):
        raise RequestInvalid("setErrs is an object by jti")
    if len(acknowledged) + len(errors) > _ANSWERS_MAX:
        raise RequestInvalid(f"ack and setErrs name at most {_ANSWERS_MAX} sets")
    most = members.get("maxEvents", SETS_MAX)
    if not isinstance(most, int) or isinstance(most, bool) or most < 0:
        raise RequestInvalid("maxEvents is an integer, 0 or more")
    refused = tuple(_refused(jti, error) for jti, error in errors.items())
    ids = tuple(each for each in acknowledged if _may_be_jti(each))
    return PollRequest(ids, refused, min(most, SETS_MAX), bodies.flag(members, "returnImmediately"))


@dataclass(slots=True, kw_only=True)
class PollService:
    """One for the process."""

    database: Database
    streams: StreamService
    signer: SetSigner
    clock: Clock
    wait_seconds: float = WAIT_SECONDS
    _waiting: dict[str, asyncio.Event] = field(default_factory=dict)

    async def poll(self, receiver: Receiver, stream_id: str, request: PollRequest, now: datetime) -> dict[str, Json]:
        """{"sets": {jti: token}, "moreAvailable"?: true} (RFC 8936, section 2.3). Raises SsfRefusal, ServiceError."""
        stream = await self.streams.look(receiver, stream_id, now)
        if stream.wishes.delivery.method is not Method.POLL:
            raise StreamNotFound
        if request.acknowledged or request.refused:
            await self._settle(receiver, stream_id, request, now)
        found = await self._read(receiver, stream_id, request.most)
        if not found and request.most and not request.at_once:
            found = await self._wait(receiver, stream_id, request.most)
        tokens = await self.signer.sign(found[: request.most], self.clock.now())
        answer: dict[str, Json] = {"sets": dict(tokens)}
        if len(found) > request.most:
            answer["moreAvailable"] = True
        return answer

    def end_waits(self) -> None:
        """The server is about to close: whoever waits is answered now."""
        for waiting in self._waiting.values():
            waiting.set()
        self.wait_seconds = 0.0

    async def _settle(self, receiver: Receiver, stream_id: str, request: PollRequest, now: datetime) -> None:
        def act(tx: Connection) -> None:
            stream = stream_store.lock_stream(tx, receiver.name, stream_id)
            if stream is None:
                raise StreamNotFound
            settle(tx, stream, delivered=request.acknowledged, refused=request.refused, now=now)

        await self.database.write(act)

    async def _read(self, receiver: Receiver, stream_id: str, most: int) -> Sequence[Queued]:
        """One more than asked for tells that there are more."""

        def look(tx: Connection) -> Sequence[Queued]:
            stream: Stream | None = stream_store.find_stream(tx, receiver.name)
            if stream is None or stream.id != stream_id:
                raise StreamNotFound
            return queue_store.waiting(tx, stream, limit=most + 1)

        return await self.database.read(look)

    async def _wait(self, receiver: Receiver, stream_id: str, most: int) -> Sequence[Queued]:
        if (before := self._waiting.get(stream_id)) is not None:
            before.set()
        end = self._waiting[stream_id] = asyncio.Event()
        deadline = self.clock.monotonic() + self.wait_seconds
        found: Sequence[Queued] = []
        try:
            while not found and not end.is_set() and self.clock.monotonic() < deadline:
                await _pause(end)
                found = await self._read(receiver, stream_id, most)
        finally:
            if self._waiting.get(stream_id) is end:
                del self._waiting[stream_id]
        return found


async def _pause(end: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(_LOOK_SECONDS):
            await end.wait()
    except TimeoutError:
        return


def _refused(jti: str, error: Any) -> Refused:
    """RFC 8936, section 2.4: err, and description that may be left out."""
    if not isinstance(error, dict):
        raise RequestInvalid("setErrs has an object with err and description for each jti")
    err = bodies.text(error, "err", most=_ERROR_CHARACTERS_MAX, least=1)
    if err is None:
        raise RequestInvalid("setErrs has an object with err and description for each jti")
    description = bodies.text(error, "description", most=4096) or ""
    return Refused(jti if _may_be_jti(jti) else "", err, description[:_ERROR_CHARACTERS_MAX])


def _may_be_jti(text: str) -> bool:
    """Nothing else can be a set of ours; what can not is passed over like any that does not wait."""
    return len(text) == 36 and text.isascii() and text.isprintable()
