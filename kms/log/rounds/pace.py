"""How far apart the rounds of a loop are."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from kms.core.wakeup import Wakeup, wait_ticket

_REST: Final = 0.2
"""Of a round's own duration, before the next one begins: rounds take five sixths of the time at most."""


class Pace:
    """The least time between the beginnings of two rounds: `short` while somebody waits for them, else `calm`.

    Both in seconds. A round costs about the same whether it covers one entry or a thousand, and the machine is there
    for signatures: so rounds that take long are also further apart.
    """

    def __init__(self, is_urgent: Callable[[], bool], arrived: Wakeup, *, short: float, calm: float) -> None:
        """`arrived` is notified when `is_urgent` may have become true."""
        self._is_urgent = is_urgent
        self._arrived = arrived
        self._short = short
        self._calm = max(short, calm)
        self._began: float | None = None
        self._ended = 0.0

    @contextmanager
    def round(self) -> Iterator[None]:
        """The work of one round."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            yield
        finally:
            self._began, self._ended = began, loop.time()

    async def keep(self) -> None:
        """Returns when the next round may begin: at once when there was none lately."""
        while self._began is not None:
            ticket = self._arrived.ticket()
            distance = self._short if self._is_urgent() else self._calm
            rest = self._ended + (self._ended - self._began) * _REST
            left = max(self._began + distance, rest) - asyncio.get_running_loop().time()
            if left <= 0:
                return
            await wait_ticket(ticket, left)
