"""Bearer tokens (RFC 6750): where they come from, and how they go with every call."""

import os
import re
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

import grpc

from hallmark_client.errors import HallmarkError, ProfileInvalid, Unavailable

_TOKEN_BYTES_MAX: Final = 16 * 1024
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""RFC 6750, section 2.1."""


class TokenFile:
    """A token in a file that somebody renews: `token_file()` reads it again whenever the file has changed.

    Thread-safe. While the file can not be read, or is half written, the last token stays; before there was one,
    ProfileInvalid is raised.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._token = ""

    def __call__(self) -> str:
        with self._lock:
            try:
                self._read_if_changed()
            except ProfileInvalid:
                if not self._token:
                    raise
            return self._token

    def _read_if_changed(self) -> None:
        try:
            found = self._path.stat()
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
            if stamp == self._stamp:
                return
            with self._path.open("rb") as file:
                content = file.read(_TOKEN_BYTES_MAX + 1)
        except OSError as error:
            sentence = f"the token file {self._path} can not be read: {error.strerror}"
            raise ProfileInvalid("TOKEN_FILE_UNREADABLE", sentence) from error
        self._token, self._stamp = checked_token(content, str(self._path)), stamp


def asked(give: Callable[[], str]) -> Callable[[], str]:
    """A caller's own function, whose failure is Unavailable: the call is tried again within its deadline."""

    def token() -> str:
        try:
            return checked_token(give().encode(), "what the profile's token function gives")
        except HallmarkError:
            raise
        except Exception as error:  # whatever it does to get one
            sentence = f"the profile's token function failed: {type(error).__name__}"
            raise Unavailable("TOKEN_UNAVAILABLE", sentence) from error

    return token


def checked_token(content: bytes, where: str) -> str:
    """Raises ProfileInvalid; the sentence does not repeat the token."""
    text = content.decode("ascii", "replace").strip()
    if len(content) > _TOKEN_BYTES_MAX or not _TOKEN.fullmatch(text):
        raise ProfileInvalid("TOKEN_FILE_INVALID", f"{where} is no bearer token: one line, 16 KiB at most")
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
    keep_grpc_running()
    return grpc.composite_channel_credentials(tls, grpc.metadata_call_credentials(_Bearer(token), "hallmark-token"))


@cache
def keep_grpc_running() -> grpc.Channel:
    """A channel that is never used or closed, for programs whose calls take credentials from Python.

    When the last channel of a process is closed, gRPC (1.85) waits for its threads and holds the interpreter meanwhile;
    a thread that ends such credentials waits for the interpreter, and neither goes on.
    """
    return grpc.insecure_channel("unix:/never-used")


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
        except HallmarkError as error:
            callback((), RuntimeError(f"no bearer token: {error.message}"))
        else:
            callback((("authorization", f"Bearer {token}"),), None)
