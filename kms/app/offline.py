"""A home whose server is stopped, opened for one job: its database, token and log, and no network."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from hsm.provider import KeyProvider
from kms import migrations
from kms.app.hsm import make_provider
from kms.app.log_origin import log_origin
from kms.config import Config
from kms.core.clock import Clock, SystemClock
from kms.core.database import Database
from kms.core.randomness import Randomness, SystemRandomness
from kms.log.model import LogSettings
from kms.log.service import TransparencyLog
from kms.public.files import FolderPublicFiles
from kms.server.home import Home


@dataclass(frozen=True, slots=True, kw_only=True)
class OfflineHome:
    """The log is prepared and does not run: `log.step()` publishes."""

    database: Database
    provider: KeyProvider
    log: TransparencyLog
    clock: Clock
    randomness: Randomness


@asynccontextmanager
async def open_offline(config: Config) -> AsyncIterator[OfflineHome]:
    """Holds the home's lock. Raises HomeInUse, HsmError, LogFrozen."""
    clock, randomness = SystemClock(), SystemRandomness()
    async with AsyncExitStack() as closing:
        home = Home(config.home)
        home.open()
        closing.callback(home.close)
        database = Database(config.database_url)
        closing.callback(database.close)
        migrations.upgrade(database.engine)
        provider = make_provider(config)
        closing.push_async_callback(provider.close)
        await provider.start()
        log = TransparencyLog(
            database=database,
            provider=provider,
            public_files=FolderPublicFiles(config.path(config.log.public_folder)),
            clock=clock,
            settings=LogSettings(origin=await log_origin(config, home, database, randomness)),
        )
        closing.push_async_callback(log.close)
        await log.prepare()
        yield OfflineHome(database=database, provider=provider, log=log, clock=clock, randomness=randomness)
