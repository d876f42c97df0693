"""The life of a process that serves, whatever it serves: what it holds while it runs, and how it ends."""

import asyncio
import contextlib
from collections.abc import Coroutine

from kms.app.drain import Draining
from kms.config import Config
from kms.core.clock import Clock, SystemClock
from kms.core.randomness import Randomness, SystemRandomness
from kms.server.home import Home


class Process:
    """`stop` may be called after a start that failed as well. `address`: empty until it serves."""

    def __init__(self, config: Config, *, clock: Clock | None = None, randomness: Randomness | None = None) -> None:
        self._config = config
        self._clock = clock or SystemClock()
        self._randomness = randomness or SystemRandomness()
        self._home = Home(config.home)
        self._draining = Draining()
        self._closing = contextlib.AsyncExitStack()
        self._tasks: set[asyncio.Task[None]] = set()
        self.address = ""
        self.public_url = ""

    async def stop(self) -> None:
        """Finishes what is running, and closes in the reverse order of start."""
        await self._draining.leave(self._config.server.drain_notice_seconds if self.address else 0)
        self._draining.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._closing.aclose()

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
