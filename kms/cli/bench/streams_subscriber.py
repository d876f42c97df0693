"""One device that watches events, and what all of a process have seen."""

import asyncio
import ssl
import time
from array import array
from typing import Final, cast

from kms.cli.bench.streams_http2 import Connection, fields_of, opening

PATH: Final = "/hallmark.v1.EventService/WatchEvents"
_FEED, _EVENT, _BOOKMARK, _CURSOR = 1, 3, 4, 7
"""Fields of hallmark.v1.WatchEventsResponse."""
_JTI: Final = b'"jti":"'
_JTI_BYTES: Final = 36


class Tally:
    """Arrivals of events (by jti, then by subscriber; time.monotonic, one clock for all processes of a machine)."""

    def __init__(self, subscribers: int) -> None:
        self.subscribers = subscribers
        self.arrivals: dict[str, array[float]] = {}
        self.received = 0
        self.duplicated = 0
        self.open = 0
        self.cancelled = 0
        """Streams that ended, or never began, though nobody here had closed them."""
        self.causes: dict[str, int] = {}

    def event(self, number: int, jti: str) -> None:
        times = self.arrivals.get(jti)
        if times is None:
            times = self.arrivals[jti] = array("d", bytes(8 * self.subscribers))
        if times[number]:
            self.duplicated += 1
            return
        times[number] = time.monotonic()
        self.received += 1

    def cancel(self, cause: str) -> None:
        self.cancelled += 1
        self.causes[cause] = self.causes.get(cause, 0) + 1


class Subscriber(asyncio.Protocol):
    """A connection with one stream. TLS goes through memory here: asyncio's own costs 256 KiB a connection."""

    __slots__ = (
        "_bookmarks",
        "_connection",
        "_feeds",
        "_handshaken",
        "_incoming",
        "_number",
        "_outgoing",
        "_request",
        "_tally",
        "_tls",
        "_transport",
        "caught_up",
        "cursors",
    )

    def __init__(self, number: int, tally: Tally, *, request: bytes, feeds: int, tls: ssl.SSLContext | None) -> None:
        """`request`: all that is said (streams_http2.opening). `feeds`: how many bookmarks are awaited. `tls`: holds
        the certificate of this subscriber now; it may be given another one for the next.
        """
        self._number = number
        self._tally = tally
        self._request = request
        self._feeds = feeds
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = None if tls is None else tls.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")
        self._handshaken = tls is None
        self._transport: asyncio.Transport | None = None
        self._connection = Connection(answer=self._send, message=self._message)
        self._bookmarks = 0
        self.cursors: dict[int, str] = {}
        """By feed: of the last frame."""
        self.caught_up = asyncio.get_running_loop().create_future()
        """When every feed has sent a bookmark. Cancelled when the stream ends before."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has another base
        if self._tls is None:
            self._send(self._request)
        else:
            self._shake_hands()

    def data_received(self, data: bytes) -> None:
        if self._tls is None:
            self._connection.receive(data)
        else:
            self._incoming.write(data)
            if self._handshaken or self._shake_hands():
                self._read()
        if self._connection.ended and self._transport is not None:
            self._lost("ended by the server")

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost("connection lost" if exc is None else type(exc).__name__)

    def close(self) -> None:
        """At once and without a word, as a phone that loses its network."""
        transport, self._transport = self._transport, None
        if transport is not None:
            self._tally.open -= self.caught_up.done()
            transport.abort()

    def fail(self, cause: str) -> None:
        """It did not come to a stream."""
        self._lost(cause, connected=self._transport is not None)

    def _lost(self, cause: str, *, connected: bool = True) -> None:
        if connected and self._transport is None:
            return  # told already, or closed here
        self._tally.cancel(cause if self._handshaken else f"{cause} during the handshake")
        self.close()
        if not self.caught_up.done():
            self.caught_up.cancel()

    def _shake_hands(self) -> bool:
        assert self._tls is not None
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return False
        except ssl.SSLError as error:
            self._flush()
            self._lost(f"TLS: {error.reason}")
            return False
        self._handshaken = True
        self._send(self._request)
        return True

    def _read(self) -> None:
        assert self._tls is not None
        try:
            while self._incoming.pending or self._tls.pending():
                data = self._tls.read(1 << 16)
                if not data:
                    break
                self._connection.receive(data)
        except ssl.SSLWantReadError:  # the rest of a record is on its way
            return
        except ssl.SSLError as error:
            self._lost(f"TLS: {error.reason}")

    def _send(self, data: bytes) -> None:
        if self._transport is None:
            return
        if self._tls is None:
            self._transport.write(data)
        else:
            self._tls.write(data)
            self._flush()

    def _flush(self) -> None:
        if self._transport is not None and self._outgoing.pending:
            self._transport.write(self._outgoing.read())

    def _message(self, message: bytes) -> None:
        feed = 0
        for number, value, start, end in fields_of(message):
            if number == _FEED:
                feed = value
            elif number == _EVENT:
                at = message.find(_JTI, start, end) + len(_JTI)
                self._tally.event(self._number, message[at : at + _JTI_BYTES].decode("ascii"))
            elif number == _CURSOR:
                self.cursors[feed] = message[start:end].decode("ascii")
            elif number == _BOOKMARK:
                self._bookmarks += 1
                if self._bookmarks == self._feeds and not self.caught_up.done():
                    self._tally.open += 1
                    self.caught_up.set_result(None)


def request_bytes(message: bytes, *, authority: str, encrypted: bool) -> bytes:
    """What a subscriber says for a WatchEventsRequest."""
    return opening(scheme="https" if encrypted else "http", authority=authority, path=PATH, message=message)
