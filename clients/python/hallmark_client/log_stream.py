"""Following the log's entries: one stream after another, each from where the last one ended."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Final, TypeAlias

from hallmark.v1 import log_pb2
from hallmark_client.backoff import full_jitter
from hallmark_client.errors import DeadlineExceeded, Internal, ResourceExhausted, Unavailable
from hallmark_client.model.log_entries import LogBatch
from hallmark_client.pump import Pump, StreamEnded
from hallmark_client.system import System
from hallmark_client.transport import Stream
from hallmark_client.wire.log_entries import batch_of

_FIRST_SECONDS: Final = 0.25
_CEILING_SECONDS: Final = 30.0
_SILENT_SECONDS: Final = 1800.0
"""A log signs its checkpoint anew every few minutes, and the stream tells of it: this long means a dead connection."""
_SLICE_SECONDS: Final = 0.2
_FAILURES_MAX: Final = 4
"""In a row, for who reads to the end only."""

OpenStream: TypeAlias = Callable[[int], Stream[log_pb2.StreamEntriesResponse]]
"""From an index on."""


@dataclass(slots=True, kw_only=True)
class EntryFollower:
    """`index` is that of the entry wanted next. Every entry comes once and in order, whatever breaks in between."""

    open_stream: OpenStream
    index: int
    follow: bool
    stop: threading.Event | None
    is_closed: Callable[[], bool]
    system: System
    _size: int = -1
    _failures: int = 0

    def batches(self) -> Iterator[LogBatch]:
        """Until the end of the published log; with `follow`, until `stop` is set or the client is closed.

        Raises what does not get better by trying again, and Internal (ANSWER_INVALID) for a gap.
        """
        while not self._over():
            hint_seconds = 0.0
            try:
                yield from self._one_stream()
            except StreamEnded:  # at the end, or the server drains: then another one goes on
                if not self.follow and self.index >= self._size >= 0:
                    return
            except (Unavailable, DeadlineExceeded, ResourceExhausted) as loss:
                hint_seconds = loss.retry_after_seconds or 0.0
                if not self.follow and self._failures >= _FAILURES_MAX:
                    raise
            self._failures += 1
            self._wait(hint_seconds)

    def _one_stream(self) -> Iterator[LogBatch]:
        """Returns when `stop` is set; raises StreamEnded at the end."""
        give_up = None if self.stop is None else self.stop.is_set
        with closing(Pump(self.open_stream(self.index))) as pump:
            while (wire := pump.get(_SILENT_SECONDS, give_up)) is not None:
                batch = batch_of(wire)
                for record in batch.entries:
                    if record.leaf_index != self.index:
                        raise Internal("ANSWER_INVALID", f"entry {self.index} is missing in the stream")
                    self.index += 1
                if batch.checkpoint is not None:
                    self._size = batch.checkpoint.size
                self._failures = 0
                yield batch

    def _over(self) -> bool:
        return self.is_closed() or (self.stop is not None and self.stop.is_set())

    def _wait(self, at_least_seconds: float) -> None:
        """In slices, so that `stop` and closing the client are noticed."""
        jittered = full_jitter(
            self._failures,
            first_seconds=_FIRST_SECONDS,
            ceiling_seconds=_CEILING_SECONDS,
            jitter=self.system.jitter,
        )
        until = self.system.monotonic() + max(jittered, at_least_seconds)
        while not self._over() and (left := until - self.system.monotonic()) > 0:
            self.system.sleep(min(left, _SLICE_SECONDS))
