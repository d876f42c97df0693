"""A home whose server is stopped, opened for one job: its database, token and log, and no network."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from hsm.provider import KeyProvider
from kms import migrations
from kms.app.hsm import make_provider
from kms.app.log_places import log_memories, log_places
from kms.app.log_settings import log_settings
from kms.config import Config
from kms.core.clock import Clock, SystemClock
from kms.core.database import Database
from kms.core.randomness import Randomness, SystemRandomness
from kms.log.service import TransparencyLog
from kms.server.home import Home

_SQLITE_MAGIC = b"SQLite format 3\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfflineHome:
    """The log is prepared and does not run: `log.step()` publishes."""

    database: Database
    provider: KeyProvider
    log: TransparencyLog
    clock: Clock
    randomness: Randomness


class DatabaseUnfit(Exception):
    """There is no database at this place, or not one of this program's version. The text says which."""


@asynccontextmanager
async def open_database_offline(config: Config) -> AsyncIterator[Database]:
    """The database alone, to be read: no token, no migration, nothing is made that is not there.

    SQLite: holds the home's lock, so that its server is stopped. Raises HomeInUse, DatabaseUnfit.
    """
    with ExitStack() as closing:
        if (home := _home_to_lock(config)) is not None:
            home.open()
            closing.callback(home.close)
        database = Database(config.database_url, readers=1)
        closing.callback(database.close)
        stored = await database.read(migrations.stored)
        if stored != migrations.newest():
            raise DatabaseUnfit(
                f"the database is of version {stored or 'none'}, this program of {migrations.newest()}: start a server "
                "of this version once, or take the program that belongs to the database"
            )
        yield database


def _home_to_lock(config: Config) -> Home | None:
    """None where others may go on meanwhile. Raises DatabaseUnfit for a URL that no server takes, and for a file that
    SQLite would make, empty, or that is none of its files.
    """
    try:
        url = sa.make_url(config.database_url)
    except sa.exc.ArgumentError as error:
        raise DatabaseUnfit(f"{config.database_url[:80]} is not the URL of a database") from error
    if url.drivername == "postgresql+psycopg":
        return None
    if url.get_backend_name() != "sqlite":
        raise DatabaseUnfit(f"databases are sqlite:/// or postgresql+psycopg://, not {url.drivername}://")
    if not url.database or not Path(url.database).is_file():
        raise DatabaseUnfit(f"there is no database {url.database or config.database_url}")
    with Path(url.database).open("rb") as file:
        if file.read(len(_SQLITE_MAGIC)) != _SQLITE_MAGIC:
            raise DatabaseUnfit(f"{url.database} is not a database of SQLite")
    return Home(config.home) if config.home.is_dir() else None


@asynccontextmanager
async def open_offline(config: Config, *, prepared: bool = True) -> AsyncIterator[OfflineHome]:
    """Holds the home's lock. `prepared`: False leaves `log.prepare()` to the caller.

    Raises HomeInUse, ConfigError, HsmError, LogFrozen.
    """
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
            public_files=(await log_places(config, database)).files,
            clock=clock,
            settings=await log_settings(config, home, database, randomness),
            memories=log_memories(config, provider, clock),
        )
        closing.push_async_callback(log.close)
        if prepared:
            await log.prepare()
        yield OfflineHome(database=database, provider=provider, log=log, clock=clock, randomness=randomness)
