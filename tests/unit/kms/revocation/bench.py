"""The service below gRPC, put together as the composition root does it, with keys in memory and a clock that stands."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hallmark.v1 import revocation_pb2
from hallmark_composite import CompositePublicKey
from hsm.testing import FakeKeyProvider
from kms.core.call import Call, Channel
from kms.core.database import Database, metadata
from kms.core.idempotency import RequestKey
from kms.core.identity import Caller, Role
from kms.core.names import KeyName
from kms.devices.revocable import RevocableDevices
from kms.events.appending import Events
from kms.events.cursor import CursorCodec, open_cursor_codec
from kms.events.model import REVOCATIONS, SIGNING_KEY_ID
from kms.events.signal import FeedSignal
from kms.keys.algorithms import DEFAULT
from kms.keys.model import Key
from kms.keys.service import KeyService
from kms.keys.signing import SigningService
from kms.keys.usage import UseRates
from kms.log.model import LogSettings
from kms.log.service import TransparencyLog
from kms.public.files import FolderPublicFiles
from kms.revocation.rpc import RevocationServicer
from kms.revocation.service import RevocationService
from kms.revocation.subjects import RevocableKeys
from kms.revocation.watch import WatchService
from support.clock import FakeClock
from support.database import fresh_database
from support.randomness import SeededRandomness

ISSUER = "spiffe://hallmark.test/server"
TENANT = "default"


def caller(role: Role = Role.ADMIN, *, tenant: str = TENANT, name: str = "alice") -> Caller:
    return Caller(f"spiffe://hallmark.test/tenants/{tenant}/{role}/{name}", tenant, role, name)


@dataclass(frozen=True)
class Bench:
    database: Database
    clock: FakeClock
    randomness: SeededRandomness
    provider: FakeKeyProvider
    log: TransparencyLog
    keys: KeyService
    signing: SigningService
    signal: FeedSignal
    draining: asyncio.Event
    revocations: RevocationService
    watching: WatchService
    codec: CursorCodec
    servicer: RevocationServicer
    public_key: CompositePublicKey

    def call(self, method: str, **who: Any) -> Call:
        channel = Channel("ipv4:127.0.0.1:1", "TLSv1.3", "X25519MLKEM768")
        return Call(f"call-{uuid.uuid4()}", method, caller(**who), channel, self.clock.now())

    async def replace_epoch(self) -> None:
        """The feed begins another history, as after an operator's intervention."""
        feed = metadata.tables["feed"]
        await self.database.write(lambda tx: tx.execute(feed.update().values(epoch=b"another history!")))

    async def forget_newest_event(self) -> None:
        """What restoring a backup from before it does."""
        events, feed = metadata.tables["feed_event"], metadata.tables["feed"]
        newest = (await self.revocations.newest(TENANT, self.clock.now())).sequence

        def restore(tx: Connection) -> None:
            of_feed = sa.and_(events.c.feed == REVOCATIONS, events.c.sequence == newest)
            doomed = tx.execute(sa.select(events.c.event).where(of_feed)).scalar_one()
            tx.execute(events.delete().where(events.c.event == doomed))
            for table in ("revocation", "feed_subject"):
                rows = metadata.tables[table]
                tx.execute(rows.delete().where(rows.c.event == doomed))
            tx.execute(feed.update().values(sequence=feed.c.sequence - 1))

        await self.database.write(restore)

    async def create_key(self, key_id: str = "manifest", *, tenant: str = TENANT) -> Key:
        request = RequestKey.of(caller(tenant=tenant), str(uuid.uuid4()), "CreateKey", key_id.encode())
        key, _, _ = await self.keys.create(
            KeyName(tenant, key_id),
            algorithm=DEFAULT,
            labels={},
            request=request,
            now=self.clock.now(),
            published=False,
        )
        return key

    async def revoke(
        self,
        subject: str,
        reason: revocation_pb2.RevocationReason = revocation_pb2.REVOCATION_REASON_SUPERSEDED,
        *,
        request_id: str | None = None,
        role: Role = Role.ADMIN,
        tenant: str = TENANT,
        **fields: Any,
    ) -> revocation_pb2.RevokeResponse:
        request = revocation_pb2.RevokeRequest(
            subject=subject, reason=reason, request_id=request_id or str(uuid.uuid4()), **fields
        )
        return await self.servicer.Revoke(request, self.call("Revoke", role=role, tenant=tenant))

    async def revoke_keys(self, *key_ids: str, tenant: str = TENANT) -> list[revocation_pb2.RevocationEvent]:
        """Makes the keys and revokes them in this order."""
        events = []
        for key_id in key_ids:
            key = await self.create_key(key_id, tenant=tenant)
            events.append((await self.revoke(str(key.name), tenant=tenant)).event)
        return events

    async def list(self, **fields: Any) -> revocation_pb2.ListRevocationsResponse:
        request = revocation_pb2.ListRevocationsRequest(**{"parent": f"tenants/{TENANT}", **fields})
        return await self.servicer.ListRevocations(request, self.call("ListRevocations"))


@contextlib.asynccontextmanager
async def running(folder: Path, *, tick_seconds: float = 30.0) -> AsyncIterator[Bench]:
    """A fresh service in `folder`. The ticker is slow unless asked for, so that wake-ups are what moves watchers."""
    with fresh_database(folder) as database:
        async with serving(database, folder, tick_seconds=tick_seconds) as bench:
            yield bench


@contextlib.asynccontextmanager
async def serving(
    database: Database,
    folder: Path,
    *,
    provider: FakeKeyProvider | None = None,
    tick_seconds: float = 30.0,
    seed: int = 1,
) -> AsyncIterator[Bench]:
    """The service over a database that is there already: what a restart, or a second replica, sees."""
    clock, randomness = FakeClock(), SeededRandomness(seed)
    if provider is None:
        provider = FakeKeyProvider(randomness.bytes)
        await provider.start()
    files = FolderPublicFiles(folder / "public")
    settings = LogSettings(origin="hallmark.test/log")
    log = TransparencyLog(database=database, provider=provider, public_files=files, clock=clock, settings=settings)
    await log.prepare()
    keys = KeyService(database, provider, log, randomness)
    service_key = await keys.ensure_service_key(SIGNING_KEY_ID, clock.now())
    signing = SigningService(database, provider, log, randomness, UseRates(clock))
    draining = asyncio.Event()
    signal = FeedSignal(database, draining, tick_seconds=tick_seconds)
    events = Events(database=database, signing=signing, log=log, randomness=randomness, signal=signal, issuer=ISSUER)
    subjects = {"keys": RevocableKeys(), "devices": RevocableDevices()}
    revocations = RevocationService(events=events, subjects=subjects)
    watching = WatchService(database=database, signing=signing, clock=clock, signal=signal, revocations=revocations)
    codec = await open_cursor_codec(database, randomness)
    yield Bench(
        database=database,
        clock=clock,
        randomness=randomness,
        provider=provider,
        log=log,
        keys=keys,
        signing=signing,
        signal=signal,
        draining=draining,
        revocations=revocations,
        watching=watching,
        codec=codec,
        servicer=RevocationServicer(revocations, watching, codec),
        public_key=service_key.versions[0].public_key,
    )
    await log.close()
