"""HTTP exchanges with one witness, bounded in bytes and in time. Blocking; run them in a thread.

The connection is kept for the next exchange, as C2SP tlog-witness asks of clients. No redirect is followed and no proxy
is used: what a policy names as a witness is the witness.
"""

import ipaddress
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final
from urllib.parse import SplitResult, urlsplit

ANSWER_BYTES_MAX: Final = 64 * 1024
"""A cosignature of ML-DSA-44 has 3.3 KB; a checkpoint that many witnesses cosigned is the largest answer."""


class WitnessUnreachable(Exception):
    """There is no whole answer; the text says why."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    status: int
    content_type: str
    body: bytes


def check_witness_url(url: str) -> SplitResult:
    """The parts of a submission prefix: https, or http on this machine.

    Raises ValueError for anything else: on its way, http can be read and changed by others.
    """
    parts = urlsplit(url)
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname or ""))
    is_prefix = not (parts.query or parts.fragment or parts.username is not None or parts.password is not None)
    if not (is_safe and is_prefix and parts.hostname) or parts.port == 0:
        raise ValueError(f"{url!r} must be an https URL, or an http URL of this machine, without query and password")
    return parts


class WitnessHttp:
    """The connection to one submission prefix. For one thread at a time."""

    def __init__(self, url: str) -> None:
        """Raises ValueError, see `check_witness_url`."""
        parts = check_witness_url(url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connection = kind(parts.hostname or "", parts.port)
        self._prefix = parts.path.rstrip("/")
        self._is_over = False

    def cut_off(self) -> None:
        """From any thread: ends the exchange that runs now, and there will be no other. `close` it after that."""
        self._is_over = True
        if self._connection.sock is not None:
            _shut(self._connection.sock)

    def close(self) -> None:
        self._connection.close()

    def exchange(self, method: str, path: str, body: bytes | None, *, timeout_seconds: float) -> HttpAnswer:
        """`path` is below the prefix. Any status is an answer; none within the time raises WitnessUnreachable."""
        deadline = time.monotonic() + timeout_seconds
        was_kept = self._connection.sock is not None
        try:
            try:
                return self._exchange(method, path, body, deadline)
            except (OSError, HTTPException, ValueError):
                if not was_kept or self._is_over:
                    raise
                self._connection.close()  # a server may close a kept connection at any moment
                return self._exchange(method, path, body, deadline)
        except (OSError, HTTPException, ValueError) as error:
            late = time.monotonic() >= deadline
            raise WitnessUnreachable(f"no answer within {timeout_seconds:g} s" if late else str(error)) from error

    def _exchange(self, method: str, path: str, body: bytes | None, deadline: float) -> HttpAnswer:
        connection = self._connection
        seconds = deadline - time.monotonic()
        if seconds <= 0 or self._is_over:
            raise TimeoutError("no time is left")
        connection.timeout = seconds
        try:
            if connection.sock is None:
                connection.connect()
            connection.sock.settimeout(seconds)
            with _cut_off(connection.sock, deadline):
                connection.request(
                    method, f"{self._prefix}/{path}", body, {"Content-Type": "text/plain; charset=utf-8"}
                )
                with connection.getresponse() as response:
                    data = response.read(ANSWER_BYTES_MAX + 1)
                    is_whole = not response.length
            if len(data) > ANSWER_BYTES_MAX:
                raise WitnessUnreachable(f"its answer is larger than {ANSWER_BYTES_MAX} bytes")
            if not is_whole or time.monotonic() >= deadline:
                raise HTTPException("its answer ended too early")
        except BaseException:
            connection.close()
            raise
        return HttpAnswer(response.status, response.headers.get_content_type(), data)


@contextmanager
def _cut_off(sock: socket.socket, deadline: float) -> Iterator[None]:
    """Ends what blocks on the socket at the deadline. Its own timeout is for each wait, and a slow server has many."""
    timer = threading.Timer(max(0.0, deadline - time.monotonic()), _shut, [sock])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _shut(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:  # it has ended by itself
        return


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
