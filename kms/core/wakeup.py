"""Wakes waiting tasks when something new was committed. Only a hint: whoever wakes reads the tables again."""

import asyncio


class Wakeup:
    """Many waiters, one `notify`. Belongs to one event loop.

    Take a ticket BEFORE reading the tables, then wait on it: a notification between the read and the wait is not lost.
    """

    def __init__(self) -> None:
        self._next: asyncio.Future[None] | None = None

    def ticket(self) -> asyncio.Future[None]:
        """Done at the next notify."""
        if self._next is None or self._next.done():
            self._next = asyncio.get_running_loop().create_future()
        return self._next

    def notify(self) -> None:
        if self._next is not None and not self._next.done():
            self._next.set_result(None)


async def wait_ticket(ticket: asyncio.Future[None], timeout_seconds: float) -> bool:
    """True when notified, False when the time ran out. Never raises for a timeout; leaves the ticket to others."""
    done, _ = await asyncio.wait({ticket}, timeout=timeout_seconds)
    return bool(done)
