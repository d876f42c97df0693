"""The agent's end of an open reader: one socket for each, on which an app asks for plaintext from any place.

Measured against sealed memfds (docs/device-agent.md): never slower, and what an app does not fetch stays encrypted, so
memory of the agent is not the app's to fill.
"""

import socket
import threading
from collections.abc import Callable

from hallmark_client.device.agent.errors import AgentInvalid
from hallmark_client.device.agent.frames import ASKED, PIECE, PIECE_MAX, READ_MAX, PieceKind, body
from hallmark_client.device.agent.line import receive_into
from hallmark_client.device.agent.refusals import error_json
from hallmark_client.device.errors import DeviceError, PolicyViolation
from hallmark_client.device.vault import ArtifactReader
from hallmark_events.canonical import INTEGER_MAX


class Channel:
    """done: called once, when it is closed. work: held while plaintext is made, not while it is sent."""

    def __init__(
        self, reader: ArtifactReader, *, work: threading.Semaphore, done: Callable[[], None], seconds: float
    ) -> None:
        self._reader = reader
        self._work = work
        self._done = done
        self._ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._ours.settimeout(seconds)
        for end in (self._ours, self.theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * PIECE_MAX)

    def fileno(self) -> int:
        return self._ours.fileno()

    def answer(self, buffer: memoryview) -> bool:
        """What is asked now; False when the app has closed its end, or may not read any more.

        buffer: of PIECE_MAX bytes; it keeps plaintext.
        Raises OSError, AgentInvalid: then it has to be closed.
        """
        asked = bytearray(ASKED.size)
        try:
            receive_into(self._ours, memoryview(asked))
        except ConnectionError:
            return False
        offset, size = ASKED.unpack(asked)
        if offset > INTEGER_MAX or not 1 <= size <= READ_MAX:
            raise AgentInvalid(f"a read has an offset up to 2^53 and 1 to {READ_MAX} bytes")
        at, end = offset, min(offset + size, self._reader.size)
        if at >= end:
            raise AgentInvalid("a read lies before the end")
        while at < end:
            try:
                with self._work:
                    count = self._reader.pread_into(at, buffer[: min(PIECE_MAX, end - at)])
            except DeviceError as error:
                self._send(PieceKind.ERROR, memoryview(body(error=error_json(error))))
                # What the policy denies is written down each time: to ask again, the app has to open again.
                return not isinstance(error, PolicyViolation)
            self._send(PieceKind.DATA, buffer[:count])
            at += count
        return True

    def handed_over(self) -> None:
        """The app has its end."""
        self.theirs.close()

    def close(self) -> None:
        self.theirs.close()
        self._ours.close()
        self._reader.close()
        self._done()

    def _send(self, kind: PieceKind, data: memoryview) -> None:
        header = PIECE.pack(kind, len(data))
        sent = self._ours.sendmsg([header, data])
        if sent < len(header):
            self._ours.sendall(header[sent:])
        self._ours.sendall(data[max(0, sent - len(header)) :])
