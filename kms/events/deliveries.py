"""Tells who wants to know which events were handed to which device, many at once."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from kms.core.clock import Clock
from kms.core.errors import ServiceError
from kms.core.names import ChildName
from kms.events.ports import Delivery, DeliveryObserver

_logger = logging.getLogger(__name__)
WAITING_MAX: Final = 100_000
"""While the database is away. What is forgotten beyond that, acknowledgements still tell."""
TOLD_MAX: Final = 1000


@dataclass(slots=True)
class Deliveries:
    observer: DeliveryObserver | None
    clock: Clock
    _waiting: list[Delivery] = field(default_factory=list)

    def note(self, device: ChildName, event_ids: Sequence[str]) -> None:
        if self.observer is not None and len(self._waiting) < WAITING_MAX:
            self._waiting.append(Delivery(device, tuple(event_ids)))

    async def tell(self) -> None:
        """Everything that was noted. What the observer could not take comes again the next time."""
        while self.observer is not None and self._waiting:
            some = self._waiting[:TOLD_MAX]
            try:
                await self.observer.delivered(some, self.clock.now())
            except ServiceError as error:
                _logger.warning("deliveries are noted later: %s", error)
                return
            del self._waiting[: len(some)]
