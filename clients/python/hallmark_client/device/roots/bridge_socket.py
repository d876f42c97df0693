"""One call over a Unix socket: who listens there is checked before anything is sent, and nothing waits for ever."""

import os
import socket
import stat
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hallmark_client.device.errors import RootUnavailable

from .bridge_frames import PREFIX_SIZE, BridgeInvalid, body_size

_FOR_OTHERS: Final = 0o077
_LINUX_UCRED: Final = struct.Struct("3i")
"""pid, uid, gid (unix(7))."""
_DARWIN_SOL_LOCAL: Final = 0
_DARWIN_LOCAL_PEERCRED: Final = 1
_DARWIN_XUCRED: Final = struct.Struct("=IIh2x16I")
"""cr_version 0, cr_uid, cr_ngroups, cr_groups (sys/ucred.h, unix(4) of macOS)."""


def peer_uid(connection: socket.socket) -> int:
    """The user that the other end's process had when it connected or listened; the kernel says it, not the peer.

    Raises RootUnavailable where this system does not tell.
    """
    if sys.platform == "linux":
        told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _LINUX_UCRED.size)
        return int(_LINUX_UCRED.unpack(told)[1])
    if sys.platform == "darwin":
        told = connection.getsockopt(_DARWIN_SOL_LOCAL, _DARWIN_LOCAL_PEERCRED, _DARWIN_XUCRED.size)
        return int(_DARWIN_XUCRED.unpack(told)[1])
    raise RootUnavailable("ROOT_UNAVAILABLE", f"{sys.platform} does not say who listens on a socket: no bridge here")


def check_folder(path: Path, *, uid: int) -> None:
    """Only root, this user and the bridge's may put a socket there. Raises RootUnavailable."""
    try:
        facts = path.parent.stat()
    except OSError as error:
        raise _unreachable(path, error.strerror or "no such folder") from None
    if stat.S_IMODE(facts.st_mode) & _FOR_OTHERS or facts.st_uid not in (0, os.geteuid(), uid):
        raise RootUnavailable(
            "ROOT_UNAVAILABLE",
            f"others can put a socket into {path.parent}: chmod 700 it, and give it to the user of the bridge",
        )


def call(path: Path, frame: bytes, *, uid: int, seconds: float, monotonic: Callable[[], float]) -> bytearray:
    """The body of the answer. uid: of the bridge's process. seconds: for all of it, a person who has to touch something
    included. Raises RootUnavailable, BridgeInvalid.
    """
    check_folder(path, uid=uid)
    until = monotonic() + seconds
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.settimeout(seconds)
            connection.connect(os.fspath(path))
            if (found := peer_uid(connection)) != uid:
                raise RootUnavailable(
                    "ROOT_UNAVAILABLE", f"user {found} listens on {path}, not {uid}: nothing was sent"
                )
            connection.sendall(frame)
            prefix = receive(connection, PREFIX_SIZE, until=until, monotonic=monotonic)
            return receive(connection, body_size(bytes(prefix)), until=until, monotonic=monotonic)
        except TimeoutError:
            raise RootUnavailable("ROOT_UNAVAILABLE", f"the bridge at {path} did not answer in {seconds:g} s") from None
        except OSError as error:
            raise _unreachable(path, error.strerror or type(error).__name__) from None


def receive(connection: socket.socket, size: int, *, until: float, monotonic: Callable[[], float]) -> bytearray:
    """Exactly `size` bytes. Raises TimeoutError, OSError, BridgeInvalid for an end before that."""
    data, at = bytearray(size), 0
    while at < size:
        left = until - monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        taken = connection.recv_into(memoryview(data)[at:])
        if taken == 0:
            raise BridgeInvalid(f"the connection ended after {at} of {size} bytes")
        at += taken
    return data


def _unreachable(path: Path, why: str) -> RootUnavailable:
    return RootUnavailable("ROOT_UNAVAILABLE", f"no bridge at {path} ({why}): start the app that serves it")
