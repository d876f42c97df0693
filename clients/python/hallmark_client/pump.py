"""A stream read by a thread of its own, so that waiting for the next message can be bounded and given up."""

import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Final, Generic

from hallmark_client.errors import Unavailable
from hallmark_client.rpc import Response
from hallmark_client.transport import Stream

_QUEUE_SIZE: Final = 64
"""Messages read ahead. A slow reader makes the queue full, and gRPC's flow control then slows the server down."""
_SLICE_SECONDS: Final = 0.1
"""How often a waiting side looks whether it should give up."""
_JOIN_SECONDS: Final = 2.0


class StreamEnded(Exception):
    """The server ended the stream without an error."""


class Pump(Generic[Response]):
    """Reads a stream until closed. `get` raises what the stream raised."""

    def __init__(self, stream: Stream[Response]) -> None:
        self._stream = stream
        self._queue: queue.Queue[Response | Exception] = queue.Queue(_QUEUE_SIZE)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hallmark-watch", daemon=True)
        self._thread.start()

    def get(self, timeout_seconds: float, give_up: Callable[[], bool] | None) -> Response | None:
        """The next message; None once `give_up` says so. Without one, nothing wakes up before there is a message.

        Raises StreamEnded, Unavailable (SILENT) when nothing came for so long, and whatever broke the stream.
        """
        slices = 1 if give_up is None else max(1, round(timeout_seconds / _SLICE_SECONDS))
        for _ in range(slices):
            if give_up is not None and give_up():
                return None
            with contextlib.suppress(queue.Empty):
                item = self._queue.get(timeout=timeout_seconds / slices)
                if isinstance(item, Exception):
                    raise item
                return item
        raise Unavailable("SILENT", f"the stream was silent for {timeout_seconds:.0f} s")

    def close(self) -> None:
        """Cancels the stream and ends the thread."""
        self._closing.set()
        self._stream.cancel()
        self._thread.join(_JOIN_SECONDS)

    def _run(self) -> None:
        try:
            for message in self._stream:
                self._put(message)
            self._put(StreamEnded())
        except Exception as error:  # handed to the reader, who raises it
            self._put(error)

    def _put(self, item: Response | Exception) -> None:
        while not self._closing.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(item, timeout=_SLICE_SECONDS)
                return
