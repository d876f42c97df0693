"""Appending over one stream after another: what a broken one left unanswered, the next one asks again."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from hallmark.v1 import log_pb2
from hallmark_client.backoff import full_jitter
from hallmark_client.errors import (
    DeadlineExceeded,
    HallmarkError,
    Internal,
    ResourceExhausted,
    Unavailable,
)
from hallmark_client.model.appending import Appended, ToAppend
from hallmark_client.outstanding import Named, Outstanding
from hallmark_client.pump import Pump, StreamEnded
from hallmark_client.system import System
from hallmark_client.transport import Stream
from hallmark_client.wire.appending import outcome_of

_FIRST_SECONDS: Final = 0.05
_CEILING_SECONDS: Final = 2.0
_SILENT_SECONDS: Final = 30.0
"""The server answers every event within 10 seconds, with an error where need be."""

OpenStream: TypeAlias = Callable[[Iterator[log_pb2.AppendEntryRequest]], Stream[log_pb2.AppendStreamResponse]]
Outcome: TypeAlias = Appended | HallmarkError
_PASSING: Final = (Unavailable, DeadlineExceeded, ResourceExhausted)
"""Of a stream, or of one event: the same request may be answered a moment later."""


@dataclass(slots=True, kw_only=True)
class AppendStream:
    """`patience_seconds`: for how long nothing may be answered while something is wrong."""

    items: Iterator[Named]
    open_stream: OpenStream
    outstanding_max: int
    patience_seconds: float
    is_closed: Callable[[], bool]
    system: System
    _failures: int = 0
    _failing_since: float = 0.0

    def outcomes(self) -> Iterator[tuple[ToAppend, Outcome]]:
        """Every event once, with what became of it. Raises what stays wrong, and what the source of events raised."""
        outstanding = Outstanding(self.outstanding_max)
        threading.Thread(target=outstanding.take_from, args=(self.items,), name="hallmark-append", daemon=True).start()
        try:
            while not outstanding.is_over:
                try:
                    yield from self._one_stream(outstanding)
                except StreamEnded:  # by the server, which drains or met the stream's deadline; or because all is done
                    self._give_up_or_wait(outstanding, Unavailable("STREAM_ENDED", "the server ended the stream"))
                except _PASSING as loss:
                    self._give_up_or_wait(outstanding, loss)
        finally:
            outstanding.close()
        if outstanding.failure is not None:
            raise outstanding.failure

    def _one_stream(self, outstanding: Outstanding) -> Iterator[tuple[ToAppend, Outcome]]:
        pump = Pump(self.open_stream(outstanding.requests()))
        try:
            while True:
                wire = self._next(pump, outstanding)
                outcome = outcome_of(wire)
                if isinstance(outcome, _PASSING):
                    raise outcome
                item = outstanding.answered(wire.request_id)
                if item is None:
                    raise Internal("ANSWER_INVALID", f"the server answered what nobody asked: {wire.request_id[:64]!r}")
                self._failures = 0
                yield item, outcome
        finally:
            outstanding.interrupt()
            pump.close()

    def _next(self, pump: Pump[log_pb2.AppendStreamResponse], outstanding: Outstanding) -> log_pb2.AppendStreamResponse:
        """Raises StreamEnded, and Unavailable when the server says nothing although it was asked."""
        while True:
            was_waiting = outstanding.is_waiting
            try:
                wire = pump.get(_SILENT_SECONDS, None)
            except Unavailable as silence:
                if silence.reason == "SILENT" and not was_waiting:
                    continue  # the source of events takes its time
                raise
            assert wire is not None, "a pump without give_up has a message or raises"
            return wire

    def _give_up_or_wait(self, outstanding: Outstanding, loss: HallmarkError) -> None:
        """Raises `loss` when something waits, and nothing was answered for too long."""
        if outstanding.is_over:
            return
        now = self.system.monotonic()
        if self._failures == 0 or not outstanding.is_waiting:
            self._failing_since = now
        self._failures += 1
        jittered = full_jitter(
            self._failures,
            first_seconds=_FIRST_SECONDS,
            ceiling_seconds=_CEILING_SECONDS,
            jitter=self.system.jitter,
        )
        delay = max(jittered, loss.retry_after_seconds or 0.0)
        if self.is_closed() or now + delay >= self._failing_since + self.patience_seconds:
            raise loss
        self.system.sleep(delay)
