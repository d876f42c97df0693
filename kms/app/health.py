"""What health checks are told: whether the process serves, and whether its HSM can be used."""

import asyncio

from hsm.errors import HsmError
from kms.keys.hsm_health import HsmHealthCheck
from kms.server.health import HealthServicer


def make_health(health: HsmHealthCheck, draining: asyncio.Event) -> HealthServicer:
    async def serving() -> bool:
        return not draining.is_set()

    async def hsm_usable() -> bool:
        try:
            await health.check()
        except HsmError:
            return False
        return not draining.is_set()

    return HealthServicer({"": serving, "hsm": hsm_usable}, draining)
