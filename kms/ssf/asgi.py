"""The transmitter as an ASGI application: reads requests, within bounds, and writes answers. kms.ssf.endpoints answers.

TLS is for who stands in front; the server is kms.public.http.PublicServer.
"""

import asyncio
import json
import logging
from dataclasses import dataclass, field
from typing import Final, Protocol
from urllib.parse import parse_qsl

from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, HTTPScope, Scope

from kms.core.canonical import Json
from kms.core.errors import ServiceError, Unavailable
from kms.ssf.bodies import BODY_BYTES_MAX
from kms.ssf.errors import BodyLate, BodyTooLarge, NotNow, RequestInvalid, SsfRefusal

BODY_SECONDS: Final = 10.0
_QUERY_BYTES_MAX: Final = 1024
_PARAMETERS_MAX: Final = 8
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """`token`: of Authorization: Bearer; None when there is none."""

    method: str
    path: str
    query: dict[str, str]
    token: str | None
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` None: no content. What is not public is not to be stored by anybody."""

    status: int
    body: Json = None
    headers: dict[str, str] = field(default_factory=dict)
    cache_control: str = "no-store"


class Endpoints(Protocol):
    async def answer(self, request: Request) -> Answer:
        """Raises SsfRefusal, ServiceError."""


def ssf_app(endpoints: Endpoints) -> ASGI3Application:
    async def serve(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        assert scope["type"] == "http", "PublicServer serves nothing else"
        try:
            answer = await endpoints.answer(await _request(scope, receive))
        except SsfRefusal as refusal:
            answer = Answer(refusal.status, refusal.body, refusal.headers)
        except ServiceError as error:
            answer = _of_service_error(error)
        except _Gone:
            return
        except Exception:
            _logger.exception("a call of a receiver went wrong")
            answer = Answer(500, {"err": "internal_error", "description": "this is a fault of the transmitter"})
        await _send(send, answer)

    return serve


class _Gone(Exception):
    """The caller closed the connection before all was said."""


async def _request(scope: HTTPScope, receive: ASGIReceiveCallable) -> Request:
    headers = scope["headers"]
    return Request(
        method=scope["method"],
        path=scope["path"],
        query=_query(scope["query_string"]),
        token=_token([value for name, value in headers if name == b"authorization"]),
        body=await _body(receive),
    )


async def _body(receive: ASGIReceiveCallable) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    raise _Gone
                body += message["body"]
                if len(body) > BODY_BYTES_MAX:
                    raise BodyTooLarge(f"a body has at most {BODY_BYTES_MAX} bytes")
                if not message["more_body"]:
                    return bytes(body)
    except TimeoutError:
        raise BodyLate(f"the body did not arrive within {BODY_SECONDS:g} seconds") from None


def _query(query: bytes) -> dict[str, str]:
    if len(query) > _QUERY_BYTES_MAX:
        raise RequestInvalid("the query is too long")
    try:
        pairs = parse_qsl(
            query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_PARAMETERS_MAX
        )
    except ValueError:
        raise RequestInvalid("the query can not be read") from None
    if len(dict(pairs)) != len(pairs):
        raise RequestInvalid("the query names a parameter twice")
    return dict(pairs)


def _token(values: list[bytes]) -> str | None:
    """RFC 6750, section 2.1. Two headers are none."""
    if len(values) != 1:
        return None
    scheme, _, token = values[0].decode("latin-1").partition(" ")
    return token if scheme.lower() == "bearer" and token else None


def _of_service_error(error: ServiceError) -> Answer:
    if isinstance(error, Unavailable):
        later = NotNow()
        return Answer(later.status, later.body, later.headers)
    _logger.error("a call of a receiver failed: %s", error)
    return Answer(500, {"err": "internal_error", "description": "this is a fault of the transmitter"})


async def _send(send: ASGISendCallable, answer: Answer) -> None:
    content = b"" if answer.body is None else json.dumps(answer.body, separators=(",", ":")).encode()
    headers = {
        **({} if answer.body is None else {"content-type": "application/json"}),
        "cache-control": answer.cache_control,
        "x-content-type-options": "nosniff",
        **({} if answer.status == 204 else {"content-length": str(len(content))}),
        **answer.headers,
    }
    lines = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": lines, "trailers": False})
    await send({"type": "http.response.body", "body": content, "more_body": False})
