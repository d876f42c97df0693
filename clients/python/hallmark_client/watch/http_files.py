"""Public files over plain HTTP. Nothing of it is trusted: whoever reads them verifies them."""

import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from http import HTTPStatus
from http.client import HTTPException
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from hallmark_client.errors import InvalidArgument, NotFound, Unavailable

ReadFile: TypeAlias = Callable[[str, int], bytes]
"""(path, most bytes) to a file's bytes. Raises NotFound, Unavailable."""

_WAIT_SECONDS: Final = 10.0
"""Longest wait for the connection, and for each part of an answer."""


def http_files(url: str, tenant: str, *, tls: ssl.SSLContext | None = None) -> ReadFile:
    """Below {url}/status/{tenant}/. Redirects are refused. Without `tls`, https uses the system's trust anchors.

    Raises InvalidArgument for what is no http or https URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InvalidArgument("FIELD_INVALID", f"{url!r} is not an http or https URL of public files")
    base = f"{url.rstrip('/')}/status/{tenant}"
    opener = urllib.request.build_opener(
        _NoRedirect, urllib.request.HTTPSHandler(context=tls or ssl.create_default_context())
    )

    def read(path: str, max_bytes: int) -> bytes:
        # The scheme was checked above. Caches may answer: what is too old is noticed by its date.
        request = urllib.request.Request(f"{base}/{path}", headers={"Accept-Encoding": "identity"})  # noqa: S310
        try:
            with opener.open(request, timeout=_WAIT_SECONDS) as response:
                data: bytes = response.read(max_bytes + 1)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
                raise NotFound("FILE_NOT_FOUND", f"{base}/{path} is not there") from error
            raise Unavailable("FILES_UNREACHABLE", f"{base}/{path} was answered with {error.code}") from error
        except (OSError, HTTPException, ValueError) as error:
            raise Unavailable("FILES_UNREACHABLE", f"{base}/{path} can not be read: {error}") from error
        if len(data) > max_bytes:
            raise Unavailable("FILES_UNREACHABLE", f"{base}/{path} is larger than the {max_bytes} bytes it can have")
        return data

    return read


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any) -> None:
        """Answer with no further request: urllib then raises the redirect as an HTTPError."""
