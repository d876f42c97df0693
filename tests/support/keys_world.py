"""Keys and signatures below gRPC: real services, a real log and database, keys in memory."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from kms.core.idempotency import RequestKey
from kms.core.identity import Caller, Role
from kms.core.names import KeyName, KeyVersionName
from kms.keys.algorithms import DEFAULT
from kms.keys.inputs import SignInput
from kms.keys.model import Key, SignAnswer
from kms.keys.revoking import revoke_in
from kms.keys.rotation import RotationService
from kms.keys.service import KeyService
from kms.keys.signing import SigningService
from kms.keys.usage import UseRates
from support.log_world import LogWorld
from support.randomness import SeededRandomness

ADMIN = Caller("spiffe://hallmark.test/tenants/default/admin/a", "default", Role.ADMIN, "a")


@dataclass
class KeysWorld:
    world: LogWorld
    keys: KeyService
    signing: SigningService

    def request(self, body: bytes = b"", request_id: str | None = None) -> RequestKey:
        return RequestKey.of(ADMIN, request_id or str(uuid.uuid4()), "method", body)

    @property
    def rotation(self) -> RotationService:
        return RotationService(self.keys)

    async def create(self, key_id: str = "manifest", *, request: RequestKey | None = None, **more: Any) -> Key:
        """`more`: algorithm, purpose, settings, as KeyService.create takes them."""
        key, _, _ = await self.keys.create(
            KeyName("default", key_id),
            **{"algorithm": DEFAULT, "labels": {}, **more},
            request=request or self.request(),
            now=self.world.clock.now(),
            published=False,
        )
        return key

    async def rotate(
        self,
        key_id: str = "manifest",
        *,
        etag: str = "",
        lead: timedelta | None = None,
        request: RequestKey | None = None,
    ) -> Key:
        key, _, _ = await self.rotation.rotate(
            KeyName("default", key_id),
            etag=etag,
            lead=lead,
            request=request or self.request(),
            now=self.world.clock.now(),
            published=False,
        )
        return key

    async def sign(
        self, message: bytes, name: KeyName | KeyVersionName | None = None, *, request: RequestKey | None = None
    ) -> SignAnswer:
        answer, _, _ = await self.signing.sign(
            name or KeyName("default", "manifest"),
            SignInput(data=message),
            request=request or self.request(),
            now=self.world.clock.now(),
            published=False,
        )
        return answer

    async def revoke(self, name: KeyName | KeyVersionName, *, compromised: bool = True) -> None:
        now = self.world.clock.now()
        await self.world.database.write(
            lambda tx: revoke_in(tx, name, compromised=compromised, effective_time=now, now=now)
        )


@asynccontextmanager
async def keys_world(folder: Path, url: str | None = None) -> AsyncIterator[KeysWorld]:
    """url: of a database with all tables; None: SQLite in the folder."""
    world = LogWorld(folder, url=url)
    log = await world.open()
    await log.prepare()
    randomness = SeededRandomness()
    keys = KeyService(world.database, world.provider, log, randomness)
    signing = SigningService(world.database, world.provider, log, randomness, UseRates(world.clock))
    try:
        yield KeysWorld(world, keys, signing)
    finally:
        await world.close()
