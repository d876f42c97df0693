"""Every endpoint of the transmitter: path, method, who may call it, what it answers.

Whoever has no token of a receiver is answered 401 whatever is asked; a stream of another receiver is 404 like one that
does not exist. Two paths are public: the configuration and the keys.
"""

import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from kms.core.canonical import Json
from kms.core.clock import Clock
from kms.core.database import Database
from kms.ssf import receiver_store
from kms.ssf.asgi import Answer, Request
from kms.ssf.bodies import parse_object
from kms.ssf.configuration import POLL_PATH
from kms.ssf.discovery import (
    ADD_SUBJECT_PATH,
    CONFIGURATION_PATH,
    JWKS_PATH,
    REMOVE_SUBJECT_PATH,
    STATUS_PATH,
    STREAM_PATH,
    VERIFY_PATH,
    transmitter_configuration,
)
from kms.ssf.errors import MethodNotAllowed, PathUnknown, RequestInvalid, TokenMissing
from kms.ssf.jwks import jwk_set
from kms.ssf.model import Receiver, token_sha256
from kms.ssf.originals import original
from kms.ssf.polling import PollService, parse_poll
from kms.ssf.sets import ORIGINALS_PATH
from kms.ssf.streams import StreamService

_PUBLIC_CACHE: Final = "public, max-age=300"
_TOKEN_CHARACTERS_MAX: Final = 512
_Act = Callable[[Receiver, Request], Awaitable[Answer]]
_Public = Callable[[], Awaitable[dict[str, Json]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransmitterEndpoints:
    """A kms.ssf.asgi.Endpoints."""

    database: Database
    streams: StreamService
    polling: PollService
    clock: Clock

    async def answer(self, request: Request) -> Answer:
        if (public := self._public.get(request.path)) is not None:
            if request.method not in {"GET", "HEAD"}:
                raise MethodNotAllowed("GET, HEAD")
            return Answer(200, await public(), cache_control=_PUBLIC_CACHE)
        acts = self._acts(request.path)
        if not acts:
            raise PathUnknown
        receiver = await self._receiver(request.token)
        if (act := acts.get(request.method)) is None:
            raise MethodNotAllowed(", ".join(acts))
        return await act(receiver, request)

    async def _receiver(self, token: str | None) -> Receiver:
        """Raises TokenMissing."""
        if token is None or len(token) > _TOKEN_CHARACTERS_MAX:
            raise TokenMissing
        given = token_sha256(token)
        receiver = await self.database.read(lambda tx: receiver_store.find_by_token(tx, given))
        if receiver is None or not hmac.compare_digest(receiver.token_sha256, given):
            raise TokenMissing
        return receiver

    @property
    def _public(self) -> Mapping[str, _Public]:
        return {CONFIGURATION_PATH: self._configuration, JWKS_PATH: lambda: jwk_set(self.database)}

    async def _configuration(self) -> dict[str, Json]:
        return transmitter_configuration(self.streams.settings.issuer)

    def _acts(self, path: str) -> Mapping[str, _Act]:
        """By method; empty for a path that is none."""
        if path.startswith(POLL_PATH):
            return {"POST": self._poll}
        if path.startswith(ORIGINALS_PATH):
            return {"GET": self._original}
        return {
            STREAM_PATH: {
                "GET": self._get,
                "POST": self._create,
                "PATCH": self._update,
                "PUT": self._replace,
                "DELETE": self._delete,
            },
            STATUS_PATH: {"GET": self._status, "POST": self._set_status},
            ADD_SUBJECT_PATH: {"POST": self._add_subject},
            REMOVE_SUBJECT_PATH: {"POST": self._remove_subject},
            VERIFY_PATH: {"POST": self._verify},
        }.get(path, {})

    async def _get(self, receiver: Receiver, request: Request) -> Answer:
        if "stream_id" not in request.query:
            return Answer(200, await self.streams.list(receiver))
        return Answer(200, await self.streams.get(receiver, _stream_id(request), self.clock.now()))

    async def _create(self, receiver: Receiver, request: Request) -> Answer:
        # A body is optional (SSF 1.0, section 8.1.1.1): everything in it has a default.
        members = parse_object(request.body or b"{}")
        return Answer(201, await self.streams.create(receiver, members, self.clock.now()))

    async def _update(self, receiver: Receiver, request: Request) -> Answer:
        members = parse_object(request.body)
        return Answer(200, await self.streams.change(receiver, members, self.clock.now(), whole=False))

    async def _replace(self, receiver: Receiver, request: Request) -> Answer:
        members = parse_object(request.body)
        return Answer(200, await self.streams.change(receiver, members, self.clock.now(), whole=True))

    async def _delete(self, receiver: Receiver, request: Request) -> Answer:
        await self.streams.delete(receiver, _stream_id(request), self.clock.now())
        return Answer(204)

    async def _status(self, receiver: Receiver, request: Request) -> Answer:
        return Answer(200, await self.streams.status(receiver, _stream_id(request), self.clock.now()))

    async def _set_status(self, receiver: Receiver, request: Request) -> Answer:
        return Answer(200, await self.streams.set_status(receiver, parse_object(request.body), self.clock.now()))

    async def _add_subject(self, receiver: Receiver, request: Request) -> Answer:
        await self.streams.add_subject(receiver, parse_object(request.body), self.clock.now())
        return Answer(200)

    async def _remove_subject(self, receiver: Receiver, request: Request) -> Answer:
        await self.streams.remove_subject(receiver, parse_object(request.body), self.clock.now())
        return Answer(204)

    async def _verify(self, receiver: Receiver, request: Request) -> Answer:
        await self.streams.verify(receiver, parse_object(request.body), self.clock.now())
        return Answer(204)

    async def _poll(self, receiver: Receiver, request: Request) -> Answer:
        stream_id = request.path.removeprefix(POLL_PATH)
        asked = parse_poll(parse_object(request.body))
        return Answer(200, await self.polling.poll(receiver, stream_id, asked, self.clock.now()))

    async def _original(self, receiver: Receiver, request: Request) -> Answer:
        return Answer(200, await original(self.database, receiver.name, request.path.removeprefix(ORIGINALS_PATH)))


def _stream_id(request: Request) -> str:
    if not request.query.get("stream_id"):
        raise RequestInvalid("the parameter stream_id is required")
    return request.query["stream_id"]
