"""Use cases of trust bundles: hand out, note who has which, tell who is ready for the next version of a key."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from kms.core.database import Database
from kms.core.errors import InvalidArgument, Reason
from kms.core.names import KeyName
from kms.keys.model import Key, KeyVersion, KeyVersionState
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

    async def readiness_of(self, name: KeyName, tenant: str, now: datetime) -> Readiness:
        """For a key as it is. Raises the uniform not-found."""
        return await self._readiness((await self.keys.get(name)).next_version, tenant, now)

    async def readiness(self, key: Key, tenant: str, now: datetime) -> Readiness:
        """For the newest version that signs or waits, of a key as a rotation left it or a rehearsal would leave it."""
        living = [v for v in key.versions if v.state in {KeyVersionState.PRE_ACTIVE, KeyVersionState.ACTIVE}]
        return await self._readiness(next(iter(living), None), tenant, now)

    async def _readiness(self, version: KeyVersion | None, tenant: str, now: datetime) -> Readiness:
        newest = (await self.maker.current(tenant, now)).sequence
        return await self.database.read(lambda tx: _count(tx, version, tenant, newest, now))


def _count(tx: Connection, waiting: KeyVersion | None, tenant: str, newest: int, now: datetime) -> Readiness:
    """What is in no bundle yet nobody has: it comes with the next one, at the earliest."""
    first = 0 if waiting is None else store.first_sequence(tx, tenant, waiting.name)
    since, wanted = now - SEEN_WITHIN, newest if waiting is None else first or newest + 1
    seen, ready = store.count_clients(tx, tenant, wanted, since)
    return Readiness(
        next_version="" if waiting is None else str(waiting.name),
        activate_time=None if waiting is None else waiting.activate_time,
        bundle_sequence=first,
        clients_seen=seen,
        clients_ready=ready,
        not_ready=tuple(store.clients_without(tx, tenant, wanted, since, NOT_READY_MAX)),
    )
