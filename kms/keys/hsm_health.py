"""Whether the HSM really signs, asked at most once a second however many want to know."""

import asyncio

from hsm.errors import HsmError
from hsm.provider import HsmHealth, KeyProvider
from kms.core.clock import Clock

FRESH_SECONDS = 1.0


class HsmHealthCheck:
    """A probe costs a signature on every worker; its outcome serves everybody who asks soon after."""

    def __init__(self, provider: KeyProvider, clock: Clock) -> None:
        self._provider = provider
        self._clock = clock
        self._lock = asyncio.Lock()
        self._checked_at: float | None = None
        self._failure: HsmError | None = None
        self.latest: HsmHealth | None = None
        """What the last check found; None when it failed, and before the first."""

    async def check(self) -> None:
        """Raises HsmError when it can not be used."""
        async with self._lock:
            now = self._clock.monotonic()
            if self._checked_at is None or now - self._checked_at >= FRESH_SECONDS:
                try:
                    self.latest = await self._provider.health()
                    self._failure = None
                except HsmError as error:
                    self._failure, self.latest = error, None
                self._checked_at = now
        if self._failure is not None:
            raise self._failure
