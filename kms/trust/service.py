"""Use cases of trust bundles: hand out, note who has which, tell who is ready for the next version of a key."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from kms.core.database import Database
from kms.core.errors import InvalidArgument, Reason
from kms.core.names import KeyName
from kms.keys.model import Key
from kms.keys.readiness import Readiness
from kms.keys.service import KeyService
from kms.trust import store
from kms.trust.bundles import BundleMaker
from kms.trust.model import NOT_READY_MAX, SEEN_WITHIN, TrustBundle


@dataclass(frozen=True, slots=True)
class TrustService:
    """A kms.keys.readiness.ReadinessReader."""

    database: Database
    keys: KeyService
    maker: BundleMaker

    async def bundle(self, tenant: str, now: datetime) -> TrustBundle:
        """Shows every change that was committed before the call."""
        return await self.maker.current(tenant, now)

    async def acknowledge(self, tenant: str, client: str, sequence: int, now: datetime) -> int:
        """Notes that a client (SPIFFE id) has a bundle; gives the newest sequence. Safe to repeat."""

        def work(tx: Connection) -> int:
            latest = store.latest_sequence(tx, tenant)
            if not 1 <= sequence <= latest:
                raise InvalidArgument(
                    Reason.FIELD_INVALID, f"sequence must be that of a bundle, 1 to {latest}", field="sequence"
                )
            store.acknowledge(tx, tenant, client, sequence, now)
            return latest

        return await self.database.write(work)

    async def readiness_of(self, name: KeyName, now: datetime) -> Readiness:
        """Raises the uniform not-found."""
        return await self.readiness(await self.keys.get(name), now)

    async def readiness(self, key: Key, now: datetime) -> Readiness:
        """For a key as it is, or as a rehearsal would leave it."""
        newest = (await self.maker.current(key.name.tenant, now)).sequence
        return await self.database.read(lambda tx: _count(tx, key, newest, now))


def _count(tx: Connection, key: Key, newest: int, now: datetime) -> Readiness:
    tenant, waiting = key.name.tenant, key.next_version
    first = 0 if waiting is None else store.first_sequence(tx, tenant, waiting.name)
    since, wanted = now - SEEN_WITHIN, first or newest
    seen, ready = store.count_clients(tx, tenant, wanted, since)
    return Readiness(
        next_version="" if waiting is None else str(waiting.name),
        activate_time=None if waiting is None else waiting.activate_time,
        bundle_sequence=first,
        clients_seen=seen,
        clients_ready=ready,
        not_ready=tuple(store.clients_without(tx, tenant, wanted, since, NOT_READY_MAX)),
    )
