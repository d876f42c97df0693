"""Serves the public files over HTTP, read-only. Any static web server can do the same: the headers are all there is.

kms.public.answers says what a path answers. What is not there is 404 and never cached, because a tile that is missing
now may be published next. Folders are not listed.
"""

import asyncio
import contextlib
import re
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import uvicorn
from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from kms.public.answers import KEPT_BYTES_MAX, Answers, Header

_TAKES_GZIP = re.compile(rb"\bgzip\b(?!\s*;\s*q=0(?:\.0*)?(?![.0-9]))", re.IGNORECASE)
_REFUSAL: Sequence[Header] = [
    (b"access-control-allow-origin", b"*"),
    (b"cache-control", b"no-store"),
    (b"content-type", b"text/plain; charset=utf-8"),
]
CONNECTIONS_MAX = 1000
REQUEST_SECONDS = 10.0
"""How long a request line and its headers may take to arrive."""
ANSWER_SECONDS = 120.0
"""How long a reader may take for one answer, which has 16 MB at most."""
_START_SECONDS = 10.0
_POLL_SECONDS = 0.01
_GRACE_SECONDS = 2


def public_app(folder: Path, *, kept_bytes_max: int = KEPT_BYTES_MAX) -> ASGI3Application:
    """An ASGI application for GET and HEAD below `folder`. Any other method is 405, anything not there 404.

    Files that never change are kept in memory for a while, up to `kept_bytes_max`.
    """
    answers = Answers(folder, kept_bytes_max=kept_bytes_max, monotonic=time.monotonic)

    async def serve(scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        assert scope["type"] == "http", "PublicServer serves nothing else"
        if scope["method"] not in {"GET", "HEAD"}:
            return await _send(send, 405, [*_REFUSAL, (b"allow", b"GET, HEAD")], b"method not allowed\n")
        path = scope["path"].removeprefix("/")
        asked = {name: value for name, value in scope["headers"] if name in {b"accept-encoding", b"if-none-match"}}
        takes_gzip = _TAKES_GZIP.search(asked.get(b"accept-encoding", b"")) is not None
        answer = answers.kept(path, takes_gzip=takes_gzip)
        if answer is None:
            answer = await asyncio.to_thread(answers.read, path, takes_gzip=takes_gzip)
            if answer is None:
                return await _send(send, 404, _REFUSAL, b"not found\n")
            answers.keep(path, answer, takes_gzip=takes_gzip)
        known = asked.get(b"if-none-match", b"")
        if answer.etag.encode() in known or known.strip() == b"*":
            return await _send(send, 304, answer.headers, None)
        return await _send(send, 200, answer.headers, answer.body)

    return serve


async def _send(send: ASGISendCallable, status: int, headers: Sequence[Header], body: bytes | None) -> None:
    """A HEAD request is answered without the body: uvicorn leaves it out."""
    length = [] if body is None else [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *length], "trailers": False})
    await send({"type": "http.response.body", "body": body or b"", "more_body": False})


class PublicServer:
    """Runs an ASGI application in the running event loop, without touching the process's signal handlers."""

    def __init__(
        self,
        app: ASGI3Application,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        """Port 0 takes a free one."""
        self._address = (host, port)
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            log_level="error",  # a warning for every malformed request would let anybody fill the service's log
            access_log=False,
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
            http=BoundedConnection,
        )
        self._server = _QuietServer(config)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> str:
        """Returns the URL it really listens on, without a slash at the end. Raises OSError when the port is taken."""
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        listener = socket.create_server(self._address, family=family, backlog=1024)
        host, port = listener.getsockname()[:2]
        self._task = asyncio.create_task(self._server.serve([listener]), name="public-http")
        async with asyncio.timeout(_START_SECONDS):
            while not self._server.started:
                if self._task.done():
                    self._task.result()
                await asyncio.sleep(_POLL_SECONDS)
        return f"http://[{host}]:{port}" if family == socket.AF_INET6 else f"http://{host}:{port}"

    async def close(self) -> None:
        """Stops listening, gives open answers two seconds, then returns. Idempotent."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
            self._task = None


class BoundedConnection(H11Protocol):
    """One HTTP connection. Cut off when a request takes too long to arrive or its answer to be taken: nobody who has
    not even authenticated may use up the process's file descriptors. When there are too many connections, the one that
    has been idle for longest makes room: a crowd of idle ones keeps nobody out.
    """

    began = 0.0
    """When it came to be idle, or its request arrived (the loop's time)."""
    _patience: asyncio.TimerHandle | None = None
    _answered: RequestResponseCycle | None = None
    """The request that the patience is for; None while one is waited for."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._have_patience(REQUEST_SECONDS)
        if len(self.connections) > CONNECTIONS_MAX:
            bounded = [each for each in self.connections if isinstance(each, BoundedConnection)]
            idle = [each for each in bounded if each.request is None and not each.transport.is_closing()]
            min(idle, key=lambda each: each.began).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._patience is not None:
            self._patience.cancel()
        super().connection_lost(exc)

    @property
    def request(self) -> RequestResponseCycle | None:
        """The one that is being answered."""
        running: RequestResponseCycle | None = self.cycle  # uvicorn leaves it None before the first request
        return None if running is None or running.response_complete else running

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if (request := self.request) is not self._answered:  # a request is here, or the next one begins
            self._answered = request
            self._have_patience(REQUEST_SECONDS if request is None else ANSWER_SECONDS)

    def _have_patience(self, seconds: float) -> None:
        """Until the next call. `abort` does not wait, as `close` would, for a reader to take what is buffered."""
        if self._patience is not None:
            self._patience.cancel()
        self.began = self.loop.time()
        self._patience = self.loop.call_later(seconds, self.transport.abort)


class _QuietServer(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to whoever started the process: it closes this server among others, in its order."""
        yield
