"""A database whose next write fails in one of the two ways writes fail."""

from collections import deque
from enum import Enum
from typing import Any

from kms.core.database import Database


class Fault(Enum):
    LOST_BEFORE = "failed, nothing stored"
    LOST_AFTER = "failed, but stored"


class ConnectionLost(Exception):
    """What the driver says."""


class FlakyDatabase:
    """The real database behind writes that fail when told to."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._faults: deque[Fault | None] = deque()

    def plan(self, *faults: Fault | None) -> None:
        """What happens to the next writes, in this order; None lets one pass."""
        self._faults.extend(faults)

    async def read(self, work: Any) -> Any:
        return await self._database.read(work)

    async def write(self, work: Any) -> Any:
        fault = self._faults.popleft() if self._faults else None
        if fault is Fault.LOST_BEFORE:
            raise ConnectionLost
        result = await self._database.write(work)
        if fault is Fault.LOST_AFTER:
            raise ConnectionLost
        return result
