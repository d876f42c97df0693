"""How a server ends while others go on: first it is looked away from, then it refuses, then it finishes.

(1) `leave`: health says NOT_SERVING, and calls are taken all the same for a while, so that load balancers and clients
    have heard of it before anybody is refused;
(2) `close`: streams say goodbye, new calls are refused with UNAVAILABLE/SHUTTING_DOWN, which clients retry elsewhere;
    `settle` waits until callers have heard it, because gRPC ends what comes while it stops with a bare CANCELLED;
(3) the gRPC port gives running calls their time (server.drain_seconds), and the rest is closed (kms.app.application).
"""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from kms.core.errors import Reason, ServiceError, Unavailable

RETRY_SECONDS: Final = 0.5
QUIET_SECONDS: Final = 0.1
SETTLE_SECONDS_MAX: Final = 1.0
"""Who never stops calling is not waited for."""


@dataclass(slots=True)
class Draining:
    """One for the process. `leaving`: no new clients; `closed`: no new calls."""

    leaving: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    _refused: int = 0

    async def leave(self, notice_seconds: float) -> None:
        """Health changes now; returns when `notice_seconds` have passed."""
        self.leaving.set()
        if notice_seconds > 0:
            await asyncio.sleep(notice_seconds)

    def close(self) -> None:
        self.leaving.set()
        self.closed.set()

    async def settle(self) -> None:
        """Returns when nobody was refused for a moment."""
        for _ in range(round(SETTLE_SECONDS_MAX / QUIET_SECONDS)):
            before = self._refused
            await asyncio.sleep(QUIET_SECONDS)
            if self._refused == before:
                return

    def refusal(self) -> ServiceError | None:
        """Of a call that comes now; None while calls are taken."""
        if not self.closed.is_set():
            return None
        self._refused += 1
        return Unavailable(
            Reason.SHUTTING_DOWN,
            "this server is closing; nothing was done: retry, another one answers",
            retry_after_seconds=RETRY_SECONDS,
        )
