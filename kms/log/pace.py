"""How far apart the rounds of a loop are."""

import asyncio

from kms.core.wakeup import wait_ticket
from kms.log.waiters import Waiters


class Pace:
    """The least time between the beginnings of two rounds: `short` while somebody waits for a proof, else `calm`.

    Both in seconds. A checkpoint costs two signatures, several transactions and several fsyncs whether it covers one
    entry or a thousand; the machine is there for signatures.
    """

    def __init__(self, waiters: Waiters, *, short: float, calm: float) -> None:
        self._waiters = waiters
        self._short = short
        self._calm = max(short, calm)
        self._began: float | None = None

    def begin(self) -> None:
        """A round begins now."""
        self._began = asyncio.get_running_loop().time()

    async def keep(self) -> None:
        """Returns when the next round may begin: at once when there was none lately."""
        if self._began is None:
            return
        while True:
            ticket = self._waiters.arrived.ticket()
            distance = self._short if self._waiters.is_anybody_waiting else self._calm
            left = self._began + distance - asyncio.get_running_loop().time()
            if left <= 0:
                return
            await wait_ticket(ticket, left)
