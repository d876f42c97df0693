"""What an app sends to be stored: read from the descriptor that came with its request, whole or not at all."""

import io
import os
import select
import stat
import threading
import time
from typing import TYPE_CHECKING, Final

from hallmark_client.device.agent.accounts import AgentLimits
from hallmark_client.device.agent.errors import AgentInvalid, AgentUnavailable
from hallmark_client.device.agent.frames import REQUEST_MAX, Op, parse_request
from hallmark_client.device.agent.line import Line

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_LOOK_SECONDS: Final = 0.5


class SentFile(io.RawIOBase):
    """The end of a pipe does not tell a whole source from a dead app: the app says at the end how many bytes it were.

    Raises ValueError for another number or too many, AgentUnavailable when the agent stops, TimeoutError for an app
    that sends nothing, AgentInvalid for one that ends within.
    """

    def __init__(self, descriptor: int, line: Line, limits: AgentLimits, stopping: threading.Event) -> None:
        """Takes the descriptor. Raises AgentInvalid: neither a file nor a pipe."""
        super().__init__()
        self._descriptor = descriptor
        self._line = line
        self._limits = limits
        self._stopping = stopping
        self._taken = 0
        self._ended = False
        mode = os.fstat(descriptor).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            os.close(descriptor)
            raise AgentInvalid("what is stored comes from a file or a pipe")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        self._wait()
        count = os.readv(self._descriptor, [buffer])
        self._taken += count
        if self._taken > self._limits.put_bytes:
            raise ValueError(f"this agent takes at most {self._limits.put_bytes} bytes for one artifact")
        if count == 0 and (said := self.end()) != self._taken:
            raise ValueError(f"the source changed meanwhile: {self._taken} bytes came, not {said}")
        return count

    def end(self) -> int | None:
        """What the app says at its end; it always says something. None: it could not read its source."""
        if self._ended:
            return self._taken
        self._ended = True
        said = self._line.receive(REQUEST_MAX, seconds=self._limits.idle_seconds)
        if said is None:
            raise AgentInvalid("the app ended before its source")
        op, params = parse_request(said)
        if op is not Op.END:
            raise AgentInvalid("what is sent to be stored ends with its size")
        return params.only("size").optional("size", params.number)

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()

    def _wait(self) -> None:
        """Until there is something; at once for a file."""
        look, until = select.poll(), time.monotonic() + self._limits.idle_seconds
        look.register(self._descriptor, select.POLLIN)
        while not look.poll(_LOOK_SECONDS * 1000):
            self._check_stopping()
            if time.monotonic() >= until:
                raise TimeoutError
        self._check_stopping()

    def _check_stopping(self) -> None:
        if self._stopping.is_set():
            raise AgentUnavailable("the agent stops: nothing was stored")
