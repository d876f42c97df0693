"""What health checks of an edge are told: it works while its database does. There is no HSM to ask about."""

import asyncio
from typing import Final

from kms.app.health import DATABASE, database_probe
from kms.core.clock import Clock
from kms.core.database import Database
from kms.server.health import Health

_NEEDS: Final = {
    f"hallmark.v1.{service}": (DATABASE,)
    for service in ("EventService", "KeyService", "TrustService", "DeviceService", "RevocationService", "LogService")
}


def make_edge_health(database: Database, clock: Clock, leaving: asyncio.Event) -> Health:
    """Its `started` is to be set."""
    health = Health(clock, leaving)
    health.add(DATABASE, database_probe(database), for_readiness=True)
    health.need(_NEEDS)
    return health
