"""Gets the bytes of collateral from where the operator keeps them. Blocking; runs in a thread.

From a file: its bytes, as old as its last change. From https, or http on this machine: the answer, bounded in size and
time, no redirect to anything weaker.
"""

import ipaddress
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from datetime import UTC, datetime
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO

BYTES_MAX = 64 * 1024 * 1024
"""The largest: FIDO metadata. Each kind has its own, smaller bound when it is parsed."""
TIMEOUT_SECONDS = 10.0
_CHUNK = 64 * 1024


class FetchFailed(Exception):
    """It could not be got; the text says why."""


def is_url(source: str) -> bool:
    return "://" in source


def check_source(source: str) -> str:
    """Raises ValueError for a URL that is neither https nor on this machine: http can be changed on its way."""
    if is_url(source) and not _allowed(source):
        raise ValueError(f"source {source!r} must be a file, an https URL, or an http URL of this machine")
    return source


def read_file(path: Path) -> tuple[bytes, datetime]:
    """Bytes and time of last change."""
    try:
        with path.open("rb") as file:
            data = file.read(BYTES_MAX + 1)
            changed = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
    except OSError as error:
        raise FetchFailed(f"{path} can not be read: {error.strerror}") from error
    return _bounded(data), changed


def read_url(url: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> bytes:
    """The body of a 200 answer; `timeout_seconds` is for the whole of it."""
    deadline = time.monotonic() + timeout_seconds
    # The way to this machine itself never leads over a proxy; to elsewhere the operator's proxy settings hold.
    proxies = [urllib.request.ProxyHandler({})] if url.startswith("http:") else []
    opener = urllib.request.build_opener(_StrictRedirects(), *proxies)
    try:
        with opener.open(url, timeout=timeout_seconds) as response:
            return _read_body(response, deadline)
    except (OSError, HTTPException, ValueError) as error:  # URLError is an OSError
        raise FetchFailed(f"{url} can not be fetched: {error}") from error


def _read_body(response: HTTPResponse, deadline: float) -> bytes:
    data = bytearray()
    while chunk := response.read1(_CHUNK):
        data += chunk
        _bounded(data)
        if time.monotonic() > deadline:
            raise FetchFailed("the server sends too slowly")
    return bytes(data)


def _bounded(data: bytes | bytearray) -> bytes:
    if len(data) > BYTES_MAX:
        raise FetchFailed(f"it is larger than {BYTES_MAX} bytes")
    return bytes(data)


def _allowed(url: str) -> bool:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "https":
        return bool(parts.hostname)
    return parts.scheme == "http" and _is_loopback(parts.hostname or "")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _StrictRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        if not _allowed(newurl):
            raise urllib.error.HTTPError(newurl, code, "redirect to a place that is not allowed", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)
