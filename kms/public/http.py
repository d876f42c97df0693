"""Serves the public files over HTTP, read-only. Any static web server can do the same: the headers are all there is.

path                        type                        cache
checkpoint                  text/plain; charset=utf-8   no-store: the newest one is the point
tile/..., tile/entries/...  application/octet-stream    a week, immutable: these bytes never change (C2SP tlog-tiles)
trust/.../bundle-7.json     application/json            a week, immutable
anything else               by its ending               no-cache: may be kept, but asked about again (ETag)

Paths may stand below a prefix, such as `log/checkpoint`. What is not there is 404 and never cached, because a tile
that is missing now may be published next. Folders are not listed.
"""

import asyncio
import contextlib
import gzip
import hashlib
import re
import socket
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from kms.public.errors import PublicPathInvalid
from kms.public.files import check_path

_TILE = re.compile(r"(?:.*/)?tile/(?P<bundle>entries/)?[0-9x./p]+", re.ASCII)
_BUNDLE = re.compile(r"(?:.*/)?trust/[a-z0-9-]+/bundle-[0-9]+\.json", re.ASCII)
_CHECKPOINT = re.compile(r"(?:.*/)?checkpoint", re.ASCII)
_TAKES_GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(?:\.0*)?(?![.0-9]))")
_TYPES = {".json": "application/json", ".html": "text/html; charset=utf-8", ".pem": "application/x-pem-file"}
_IMMUTABLE = "public, max-age=604800, immutable"
_TEXT = "text/plain; charset=utf-8"
_OPEN_TO_ALL = {"access-control-allow-origin": "*", "x-content-type-options": "nosniff"}
CONNECTIONS_MAX = 1000
REQUEST_SECONDS = 10.0
"""How long a request line and its headers may take to arrive."""
_START_SECONDS = 10.0
_POLL_SECONDS = 0.01
_GRACE_SECONDS = 2


@dataclass(frozen=True, slots=True)
class _Kind:
    """How one path is served. `compress` is for what shrinks: entry bundles, which tlog-tiles asks to compress."""

    media_type: str
    cache_control: str
    compress: bool = False


def _kind_of(path: str) -> _Kind:
    if match := _TILE.fullmatch(path):
        return _Kind("application/octet-stream", _IMMUTABLE, compress=match["bundle"] is not None)
    if _BUNDLE.fullmatch(path):
        return _Kind(_TYPES[".json"], _IMMUTABLE)
    if _CHECKPOINT.fullmatch(path):
        return _Kind(_TEXT, "no-store")
    name = path.rpartition("/")[2]
    default = _TEXT if "." not in name else "application/octet-stream"
    return _Kind(_TYPES.get(Path(name).suffix, default), "no-cache")


def public_app(folder: Path) -> Starlette:
    """An ASGI application for GET and HEAD below `folder`. Any other method is 405, anything not there 404."""
    root = folder.resolve()

    async def serve(request: Request) -> Response:
        return await asyncio.to_thread(_answer, root, request)

    return Starlette(routes=[Route("/{path:path}", serve, methods=["GET"])])


def _answer(root: Path, request: Request) -> Response:
    path = request.path_params["path"]
    content = _read(root, path)
    if content is None:
        return Response("not found\n", 404, {**_OPEN_TO_ALL, "cache-control": "no-store"}, _TEXT)
    kind = _kind_of(path)
    etag = f'"{hashlib.sha256(content).hexdigest()}"'
    headers = {**_OPEN_TO_ALL, "cache-control": kind.cache_control, "etag": etag}
    if kind.compress:
        headers["vary"] = "accept-encoding"
        if _TAKES_GZIP.search(request.headers.get("accept-encoding", "")):
            headers |= {"content-encoding": "gzip", "etag": etag[:-1] + '-gzip"'}
    if headers["etag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if "content-encoding" in headers:
        content = gzip.compress(content, compresslevel=1, mtime=0)
    return Response(content, headers=headers, media_type=kind.media_type)


def _read(root: Path, path: str) -> bytes | None:
    try:
        target = (root / check_path(path)).resolve()
        if not target.is_relative_to(root):  # a symbolic link that leads out
            return None
        return target.read_bytes()
    except (PublicPathInvalid, OSError):
        return None


class PublicServer:
    """Runs an ASGI application in the running event loop, without touching the process's signal handlers."""

    def __init__(
        self,
        app: Callable[..., Awaitable[None]],
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
            log_level="warning",
            access_log=False,
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
    """One HTTP connection. Closed when a request takes too long to arrive, or when there are too many connections:
    nobody who has not even authenticated may use up the process's file descriptors.
    """

    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS_MAX:
            transport.close()
        self._wait_for_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        running: RequestResponseCycle | None = self.cycle  # uvicorn leaves it None before the first request
        if running is not None and not running.response_complete:
            self._stop_waiting()  # the request is here
        elif self._patience is None:
            self._wait_for_request()  # the beginning of the next one

    def _wait_for_request(self) -> None:
        self._patience = self.loop.call_later(REQUEST_SECONDS, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


class _QuietServer(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to whoever started the process: it closes this server among others, in its order."""
        yield
