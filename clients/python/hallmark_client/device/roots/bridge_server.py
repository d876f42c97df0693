"""The socket of a bridge: listens in a folder of its own, answers processes of the same user, one after the other."""

import contextlib
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hallmark_client.device.errors import RootUnavailable

from .bridge_frames import PREFIX_SIZE, BridgeInvalid, Code, body_size, refusal
from .bridge_socket import check_folder, peer_uid, receive

_WAITING: Final = 16
_CLIENT_SECONDS: Final = 5.0
"""For the whole request: who is slower is let go, so that nobody keeps the others waiting for longer."""

Answer = Callable[[bytes], bytes]


def listen(path: Path) -> socket.socket:
    """Makes the folder (mode 0700) where there is none, and takes the place of a socket that nobody listens on.

    Raises RootUnavailable: another bridge listens there, or the folder is open to others.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_folder(path, uid=os.geteuid())
        if _is_alive(path):
            raise RootUnavailable("ROOT_UNAVAILABLE", f"a bridge listens on {path} already: choose another socket")
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(os.fspath(path))
        path.chmod(0o600)
        listener.listen(_WAITING)
    except OSError as error:
        raise RootUnavailable("ROOT_UNAVAILABLE", f"{path} can not be listened on: {error.strerror or error}") from None
    return listener


def serve(listener: socket.socket, answer: Answer) -> None:
    """Until the listener is closed, which raises OSError here."""
    while True:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):  # TimeoutError too: a peer that goes away is its own business
            _answer_one(connection, answer)


def _answer_one(connection: socket.socket, answer: Answer) -> None:
    until = time.monotonic() + _CLIENT_SECONDS
    connection.settimeout(_CLIENT_SECONDS)
    if peer_uid(connection) != os.geteuid():
        return
    try:
        size = body_size(bytes(receive(connection, PREFIX_SIZE, until=until, monotonic=time.monotonic)))
        body = receive(connection, size, until=until, monotonic=time.monotonic)
    except BridgeInvalid as error:
        connection.sendall(refusal(Code.INVALID, error.message))
        return
    connection.sendall(answer(bytes(body)))


def _is_alive(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(os.fspath(path))
        except OSError:
            return False
        return True
