"""Where a repository is read from: a folder, or below an http or https URL. Nothing that comes from it is believed.

Paths are relative POSIX paths of a closed shape, so that none can leave the folder or the prefix.
"""

import os
import re
import ssl
import stat
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from hallmark_release.errors import SourceFailed, SourceMissing, SourceTooSlow
from hallmark_release.http_answers import AnswerTooSlow, handlers
from hallmark_release.scan import WITHOUT_WAITING

PORTION_BYTES: Final = 256 * 1024
TIMEOUT_SECONDS: Final = 30.0
LEAST_BYTES_PER_SECOND: Final = 1024
"""Of each `timeout_seconds` that were waited for: a byte now and then is no download, however fast it began."""

_MISSING: Final = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
"""Buckets whose list is not public answer 403 for what is not there."""

_URL: Final = re.compile("[!-~]{1,2048}", re.ASCII)
_PATH: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*", re.ASCII)


class ReleaseSource(Protocol):
    """The bytes of a repository."""

    def stream(self, path: str, *, start: int = 0) -> Iterator[bytes]:
        """The file from byte `start` on, in portions of at most 256 KiB.

        Raises SourceMissing where there is no such file, SourceFailed when it can not be read now; both also later,
        between portions. How long it is, is not believed: whoever reads must stop.
        """
        ...


def read_file(source: ReleaseSource, path: str, *, max_bytes: int) -> bytes:
    """A whole small file. Raises SourceFailed, also for one that is larger."""
    data = bytearray()
    for portion in source.stream(path):
        data += portion
        if len(data) > max_bytes:
            raise SourceFailed(f"{path} is larger than the {max_bytes} bytes it can have")
    return bytes(data)


class FolderSource:
    """A repository in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def stream(self, path: str, *, start: int = 0) -> Iterator[bytes]:
        location = self._folder / checked_location(path)
        try:
            # A pipe or a device in a folder that somebody gave us would keep us waiting, or never end.
            with open(location, "rb", opener=lambda path, flags: os.open(path, flags | WITHOUT_WAITING)) as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise SourceFailed(f"{path} is no regular file")
                file.seek(start)
                while portion := file.read(PORTION_BYTES):
                    yield portion
        except (FileNotFoundError, NotADirectoryError) as error:
            raise SourceMissing(f"{path} is not there") from error
        except OSError as error:
            raise SourceFailed(f"{path} can not be read: {error.strerror}") from error


class HttpSource:
    """A repository below a URL prefix. Redirects are refused: give the final prefix.

    timeout_seconds bounds each wait on the network, and the wait for the whole head of an answer. Without `tls`, https
    uses the system's trust anchors. Over http too nothing false is believed; but then everybody on the way sees which
    model is fetched. A prefix has no password in it (it would stand in errors and logs), no query and no fragment.
    """

    def __init__(
        self,
        prefix: str,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        tls: ssl.SSLContext | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        scheme = checked_prefix(prefix)
        self._prefix = prefix.rstrip("/")
        self._timeout_seconds = timeout_seconds
        self._monotonic = monotonic
        context = tls if tls is not None or scheme == "http" else ssl.create_default_context()
        self._opener = urllib.request.build_opener(_NoRedirect, *handlers(context))

    def stream(self, path: str, *, start: int = 0) -> Iterator[bytes]:
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={start}-"} if start else {})}
        request = urllib.request.Request(f"{self._prefix}/{checked_location(path)}", headers=headers)  # noqa: S310 - scheme checked above
        try:
            with self._opener.open(request, timeout=self._timeout_seconds) as response:
                yield from self._body(path, response, start)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in _MISSING:
                raise SourceMissing(f"{path} is not there") from error
            raise SourceFailed(f"{path}: the server answered {error.code}") from error
        except (AnswerTooSlow, TimeoutError) as error:
            raise SourceTooSlow(f"{path}: no answer in {self._timeout_seconds:.0f} seconds") from error
        except (OSError, HTTPException, ValueError) as error:
            raise SourceFailed(f"{path} can not be read: {error}") from error

    def _body(self, path: str, response: Any, start: int) -> Iterator[bytes]:
        skip = _bytes_before(path, response, start)
        waited, received = 0.0, 0
        while True:
            asked = self._monotonic()
            portion = response.read1(PORTION_BYTES)
            waited += self._monotonic() - asked
            if not portion:
                break
            received += len(portion)
            if waited >= self._timeout_seconds:
                if received < waited * LEAST_BYTES_PER_SECOND:
                    raise SourceTooSlow(f"{path}: {received} bytes came in {waited:.0f} seconds")
                waited, received = 0.0, 0
            dropped = min(skip, len(portion))
            skip -= dropped
            if dropped < len(portion):
                yield portion[dropped:]
        if response.length:
            raise SourceFailed(f"{path}: the connection ended {response.length} bytes too early")


def open_source(place: str) -> ReleaseSource:
    """A URL, or the path of a folder. Raises SourceFailed for a URL that is not usable."""
    if "://" in place:
        return HttpSource(place)
    return FolderSource(Path(place))


def checked_prefix(prefix: str) -> str:
    """Its scheme. Raises SourceFailed unless it is http(s)://host[:port][/path]; never repeats what it refuses."""
    try:
        parts = urlsplit(prefix)
        plain = parts.hostname and parts.port != 0 and not (parts.username or parts.password)
    except ValueError:  # brackets, a port that is no port
        plain = False
    if (
        not plain
        or parts.scheme not in ("http", "https")
        or "?" in prefix
        or "#" in prefix
        or not _URL.fullmatch(prefix)
    ):
        raise SourceFailed("a repository's URL is http(s)://host/path, with no password, query or fragment in it")
    return parts.scheme


def checked_location(path: str) -> str:
    """Raises SourceFailed for a path that no repository has."""
    if len(path) > 512 or not _PATH.fullmatch(path):
        raise SourceFailed(f"{path[:80]!r} is no path of a repository")
    return path


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: object) -> None:
        """Answer with no further request: urllib then raises the redirect as an HTTPError."""


def _bytes_before(path: str, response: Any, start: int) -> int:
    """How many bytes come that were not asked for: a server without ranges sends all of the file."""
    if response.status == HTTPStatus.PARTIAL_CONTENT:
        if not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            raise SourceFailed(f"{path}: the server sent another range than was asked for")
        return 0
    if response.status != HTTPStatus.OK:
        raise SourceFailed(f"{path}: the server answered {response.status}")
    return start
