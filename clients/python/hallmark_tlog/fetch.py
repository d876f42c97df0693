"""Reading a log's public files, from a folder or over HTTP.

Paths are those of tlog-tiles, below the log's prefix: `checkpoint`, `tile/<L>/<N>`, `tile/entries/<N>`. Anything else
is refused before it reaches the file system or the network, so a path can never leave the folder.
"""

import io
import socket
import ssl
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hallmark_tlog.bundles import MAX_BUNDLE_BYTES
from hallmark_tlog.canonical import HASH_SIZE
from hallmark_tlog.errors import FetchError, MissingResource
from hallmark_tlog.note import MAX_NOTE_BYTES
from hallmark_tlog.tiles import CHECKPOINT_PATH, parse_tile_path

Fetch = Callable[[str], bytes]
"""`fetch(path)` returns a file's bytes. Raises MissingResource if the log has no such file, FetchError if it cannot be
read now; FormatError for a path that no log has."""

_CHUNK_BYTES = 64 * 1024


def folder_fetcher(folder: str | Path) -> Fetch:
    """Read a log from a folder that a static server could serve. Compressed copies (`.gz`) are not looked at."""
    root = Path(folder)

    def fetch(path: str) -> bytes:
        limit = _max_bytes(path)
        try:
            with (root / path).open("rb") as file:
                data = file.read(limit + 1)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise MissingResource(path) from error
        except OSError as error:
            raise FetchError(path, f"cannot be read: {error.strerror}") from error
        return _bounded(path, data, limit)

    return fetch


def http_fetcher(
    prefix: str,
    *,
    timeout_seconds: float = 10.0,
    total_seconds: float = 60.0,
    tls: ssl.SSLContext | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> Fetch:
    """Read a log below an http or https URL prefix. Redirects are refused: give the final prefix.

    `timeout_seconds` bounds each wait on the network, `total_seconds` one answer. Bodies are bounded by what the path
    can hold, also after gzip. Without `tls`, https uses the system's trust anchors.
    """
    _check_prefix(prefix)
    base = prefix.rstrip("/")
    opener = _opener(ssl.create_default_context() if tls is None else tls, total_seconds, monotonic)

    def fetch(path: str) -> bytes:
        limit = _max_bytes(path)
        # tlog-tiles: clients name gzip and identity; a log may compress without being asked.
        request = urllib.request.Request(f"{base}/{path}", headers={"Accept-Encoding": "gzip, identity"})  # noqa: S310 - scheme checked above
        try:
            with opener.open(request, timeout=timeout_seconds) as response:
                encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
                body = _read_body(path, response, limit)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
                raise MissingResource(path) from error
            raise FetchError(path, f"the server answered {error.code}") from error
        except (OSError, HTTPException, ValueError) as error:
            raise FetchError(path, f"the server cannot be read: {error}") from error
        return _decoded(path, body, encoding, limit)

    return fetch


def _check_prefix(prefix: str) -> None:
    try:
        parts = urlsplit(prefix)
    except ValueError as error:
        raise FetchError(prefix, "is not a URL") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise FetchError(prefix, "a log's prefix is an http or https URL")


def _opener(tls: ssl.SSLContext, total_seconds: float, monotonic: Callable[[], float]) -> urllib.request.OpenerDirector:
    class Response(HTTPResponse):
        def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
            super().__init__(sock, *args, **options)
            self.fp = io.BufferedReader(_Until(self.fp.detach(), monotonic() + total_seconds, monotonic))

    class Plain(HTTPConnection):
        response_class = Response

    class Secure(HTTPSConnection):
        response_class = Response

    class PlainHandler(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> HTTPResponse:
            return self.do_open(Plain, req)

    class SecureHandler(urllib.request.HTTPSHandler):
        def https_open(self, req: urllib.request.Request) -> HTTPResponse:
            return self.do_open(Secure, req, context=tls)

    return urllib.request.build_opener(_NoRedirect, PlainHandler, SecureHandler(context=tls))


class _Until(io.RawIOBase):
    """A connection that is read until `deadline`: waits for one byte after the other have no sum of their own."""

    def __init__(self, raw: io.RawIOBase, deadline: float, monotonic: Callable[[], float]) -> None:
        self._raw = raw
        self._deadline = deadline
        self._monotonic = monotonic

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._monotonic() > self._deadline:
            raise TimeoutError("it sends too slowly")
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: object) -> None:
        """Answer with no further request: urllib then raises the redirect as an HTTPError."""


def _max_bytes(path: str) -> int:
    if path == CHECKPOINT_PATH:
        return MAX_NOTE_BYTES
    tile = parse_tile_path(path)
    return MAX_BUNDLE_BYTES if tile.level is None else tile.width * HASH_SIZE


def _read_body(path: str, response: HTTPResponse, limit: int) -> bytes:
    if response.status != HTTPStatus.OK:
        raise FetchError(path, f"the server answered {response.status}")
    body = bytearray()
    while len(body) <= limit and (chunk := response.read1(min(_CHUNK_BYTES, limit + 1 - len(body)))):
        body += chunk
    if len(body) <= limit and response.length:
        raise FetchError(path, f"the connection ended {response.length} bytes too early")
    return _bounded(path, bytes(body), limit)


def _decoded(path: str, body: bytes, encoding: str, limit: int) -> bytes:
    match encoding:
        case "identity" | "":
            return body
        case "gzip" | "x-gzip":
            reader = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
            try:
                data = reader.decompress(body, limit + 1)
            except zlib.error as error:
                raise FetchError(path, "the gzip body is damaged") from error
            if len(data) <= limit and (not reader.eof or reader.unused_data):
                raise FetchError(path, "the gzip body is not one whole stream")
            return _bounded(path, data, limit)
        case _:
            raise FetchError(path, f"the content encoding {encoding!r} was not asked for")


def _bounded(path: str, data: bytes, limit: int) -> bytes:
    if len(data) > limit:
        raise FetchError(path, f"is larger than the {limit} bytes it can have")
    return data
