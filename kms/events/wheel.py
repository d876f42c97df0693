"""Whose heartbeat is due when: one timer for all streams. Slots of a second."""

import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta

from kms.core.randomness import Randomness
from kms.events.subscriber import Subscriber

_VARIED = 0.2
"""Up to a fifth shorter or longer, so that those who came together do not stay together."""


@dataclass(slots=True)
class Wheel:
    randomness: Randomness
    _lots: random.Random = field(init=False)
    _slots: dict[int, set[Subscriber]] = field(default_factory=lambda: defaultdict(set))

    def __post_init__(self) -> None:
        self._lots = random.Random(self.randomness.bytes(16))  # noqa: S311 - when somebody is due is no secret

    def put(self, subscriber: Subscriber, now: float) -> timedelta:
        """Due after its interval, which it is told. `now`: monotonic seconds."""
        interval = subscriber.interval * self._lots.uniform(1 - _VARIED, 1 + _VARIED)
        self._put(subscriber, int(now + interval))
        return timedelta(seconds=interval)

    def put_soon(self, subscriber: Subscriber, now: float) -> None:
        """It could not be done in its second; in the next one."""
        self._put(subscriber, int(now) + 1)

    def remove(self, subscriber: Subscriber) -> None:
        mine = self._slots.get(subscriber.slot)
        if mine is not None:
            mine.discard(subscriber)

    def due(self, now: float) -> list[Subscriber]:
        """They are in the wheel no more."""
        passed = sorted(slot for slot in self._slots if slot <= now)
        return [subscriber for slot in passed for subscriber in self._slots.pop(slot)]

    def _put(self, subscriber: Subscriber, slot: int) -> None:
        subscriber.slot = slot
        self._slots[slot].add(subscriber)
