"""Frames over a connected Unix socket, with the descriptors that travel beside them (SCM_RIGHTS, unix(7))."""

import array
import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Self

from hallmark_client.device.agent.errors import AgentInvalid
from hallmark_client.device.agent.frames import PREFIX_SIZE, body_size
from hallmark_client.device.agent.peers import UCRED

_DESCRIPTOR: Final = array.array("i").itemsize
_FDS_MAX: Final = 1
_CLOSE_ON_EXEC: Final[int] = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
_CREDENTIALS: Final[int] = getattr(socket, "SCM_CREDENTIALS", -1)
_ROOM: Final = socket.CMSG_SPACE(_FDS_MAX * _DESCRIPTOR) + socket.CMSG_SPACE(UCRED.size)


class Line:
    """One end. pid: of the only process that may speak at the other one; None: whoever has the socket.

    Raises TimeoutError for who is too slow, OSError for who is gone, AgentInvalid for who does not keep the protocol.
    """

    def __init__(
        self, connection: socket.socket, *, seconds: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """seconds: for a whole frame, either way."""
        self._connection = connection
        self._seconds = seconds
        self._monotonic = monotonic
        self._descriptors: list[int] = []
        self.pid: int | None = None
        connection.settimeout(seconds)

    def fileno(self) -> int:
        return self._connection.fileno()

    def send(self, frame: bytes, descriptors: Sequence[int] = ()) -> None:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        until = self._monotonic() + self._seconds
        self._connection.settimeout(self._seconds)
        data = memoryview(frame)
        at = self._connection.sendmsg([data], rights)
        while at < len(data):
            self._connection.settimeout(_left(until, self._monotonic))
            at += self._connection.send(data[at:])

    def receive(self, limit: int, *, seconds: float | None = None) -> bytes | None:
        """The body of a frame of at most `limit` bytes; None: the other end has said all it wanted. seconds: until it
        begins, if not those of the frame.
        """
        until = self._monotonic() + (self._seconds if seconds is None else seconds)
        prefix = bytearray()
        while len(prefix) < PREFIX_SIZE:
            piece = self._take(PREFIX_SIZE - len(prefix), until)
            if not piece and not prefix:
                return None
            if not prefix and seconds is not None:
                until = self._monotonic() + self._seconds
            prefix += _some(piece)
        size, body = body_size(prefix, limit), bytearray()
        while len(body) < size:
            body += _some(self._take(min(size - len(body), 1 << 20), until))
        return bytes(body)

    def descriptor(self) -> int | None:
        """The one that came with what was received last: the caller's to close."""
        return self._descriptors.pop() if self._descriptors else None

    def drop_descriptors(self) -> None:
        """Those that nobody asked for."""
        while (descriptor := self.descriptor()) is not None:
            os.close(descriptor)

    def shut(self) -> None:
        """Nothing more is received; what is being answered still goes out. Any thread may call it."""
        try:
            self._connection.shutdown(socket.SHUT_RD)
        except OSError:
            return

    def close(self) -> None:
        self.drop_descriptors()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _take(self, size: int, until: float) -> bytes:
        self._connection.settimeout(_left(until, self._monotonic))
        data, beside, flags, _ = self._connection.recvmsg(size, _ROOM, _CLOSE_ON_EXEC)
        speaker = None
        for level, kind, content in beside:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                self._keep(content)
            elif level == socket.SOL_SOCKET and kind == _CREDENTIALS:
                speaker = UCRED.unpack(content[: UCRED.size])[0]
        if flags & socket.MSG_CTRUNC:
            raise AgentInvalid("at most one descriptor goes with a frame")
        if data and sys.platform == "linux" and self.pid is not None and speaker != self.pid:
            raise AgentInvalid("another process speaks on this connection than the one that made it")
        return data

    def _keep(self, content: bytes) -> None:
        found = array.array("i")
        found.frombytes(content[: len(content) - len(content) % _DESCRIPTOR])
        self._descriptors.extend(found)
        if len(self._descriptors) > _FDS_MAX:
            self.drop_descriptors()
            raise AgentInvalid("at most one descriptor goes with a frame")


def receive_into(connection: socket.socket, buffer: memoryview) -> None:
    """Fills it. Raises ConnectionError for an end before that, and OSError."""
    at = 0
    while at < len(buffer):
        taken = connection.recv_into(buffer[at:])
        if taken == 0:
            raise ConnectionResetError("the channel has ended")
        at += taken


def _left(until: float, monotonic: Callable[[], float]) -> float:
    left = until - monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _some(piece: bytes) -> bytes:
    if not piece:
        raise AgentInvalid("the connection ended within a frame")
    return piece
