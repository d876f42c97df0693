"""What one caller moved over classical sessions, by the hour: pure arithmetic, no clock and no database."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeAlias

HOURS_COUNTED: Final = 25
"""The hour that runs and the 24 before it: 24 hours at least, whenever one looks."""
_HOUR_SECONDS: Final = 3600

ByHour: TypeAlias = Mapping[int, int]
"""Bytes by hour since 1970."""


def hour_of(moment: datetime) -> int:
    """Since 1970."""
    return int(moment.timestamp()) // _HOUR_SECONDS


def counts_at(hour: int, now: int) -> bool:
    """Whether what was moved in that hour counts now. That of a clock that ran ahead does."""
    return hour > now - HOURS_COUNTED


@dataclass(slots=True)
class Account:
    """`stored`: by all replicas, when last read; an hour only grows. `counted`: by this one, not stored yet. `storing`:
    on its way. `read`, `tried`: when it was last read, and when that was last tried, of the monotonic clock. `budget`:
    when last asked.
    """

    tenant: str
    stored: ByHour = field(default_factory=dict)
    counted: dict[int, int] = field(default_factory=dict)
    storing: ByHour = field(default_factory=dict)
    read: float = -math.inf
    tried: float = -math.inf
    budget: int | None = None

    def count(self, uses: ByHour) -> None:
        for hour, moved in uses.items():
            self.counted[hour] = self.counted.get(hour, 0) + moved

    def begin_storing(self) -> None:
        self.storing, self.counted = self.counted, {}

    def end_storing(self, *, stored: bool) -> None:
        """What may not have been stored is kept: of a commit whose outcome is unknown it may then count twice, rather
        than not at all.
        """
        uses, self.storing = self.storing, {}
        if not stored:
            self.count(uses)

    def learn(self, stored: ByHour, *, asked: float, hour: int) -> None:
        """Answers may come out of order: an hour only grows, so more is newer."""
        self.stored = {
            each: max(self.stored.get(each, 0), stored.get(each, 0))
            for each in self.stored.keys() | stored.keys()
            if counts_at(each, hour)
        }
        self.read = max(self.read, asked)
        self.tried = max(self.tried, asked)

    def used(self, hour: int) -> dict[int, int]:
        """Bytes by hour, as far as they count now."""
        sums: dict[int, int] = {}
        for part in (self.stored, self.counted, self.storing):
            for each, moved in part.items():
                if counts_at(each, hour):
                    sums[each] = sums.get(each, 0) + moved
        return sums

    def seconds_until_below(self, budget: int, now: datetime) -> float:
        """Until enough hours count no more, if nothing is moved meanwhile. 0: it is below now."""
        used = self.used(hour_of(now))
        rest = sum(used.values())
        if rest < budget:
            return 0.0
        passing = 0
        for passing in sorted(used):
            rest -= used[passing]
            if rest < budget:
                break
        return max((passing + HOURS_COUNTED) * _HOUR_SECONDS - now.timestamp(), 1.0)
