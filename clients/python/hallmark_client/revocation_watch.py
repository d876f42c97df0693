"""A watch that outlives connections: resumes from its cursor, repeats nothing, believes only what is signed."""

import dataclasses
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from hallmark.v1 import revocation_pb2
from hallmark_client.backoff import full_jitter
from hallmark_client.errors import DeadlineExceeded, ResourceExhausted, Unavailable
from hallmark_client.frame_check import FrameCheck
from hallmark_client.model.revocations import Event, Frame, Goodbye
from hallmark_client.model.signed import TrustedKeys
from hallmark_client.pump import Pump, StreamEnded
from hallmark_client.system import System
from hallmark_client.transport import Stream
from hallmark_client.wire.revocations import frame_of

_logger = logging.getLogger(__name__)

OpenStream: TypeAlias = Callable[[str, bytes], Stream[revocation_pb2.WatchRevocationsResponse]]
"""(cursor, nonce) to a stream of the frames after that cursor."""

_FAST_SECONDS: Final = (0.05, 0.2)
"""Wait before the first attempt after a loss: a server that restarts should have its watchers back soon."""
_FIRST_CEILING_SECONDS: Final = 1.0
_LAST_CEILING_SECONDS: Final = 60.0
_STABLE_SECONDS: Final = 5.0
"""A stream that lived shorter counts as one more failure in a row, so that a crashing server is not hammered."""
_HINT_MAX_SECONDS: Final = 300.0
"""Longest wait that a server may ask for: nobody but the owner of the watch may silence it for good."""
_SILENT_HEARTBEATS: Final = 3
"""So many heartbeats missing in a row: the stream is dead, whatever TCP thinks."""
_NONCE_BYTES: Final = 32
_REMEMBERED_EVENTS: Final = 10_000
_SLICE_SECONDS: Final = 0.1


@dataclass(kw_only=True)
class Watch:
    """One watch, over as many connections as it takes. For one thread; `stop` may be set from any."""

    open_stream: OpenStream
    parent: str
    cursor: str
    nonce: bytes | None
    heartbeat_seconds: float
    trusted_keys: TrustedKeys | None
    stop: threading.Event | None
    is_closed: Callable[[], bool]
    system: System
    _failures: int = 0
    _seen: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def frames(self) -> Iterator[Frame]:
        """Frames until `stop` is set or the client is closed. Raises what does not get better by trying again."""
        while not self._over():
            began = self.system.monotonic()
            goodbye, hint_seconds = None, 0.0
            try:
                goodbye = yield from self._one_stream()
            except (Unavailable, DeadlineExceeded, ResourceExhausted) as loss:
                hint_seconds = loss.retry_after_seconds or 0.0
                _logger.info("watch interrupted, resuming: %s", loss)
            except StreamEnded:
                _logger.info("watch interrupted, resuming: the server ended the stream")
            if goodbye is not None:
                self._failures = 0
                self._wait(self._after_goodbye(goodbye))
            else:
                lived = self.system.monotonic() - began
                self._failures = 1 if lived >= _STABLE_SECONDS else self._failures + 1
                self._wait(max(self._after_loss(), min(hint_seconds, _HINT_MAX_SECONDS)))

    def _one_stream(self) -> Generator[Frame, None, Goodbye | None]:
        """Frames of one connection. Returns the goodbye it ended with, or None when the watch is over."""
        nonce = self._stream_nonce()
        check = None
        if self.trusted_keys is not None:
            check = FrameCheck(parent=self.parent, nonce=nonce, trusted_keys=self.trusted_keys)
        with closing(Pump(self.open_stream(self.cursor, nonce))) as pump:
            # Closing the client cancels the stream, which wakes the pump; only `stop` has to be looked at.
            give_up = None if self.stop is None else self.stop.is_set
            while (wire := pump.get(_SILENT_HEARTBEATS * self.heartbeat_seconds, give_up)) is not None:
                frame = frame_of(wire)
                if frame is None:
                    continue
                if check is not None:
                    check.check(frame)
                # Only now: what was not believed must come again after a resume.
                self.cursor = frame.cursor or self.cursor
                if isinstance(frame, Event) and self._is_repeated(frame):
                    continue
                yield dataclasses.replace(frame, cursor=self.cursor)
                if isinstance(frame, Goodbye):
                    return frame
        return None

    def _stream_nonce(self) -> bytes:
        """The caller's; a fresh one for each stream when signatures are checked anyway; none otherwise."""
        if self.nonce is not None:
            return self.nonce
        return b"" if self.trusted_keys is None else self.system.random_bytes(_NONCE_BYTES)

    def _is_repeated(self, frame: Event) -> bool:
        name = frame.event.name
        if name in self._seen:
            return True
        self._seen[name] = None
        if len(self._seen) > _REMEMBERED_EVENTS:
            self._seen.popitem(last=False)
        return False

    def _after_loss(self) -> float:
        if self._failures == 1:
            shortest, longest = _FAST_SECONDS
            return shortest + (longest - shortest) * self.system.jitter()
        return full_jitter(
            self._failures - 1,
            first_seconds=_FIRST_CEILING_SECONDS,
            ceiling_seconds=_LAST_CEILING_SECONDS,
            jitter=self.system.jitter,
        )

    def _after_goodbye(self, goodbye: Goodbye) -> float:
        shortest = goodbye.retry_after_min.total_seconds()
        longest = goodbye.retry_after_max.total_seconds()
        return min(shortest + (longest - shortest) * self.system.jitter(), _HINT_MAX_SECONDS)

    def _over(self) -> bool:
        return self.is_closed() or (self.stop is not None and self.stop.is_set())

    def _wait(self, seconds: float) -> None:
        """In slices, so that `stop` and closing the client are noticed."""
        until = self.system.monotonic() + seconds
        while not self._over() and (left := until - self.system.monotonic()) > 0:
            self.system.sleep(min(left, _SLICE_SECONDS))
