"""The loops of a log that runs. One that finds the log in danger stops them all."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from kms.log.errors import LogFrozen

_logger = logging.getLogger(__name__)


class Loops:
    """Belongs to one event loop. `on_frozen` is told once the first of them raised LogFrozen."""

    def __init__(self, on_frozen: Callable[[LogFrozen], None]) -> None:
        self._on_frozen = on_frozen
        self._tasks: list[asyncio.Task[None]] = []

    def run(self, name: str, loop: Callable[[], Awaitable[None]]) -> None:
        """Until `stop`."""
        self._tasks.append(asyncio.create_task(self._run(loop), name=f"log-{name}"))

    async def stop(self, timeout_seconds: float) -> bool:
        """Cancels them and waits. False when none was there."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_seconds)
        return bool(tasks)

    async def _run(self, loop: Callable[[], Awaitable[None]]) -> None:
        try:
            await loop()
        except LogFrozen as error:
            _logger.critical("%s", error)
            self._on_frozen(error)
            for task in self._tasks:
                if task is not asyncio.current_task():
                    task.cancel()
