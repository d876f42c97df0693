"""Callers that wait until their entries have their places, or until a published checkpoint covers them."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from kms.core.errors import ServiceError
from kms.core.wakeup import Wakeup
from kms.log.model import Receipt

_REMEMBERED: Final = 8192
"""Places that this process gave lately: who begins to wait a moment after the sequencer finds its place here."""

Receipts = dict[str, Receipt]
"""By event key."""


@dataclass(slots=True, eq=False)
class Waiter:
    """`future` is done when nothing is missing any more, when it failed, or when its time is over.

    `is_held`: not to be answered before its entries went through the sequencer, whatever is known of earlier ones.
    """

    event_keys: Sequence[str]
    proofs: bool
    future: asyncio.Future[Receipts]
    missing: set[str]
    is_held: bool = False
    receipts: Receipts = field(default_factory=dict)
    timer: asyncio.TimerHandle | None = None

    def settle(self, event_key: str, receipt: Receipt) -> None:
        if event_key in self.missing:
            self.missing.discard(event_key)
            self.receipts[event_key] = receipt
            self._answer()

    def release(self) -> None:
        self.is_held = False
        self._answer()

    def _answer(self) -> None:
        if not self.missing and not self.is_held and not self.future.done():
            self.future.set_result(self.receipts)

    def fail(self, error: BaseException) -> None:
        if self.future.done():
            return
        if isinstance(error, Exception):
            self.future.set_exception(error)
        else:
            self.future.cancel()


class _Desk:
    """Who waits for one kind of news, by event key."""

    def __init__(self) -> None:
        self.waiting: dict[str, list[Waiter]] = {}

    def add(self, waiter: Waiter, event_keys: Iterable[str]) -> None:
        for event_key in event_keys:
            self.waiting.setdefault(event_key, []).append(waiter)

    def remove(self, waiter: Waiter, event_keys: Iterable[str]) -> None:
        for event_key in event_keys:
            others = self.waiting[event_key]
            others.remove(waiter)
            if not others:
                del self.waiting[event_key]

    def settle(self, receipts: Mapping[str, Receipt]) -> None:
        for event_key, receipt in receipts.items():
            for waiter in self.waiting.get(event_key, ()):
                waiter.settle(event_key, receipt)


class Waiters:
    """Belongs to one event loop."""

    def __init__(self) -> None:
        self._proofs = _Desk()
        self._places = _Desk()
        self._unseen: set[str] = set()
        self._known: dict[str, int] = {}
        self._known_before: dict[str, int] = {}
        self._failure: ServiceError | None = None
        self.arrived = Wakeup()
        """Notified by everybody who begins to wait."""

    @property
    def is_proof_awaited(self) -> bool:
        return bool(self._proofs.waiting)

    @property
    def is_place_awaited(self) -> bool:
        return bool(self._places.waiting)

    def begin(
        self,
        event_keys: Sequence[str],
        *,
        proofs: bool,
        timeout_seconds: float,
        late: Callable[[], Exception],
        is_held: bool = False,
    ) -> Waiter:
        """For receipts of all these entries, at least one, each key once: with `proofs` when they are published, else
        as soon as they have their indices. `late` is what the future raises after the time. Call `end` when done.
        """
        loop = asyncio.get_running_loop()
        waiter = Waiter(event_keys, proofs, loop.create_future(), set(event_keys), is_held)
        (self._proofs if proofs else self._places).add(waiter, event_keys)
        if self._failure is not None:
            waiter.fail(self._failure)
        elif proofs:
            self._unseen.update(event_keys)
        else:
            for event_key in event_keys:
                if (index := self.place(event_key)) is not None:
                    waiter.settle(event_key, Receipt(index))
        waiter.timer = loop.call_later(timeout_seconds, lambda: waiter.fail(late()))
        self.arrived.notify()
        return waiter

    def end(self, waiter: Waiter) -> None:
        """Forgets it, whatever became of it."""
        (self._proofs if waiter.proofs else self._places).remove(waiter, waiter.event_keys)
        if waiter.timer is not None:
            waiter.timer.cancel()
        if not waiter.future.cancel() and not waiter.future.cancelled():
            waiter.future.exception()  # seen, even when the caller gave up at the same moment

    def place(self, event_key: str) -> int | None:
        """The index, if this process gave it lately."""
        index = self._known.get(event_key)
        return self._known_before.get(event_key) if index is None else index

    def sequenced(self, start: int, event_keys: Sequence[str]) -> None:
        """These entries have their places, from index `start` on, and the transaction that says so has committed."""
        if len(self._known) >= _REMEMBERED:
            self._known_before, self._known = self._known, {}
        places = dict(zip(event_keys, range(start, start + len(event_keys)), strict=True))
        self._known.update(places)
        if self._places.waiting:
            self.place_found(places)

    def place_found(self, places: Mapping[str, int]) -> None:
        """Answers who waits for a place only."""
        self._places.settle({key: Receipt(index) for key, index in places.items() if key in self._places.waiting})

    def without_place(self) -> list[str]:
        """Whose place this process did not give: another replica's sequencer did, or will."""
        return [key for key in self._places.waiting if self.place(key) is None]

    def without_proof(self, *, everybody: bool) -> list[str]:
        """Who waits for a proof: everybody after a new checkpoint, else those that came since the last look."""
        chosen = sorted(self._proofs.waiting if everybody else self._unseen & self._proofs.waiting.keys())
        self._unseen.clear()
        return chosen

    def settle(self, receipts: Mapping[str, Receipt]) -> None:
        """With proofs."""
        self._proofs.settle(receipts)

    def fail(self, error: ServiceError) -> None:
        """Nobody will be served any more, and whoever comes later hears it at once."""
        self._failure = error
        for desk in (self._proofs, self._places):
            for waiter in [one for some in desk.waiting.values() for one in some]:
                waiter.fail(error)
