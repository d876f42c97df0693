"""Use cases of receivers over gRPC: an admin lets them in, sees how they do, and sends them away."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy.engine import Connection

from kms.core.database import Database
from kms.core.errors import AlreadyExists, FailedPrecondition, Reason, not_found
from kms.core.idempotency import Replays, RequestKey
from kms.core.ids import new_id
from kms.core.randomness import Randomness
from kms.log.model import LogEntry, LogPromise
from kms.log.service import TransparencyLog
from kms.ssf import queue_store, receiver_store, stream_store
from kms.ssf.model import Overview, Receiver, ReceiverName, Stream, check_audience, token_sha256

RECEIVERS_MAX: Final = 1_000
"""Of one tenant; all of them fit one answer."""
TOKEN_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverAnswer:
    """What a call remembers for a replay. Not the token: it is kept nowhere."""

    receiver: str
    promise: LogPromise


@dataclass(frozen=True, slots=True)
class Created:
    """`token` is empty when the call was answered before."""

    overview: Overview
    token: str
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverService:
    database: Database
    log: TransparencyLog
    randomness: Randomness
    _replays: Replays[ReceiverAnswer] = field(default_factory=lambda: Replays(ReceiverAnswer))

    async def create(self, name: ReceiverName, audience: str, *, request: RequestKey, now: datetime) -> Created:
        """The token has 256 random bits in 43 characters of base64url. Raises InvalidArgument, AlreadyExists, and
        FailedPrecondition when the tenant has as many as it may.
        """
        check_audience(audience)
        token = base64.urlsafe_b64encode(self.randomness.bytes(TOKEN_BYTES)).rstrip(b"=").decode()
        receiver = Receiver(name=name, audience=audience, token_sha256=token_sha256(token), create_time=now)

        def act(tx: Connection) -> tuple[ReceiverAnswer, bool]:
            if (earlier := self._replays.find(tx, request)) is not None:
                return earlier, True
            _check_room(tx, name)
            receiver_store.insert_receiver(tx, receiver)
            details = {
                "audience_sha256": hashlib.sha256(audience.encode()).hexdigest(),
                "token_sha256": receiver.token_sha256.hex(),
            }
            answer = ReceiverAnswer(receiver=str(name), promise=self._record(tx, "created", name, details, now))
            self._replays.store(tx, request, answer, now)
            return answer, False

        answer, replayed = await self.database.write(act)
        await self.log.confirm(answer.promise, published=False)
        overview = await self.database.read(lambda tx: _overview(tx, name))
        return Created(overview, "" if replayed else token, replayed)

    async def list(self, tenant: str) -> Sequence[Overview]:
        """By id."""

        def look(tx: Connection) -> Sequence[Overview]:
            streams = stream_store.all_of(tx, tenant)
            return [_of(tx, each, streams.get(each.name)) for each in receiver_store.list_receivers(tx, tenant)]

        return await self.database.read(look)

    async def delete(self, name: ReceiverName, *, now: datetime) -> Overview:
        """Its stream and all that waits go with it; gives what was there. Raises the uniform not-found."""

        def act(tx: Connection) -> tuple[Overview, LogPromise]:
            receiver_store.lock_receiver(tx, name)
            overview = _overview(tx, name)
            if overview.stream is not None:
                stream_store.delete_stream(tx, overview.stream.id)
            receiver_store.delete_receiver(tx, name)
            return overview, self._record(tx, "deleted", name, {}, now)

        overview, promise = await self.database.write(act)
        await self.log.confirm(promise, published=False)
        return overview

    def _record(
        self, tx: Connection, act: str, name: ReceiverName, details: dict[str, str], now: datetime
    ) -> LogPromise:
        key = new_id(now, self.randomness)
        return self.log.record(tx, LogEntry(key, f"ssf-receiver.{act}", name.tenant, str(name), now, {**details}))


def _check_room(tx: Connection, name: ReceiverName) -> None:
    if receiver_store.find_receiver(tx, name) is not None:
        raise AlreadyExists(Reason.RECEIVER_EXISTS, f"{name} exists; take another receiver_id", resource=str(name))
    if receiver_store.count_receivers(tx, name.tenant) >= RECEIVERS_MAX:
        raise FailedPrecondition(
            Reason.STATE_TRANSITION_INVALID, f"a tenant has at most {RECEIVERS_MAX} receivers", resource=str(name)
        )


def _overview(tx: Connection, name: ReceiverName) -> Overview:
    receiver = receiver_store.find_receiver(tx, name)
    if receiver is None:
        raise not_found(str(name))
    return _of(tx, receiver, stream_store.find_stream(tx, name))


def _of(tx: Connection, receiver: Receiver, stream: Stream | None) -> Overview:
    return Overview(receiver, stream, 0 if stream is None else queue_store.count(tx, stream.id))
