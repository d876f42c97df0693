"""Keys with everything that moves them: clock work, trust bundles, revocations, reports of compromise."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kms.core.call import Call, Channel
from kms.core.database import Database
from kms.core.idempotency import RequestKey
from kms.core.names import KeyName, KeyVersionName
from kms.core.steady_time import SteadyTime
from kms.events.appending import Events
from kms.events.model import SIGNING_KEY_ID as REVOCATION_KEY_ID
from kms.events.signal import FeedSignal
from kms.keys.aliases import AliasService
from kms.keys.compromise_port import CompromiseOutcome
from kms.keys.destroyer import Destroyer
from kms.keys.life import LifeService
from kms.keys.lifecycle import Action
from kms.keys.model import Key
from kms.keys.rotation import RotationService
from kms.keys.service import KeyService
from kms.keys.signing import SigningService
from kms.keys.usage import UseRates
from kms.public.files import PublicFiles
from kms.revocation.compromise import CompromiseService
from kms.revocation.service import RevocationService
from kms.revocation.subjects import RevocableKeys
from kms.trust.bundles import BundleMaker
from kms.trust.model import SIGNING_KEY_ID
from kms.trust.publication import BundlePublisher
from kms.trust.scheduler import Scheduler
from kms.trust.service import TrustService
from support.keys_world import ADMIN, KeysWorld, keys_world
from support.public_files import MemoryPublicFiles
from support.randomness import SeededRandomness

NAME = KeyName("default", "manifest")


@dataclass
class Replica:
    """One process's worth of services on the world's database and token."""

    keys: KeyService
    signing: SigningService
    rotation: RotationService
    life: LifeService
    aliases: AliasService
    revocations: RevocationService
    compromise: CompromiseService
    destroyer: Destroyer
    publisher: BundlePublisher
    maker: BundleMaker
    trust: TrustService
    scheduler: Scheduler


@dataclass
class TrustWorld:
    base: KeysWorld
    files: MemoryPublicFiles
    replica: Replica

    @property
    def now(self) -> datetime:
        return self.base.world.clock.now()

    def advance(self, seconds: float) -> None:
        self.base.world.clock.advance(seconds)

    def another(self, seed: int, *, database: Database | None = None, files: PublicFiles | None = None) -> Replica:
        return make_replica(self.base, files or self.files, seed, database or self.base.world.database)

    async def key(self, name: KeyName = NAME) -> Key:
        return await self.base.keys.get(name)

    async def act(self, number: int, action: Action, *, request: RequestKey | None = None) -> Key:
        version = KeyVersionName(NAME.tenant, NAME.key, number)
        request = request or self.base.request()
        key, _, _ = await self.replica.life.change(version, action, request=request, now=self.now, published=False)
        return key

    async def report(
        self,
        name: KeyName | KeyVersionName = NAME,
        *,
        request: RequestKey | None = None,
        replica: Replica | None = None,
    ) -> CompromiseOutcome:
        return await (replica or self.replica).compromise.report(
            name, compromise_time=None, request=request or self.base.request(), call=self.call(), published=False
        )

    def call(self) -> Call:
        channel = Channel(peer="test", tls_version="TLSv1.3", group="X25519MLKEM768")
        return Call(str(uuid.uuid4()), "method", ADMIN, channel, self.now)

    async def event_types(self) -> list[str]:
        """Of everything logged so far, in order."""
        await self.base.world.log.step()
        return [entry.data.split(b'"type":"')[1].split(b'"')[0].decode() for entry in await self.base.world.stored()]


def make_replica(base: KeysWorld, files: PublicFiles, seed: int, database: Database) -> Replica:
    world, randomness = base.world, SeededRandomness(seed)
    keys = KeyService(database, world.provider, world.log, randomness)
    signing = SigningService(database, world.provider, world.log, randomness, UseRates(world.clock))
    rotation = RotationService(keys)
    events = Events(
        database=database,
        signing=signing,
        log=world.log,
        randomness=randomness,
        signal=FeedSignal(database, asyncio.Event()),
        issuer="spiffe://hallmark.test/server",
    )
    revocations = RevocationService(events=events, subjects={"keys": RevocableKeys()})
    publisher = BundlePublisher(database, files)
    maker = BundleMaker(database=database, signing=signing, log=world.log, publisher=publisher, randomness=randomness)
    destroyer, compromise = Destroyer(keys, SteadyTime(world.clock)), CompromiseService(rotation, revocations)

    jobs = {
        "destructions": destroyer.run_due,
        "reports": compromise.resume,
        "bundles": maker.make_due,
        "public bundles": publisher.publish_due,
    }
    return Replica(
        keys=keys,
        signing=signing,
        rotation=rotation,
        life=LifeService(keys),
        aliases=AliasService(keys),
        revocations=revocations,
        compromise=compromise,
        destroyer=destroyer,
        publisher=publisher,
        maker=maker,
        trust=TrustService(database, keys, maker),
        scheduler=Scheduler(rotation=rotation, clock=world.clock, jobs=jobs),
    )


@asynccontextmanager
async def trust_world(folder: Path) -> AsyncIterator[TrustWorld]:
    """With the service's own keys, and one key `manifest`."""
    async with keys_world(folder) as base:
        files = MemoryPublicFiles()
        replica = make_replica(base, files, 11, base.world.database)
        for key_id in (REVOCATION_KEY_ID, SIGNING_KEY_ID):
            await base.keys.ensure_service_key(key_id, base.world.clock.now())
        await base.create()
        yield TrustWorld(base, files, replica)
