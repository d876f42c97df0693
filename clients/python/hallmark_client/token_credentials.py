"""Bearer tokens (RFC 6750): where they come from, and how they go with every call."""

import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import grpc

from hallmark_client.errors import HallmarkError, ProfileInvalid

_TOKEN_BYTES_MAX: Final = 16 * 1024
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""RFC 6750, section 2.1."""


class TokenFile:
    """A token in a file that somebody renews: `token_file()` reads it again whenever the file has changed.

    Thread-safe. Raises ProfileInvalid when the file can not be read or holds something else.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._token = ""

    def __call__(self) -> str:
        with self._lock:
            try:
                found = self._path.stat()
                stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
                if stamp != self._stamp:
                    with self._path.open("rb") as file:
                        self._token = checked_token(file.read(_TOKEN_BYTES_MAX + 1), str(self._path))
                    self._stamp = stamp
            except OSError as error:
                raise ProfileInvalid(
                    "TOKEN_FILE_UNREADABLE", f"the token file {self._path} can not be read: {error.strerror}"
                ) from error
            return self._token


def checked_token(content: bytes, where: str) -> str:
    """Raises ProfileInvalid; the sentence does not repeat the token."""
    text = content.decode("ascii", "replace").strip()
    if len(content) > _TOKEN_BYTES_MAX or not _TOKEN.fullmatch(text):
        raise ProfileInvalid("TOKEN_FILE_INVALID", f"{where} holds no bearer token: one line, 16 KiB at most")
    return text


def channel_credentials(
    *, ca_pem: bytes, cert_pem: bytes, key_pem: bytes, token: Callable[[], str] | None
) -> grpc.ChannelCredentials:
    """TLS with the client certificate where there is one, and the token of the moment with every call."""
    tls = grpc.ssl_channel_credentials(
        root_certificates=ca_pem, private_key=key_pem or None, certificate_chain=cert_pem or None
    )
    if token is None:
        return tls
    return grpc.composite_channel_credentials(tls, grpc.metadata_call_credentials(_Bearer(token), "hallmark-token"))


class _Bearer(grpc.AuthMetadataPlugin):
    def __init__(self, token: Callable[[], str]) -> None:
        self._token = token

    def __call__(
        self,
        context: grpc.AuthMetadataContext,  # noqa: ARG002
        callback: grpc.AuthMetadataPluginCallback,
    ) -> None:
        try:
            token = self._token()
        except Exception as error:  # whatever the caller's function raises: the call fails with it
            text = error.message if isinstance(error, HallmarkError) else f"{type(error).__name__} while asking for it"
            callback((), RuntimeError(f"no bearer token: {text}"))
        else:
            callback((("authorization", f"Bearer {token}"),), None)
