"""Events between their source and their answers: few at a time, and none lost when a stream breaks."""

import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from hallmark.v1 import log_pb2
from hallmark_client.model.appending import ToAppend

Named = tuple[ToAppend, log_pb2.AppendEntryRequest]
"""An event with its request_id, and the request that carries it."""


@dataclass
class Outstanding:
    """Filled by a thread of its own (`take_from`), sent by stream after stream (`requests`), emptied by `answered`."""

    limit: int
    _change: threading.Condition = field(default_factory=threading.Condition)
    _unanswered: dict[str, Named] = field(default_factory=dict)
    _unsent: deque[str] = field(default_factory=deque)
    _attempt: int = 0
    _ended: bool = False
    _closed: bool = False
    _failure: Exception | None = None

    def take_from(self, items: Iterator[Named]) -> None:
        """Until `items` ends or `close`; what it raises is kept for `failure`. An event whose request_id is under way
        waits for that answer.
        """
        try:
            for item, request in items:
                with self._change:
                    while not self._closed and self._is_full_for(request.request_id):
                        self._change.wait()
                    if self._closed:
                        return
                    self._unanswered[request.request_id] = item, request
                    self._unsent.append(request.request_id)
                    self._change.notify_all()
        except Exception as error:  # the caller's own, raised where he looks
            self._failure = error
        finally:
            with self._change:
                self._ended = True
                self._change.notify_all()

    def requests(self) -> Iterator[log_pb2.AppendEntryRequest]:
        """For a new stream: first what no stream before it got an answer for. Ends with the events, and at once when
        another stream begins.
        """
        with self._change:
            self._attempt += 1
            attempt = self._attempt
            self._unsent = deque(self._unanswered)
            self._change.notify_all()
        return self._unsent_of(attempt)

    def interrupt(self) -> None:
        """The stream of the moment sends nothing more."""
        with self._change:
            self._attempt += 1
            self._change.notify_all()

    def answered(self, request_id: str) -> ToAppend | None:
        """The event; None when nobody waits for such an answer."""
        with self._change:
            item, _ = self._unanswered.pop(request_id, (None, None))
            self._change.notify_all()
            return item

    @property
    def is_waiting(self) -> bool:
        """Some event has no answer yet."""
        with self._change:
            return bool(self._unanswered)

    @property
    def is_over(self) -> bool:
        """All there were are answered, and no more will come."""
        with self._change:
            return self._ended and not self._unanswered

    @property
    def failure(self) -> Exception | None:
        """What the source of the events raised."""
        return self._failure

    def close(self) -> None:
        with self._change:
            self._closed = True
            self._change.notify_all()

    def _unsent_of(self, attempt: int) -> Iterator[log_pb2.AppendEntryRequest]:
        while True:
            with self._change:
                while self._is_current(attempt) and not self._unsent and not self._ended:
                    self._change.wait()
                if not self._is_current(attempt) or not self._unsent:
                    return
                found = self._unanswered.get(self._unsent.popleft())
            if found is not None:  # a server may answer what it was not asked yet
                yield found[1]

    def _is_current(self, attempt: int) -> bool:
        return not self._closed and attempt == self._attempt

    def _is_full_for(self, request_id: str) -> bool:
        return len(self._unanswered) >= self.limit or request_id in self._unanswered
