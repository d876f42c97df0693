"""One round of pushes to one receiver (RFC 8935), over one connection: bounded in bytes and in time.

No redirect is followed, no proxy is used, and the connection goes to the very address that was checked
(kms.ssf.addresses); TLS still verifies the certificate for the name.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import h11

from kms.ssf.addresses import AddressRefused, Endpoint, Networks, parse_endpoint, resolve
from kms.ssf.model import Delivery

EXCHANGE_SECONDS: Final = 10.0
ANSWER_BYTES_MAX: Final = 16 * 1024
_CHUNK: Final = 8 * 1024
_ACCEPTED: Final = 202
_BAD_REQUEST: Final = 400
_TEXT_CHARACTERS_MAX: Final = 255


class PushFailed(Exception):
    """It is to be tried again later; the text says what happened."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The receiver has it (RFC 8935, section 2.2)."""


@dataclass(frozen=True, slots=True)
class Declined:
    """The receiver can not use it and says why (RFC 8935, section 2.3)."""

    err: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PushClient:
    """`tls` verifies receivers."""

    networks: Networks
    tls: ssl.SSLContext
    exchange_seconds: float = EXCHANGE_SECONDS

    @asynccontextmanager
    async def connected(self, delivery: Delivery) -> AsyncIterator["Exchange"]:
        """Raises PushFailed."""
        try:
            endpoint = parse_endpoint(delivery.endpoint_url, self.networks)
            async with asyncio.timeout(self.exchange_seconds):
                reader, writer = await self._connect(endpoint)
        except AddressRefused as error:
            raise PushFailed(str(error)) from error
        except (OSError, ValueError) as error:  # TimeoutError and SSLError are OSErrors; ValueError: IDNA
            raise PushFailed(f"no connection: {_said(error)}") from error
        try:
            yield Exchange(endpoint, delivery.authorization_header, reader, writer, self.exchange_seconds)
        finally:
            writer.transport.abort()  # nothing is left to be said, and nobody waits for the other side to agree

    async def _connect(self, endpoint: Endpoint) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """To the first address that takes it. Raises AddressRefused, OSError."""
        tls = {"ssl": self.tls, "server_hostname": endpoint.host} if endpoint.is_tls else {}
        problem = OSError("the host has no address")
        for address in await resolve(endpoint, self.networks):
            try:
                return await asyncio.open_connection(address, endpoint.port, **tls)  # type: ignore[arg-type]
            except OSError as error:
                problem = error
        raise problem


@dataclass(slots=True)
class Exchange:
    endpoint: Endpoint
    authorization_header: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    seconds: float
    _connection: h11.Connection | None = None

    async def push(self, token: str) -> Accepted | Declined:
        """Raises PushFailed for every other answer, and for none."""
        try:
            async with asyncio.timeout(self.seconds):
                status, body = await self._exchange(token.encode())
        except (OSError, h11.ProtocolError) as error:
            raise PushFailed(f"no answer: {_said(error)}") from error
        if status == _ACCEPTED:
            return Accepted()
        if status == _BAD_REQUEST and (declined := _declined(body)) is not None:
            return declined
        raise PushFailed(f"the receiver answered {status}")

    async def _exchange(self, body: bytes) -> tuple[int, bytes]:
        connection = self._next()
        headers = [
            ("Host", self.endpoint.authority),
            ("Content-Type", "application/secevent+jwt"),
            ("Accept", "application/json"),
            ("Content-Length", str(len(body))),
        ]
        if self.authorization_header:
            headers.append(("Authorization", self.authorization_header))
        request = h11.Request(method="POST", target=self.endpoint.target, headers=headers)
        sent = [connection.send(event) for event in (request, h11.Data(body), h11.EndOfMessage())]
        self.writer.write(b"".join(data for data in sent if data))
        await self.writer.drain()
        return await self._answer(connection)

    def _next(self) -> h11.Connection:
        """Raises PushFailed when the receiver closes after each answer; the next round begins anew."""
        if self._connection is None:
            self._connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=ANSWER_BYTES_MAX)
        else:
            self._connection.start_next_cycle()
        return self._connection

    async def _answer(self, connection: h11.Connection) -> tuple[int, bytes]:
        status, body = 0, bytearray()
        while True:
            match event := connection.next_event():
                case h11.NEED_DATA:
                    connection.receive_data(await self.reader.read(_CHUNK))
                case h11.Response():
                    status = event.status_code
                case h11.Data():
                    body += event.data
                    if len(body) > ANSWER_BYTES_MAX:
                        raise PushFailed("the receiver's answer is too large")
                case h11.EndOfMessage():
                    return status, bytes(body)
                case h11.ConnectionClosed() | h11.PAUSED:
                    raise PushFailed("the receiver closed the connection")

    @property
    def may_go_on(self) -> bool:
        """Whether the connection takes one more."""
        return self._connection is None or self._connection.their_state is h11.DONE


def _declined(body: bytes) -> Declined | None:
    """{"err", "description"}; anything else says nothing that could be kept."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(answer, dict) or not isinstance(answer.get("err"), str) or not answer["err"]:
        return None
    description = answer.get("description", "")
    text = description if isinstance(description, str) else ""
    return Declined(answer["err"][:_TEXT_CHARACTERS_MAX], text[:_TEXT_CHARACTERS_MAX])


def _said(error: Exception) -> str:
    return str(error)[:_TEXT_CHARACTERS_MAX] or type(error).__name__
