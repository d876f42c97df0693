"""What health checks and scrapers are told of an edge: it works while its database does. It has no HSM to ask about,
and what is counted in the database is for the API replicas to tell.
"""

from typing import Final

from kms.app.health import DATABASE, WRITES, database_probe, writes_probe
from kms.app.metrics import Observing, certificate_ends
from kms.core.database import Database
from kms.edge.channel import EdgeIdentity
from kms.events.hub import EventHub

_NEEDS: Final = {
    f"hallmark.v1.{service}": (DATABASE,)
    for service in ("EventService", "KeyService", "TrustService", "DeviceService", "RevocationService", "LogService")
}


def watch_edge(observing: Observing, database: Database, hub: EventHub, identity: EdgeIdentity) -> None:
    """Everything there is to look at."""
    observing.database.watch(lambda: database.writes_waiting)
    observing.health.add(DATABASE, database_probe(database), for_readiness=True)
    observing.health.add(WRITES, writes_probe(database))
    observing.health.need(_NEEDS)
    observing.watch_feeds(lambda: hub.subscribers)
    observing.watch_certificates(lambda: certificate_ends({"server": identity.certificate}))
