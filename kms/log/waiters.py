"""Callers that wait until a published checkpoint covers their entry."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from kms.core.errors import ServiceError
from kms.core.wakeup import Wakeup
from kms.log.model import Receipt


class Waiters:
    """Futures by event key. Belongs to one event loop."""

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Future[Receipt], str] = {}
        self._unseen: set[str] = set()
        self._failure: ServiceError | None = None
        self.arrived = Wakeup()
        """Notified by everybody who begins to wait."""

    @property
    def is_anybody_waiting(self) -> bool:
        return bool(self._waiting)

    @contextmanager
    def waiting(self, event_key: str) -> Iterator[asyncio.Future[Receipt]]:
        """A future for the receipt, forgotten at the end of the block."""
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        if self._failure is not None:
            future.set_exception(self._failure)
        self._waiting[future] = event_key
        self._unseen.add(event_key)
        self.arrived.notify()
        try:
            yield future
        finally:
            del self._waiting[future]
            if not future.cancel() and not future.cancelled():
                future.exception()  # seen, even when the caller gave up at the same moment

    def event_keys(self, *, everybody: bool) -> Sequence[str]:
        """Whom to look up: everybody after a new checkpoint, else those that came since the last look."""
        keys = set(self._waiting.values())
        chosen = keys if everybody else keys & self._unseen
        self._unseen.clear()
        return sorted(chosen)

    def settle(self, receipts: Mapping[str, Receipt]) -> None:
        for future, event_key in self._waiting.items():
            if event_key in receipts and not future.done():
                future.set_result(receipts[event_key])

    def fail(self, error: ServiceError) -> None:
        """Nobody will be served any more, and whoever comes later hears it at once."""
        self._failure = error
        for future in self._waiting:
            if not future.done():
                future.set_exception(error)
