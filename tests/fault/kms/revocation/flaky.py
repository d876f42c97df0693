"""A database whose next write fails in one of the two ways writes fail."""

from collections import deque
from collections.abc import Awaitable, Callable
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
        return await self._faulty(lambda: self._database.write(work))

    async def write_grouped(self, work: Any, item: Any) -> Any:
        return await self._faulty(lambda: self._database.write_grouped(work, item))

    async def write_many(self, work: Any, items: Any) -> Any:
        return await self._faulty(lambda: self._database.write_many(work, items))

    async def drop_overwritten(self) -> None:
        await self._database.drop_overwritten()

    async def _faulty(self, write: Callable[[], Awaitable[Any]]) -> Any:
        fault = self._faults.popleft() if self._faults else None
        if fault is Fault.LOST_BEFORE:
            raise ConnectionLost
        result = await write()
        if fault is Fault.LOST_AFTER:
            raise ConnectionLost
        return result
