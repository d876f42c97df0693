"""What `get` gives to an app: plaintext of one file of an artifact, from any place, through the agent."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from hallmark_client.device.agent.asking import Opened
from hallmark_client.device.agent.frames import ASKED, PIECE, READ_MAX, PieceKind, parse_body, parse_piece
from hallmark_client.device.agent.line import receive_into
from hallmark_client.device.agent.refusals import read_error
from hallmark_client.device.agent.sight import unknown
from hallmark_client.device.part_reader import PartReader

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class AgentReader(PartReader):
    """As vault.ArtifactReader: seekable raw IO; `pread` and `pread_into` leave the position alone, from any thread.

    Raises what that raises, and AgentFailed. When the agent was restarted, it is opened again (one more use, where
    uses are counted), and goes on if it still is the same artifact.
    """

    def __init__(self, opening: Callable[[], Opened], *, seconds: float) -> None:
        """seconds: without any byte before the agent counts as gone."""
        opened = opening()
        super().__init__(opened.artifact, opened.part)
        self._opening = opening
        self._seconds = seconds
        self._lock = threading.Lock()
        self._channel = opened.channel
        self._channel.settimeout(seconds)

    def pread(self, offset: int, size: int) -> bytes:
        buffer = bytearray(max(0, min(size, self.size - max(0, offset))))
        return bytes(buffer[: self.pread_into(offset, buffer)])

    def pread_into(self, offset: int, buffer: "WriteableBuffer") -> int:
        if offset < 0:
            raise ValueError(f"no position {offset}")
        view = memoryview(buffer).cast("B")
        size = max(0, min(len(view), self.size - offset))
        with self._lock:
            if self.closed:
                raise ValueError("I/O operation on closed file")
            self._fetch_patiently(offset, view[:size])
        return size

    def close(self) -> None:
        if not self.closed and hasattr(self, "_channel"):  # not when opening it failed
            self._channel.close()
        super().close()

    def _fetch_patiently(self, offset: int, view: memoryview) -> None:
        at = 0
        while at < len(view):
            block = view[at : at + READ_MAX]
            try:
                self._fetch(offset + at, block)
            except OSError:  # the channel ended: with the agent, or with the connection that it came over
                self._open_again()
            else:
                at += len(block)

    def _fetch(self, offset: int, view: memoryview) -> None:
        """Raises OSError for a channel that ended, AgentInvalid, and what the agent refuses with."""
        self._channel.sendall(ASKED.pack(offset, len(view)))
        header, at = bytearray(PIECE.size), 0
        while at < len(view):
            receive_into(self._channel, memoryview(header))
            kind, length = parse_piece(header, at_most=len(view) - at)
            if kind is PieceKind.ERROR:
                said = bytearray(length)
                receive_into(self._channel, memoryview(said))
                raise read_error(parse_body(bytes(said), length).only("error").members("error"))
            receive_into(self._channel, view[at : at + length])
            at += length

    def _open_again(self) -> None:
        self._channel.close()
        opened = self._opening()
        if (opened.artifact.artifact_id, opened.part) != (self.artifact.artifact_id, self.part):
            opened.channel.close()
            raise unknown(self.artifact.name)
        self._channel = opened.channel
        self._channel.settimeout(self._seconds)
