"""Composition root: the only place that names concrete adapters, and the order of start and stop.

Start  home and lock > database and migrations > HSM > log > the service's own keys > devices > public files > gRPC.
Stop   goodbye to streams > running calls > devices > log (last checkpoint) > public files > HSM > database > lock.
"""

import asyncio
import contextlib
from collections.abc import Coroutine
from pathlib import Path

from hsm.provider import KeyProvider
from kms import migrations
from kms.app.approvals import client_folders
from kms.app.doors import make_doors
from kms.app.features import Features
from kms.app.ground import Ground
from kms.app.hsm import keep_trying, make_provider, start_or_say_why
from kms.app.log_places import log_memories, log_places
from kms.app.log_settings import log_settings
from kms.app.read_plane import ReadPlane
from kms.app.upkeep import purge_answers
from kms.config import Config
from kms.core.clock import Clock, SystemClock
from kms.core.database import Database
from kms.core.randomness import Randomness, SystemRandomness
from kms.devices.standing import DeviceStanding
from kms.log.keys.succession import check_not_closing, publish_chain
from kms.log.service import TransparencyLog
from kms.public.http import PublicServer, public_app
from kms.server.grpc_server import GrpcServer, Registration, TlsMaterial
from kms.server.guard import Guard
from kms.server.home import Home
from kms.server.local_ca import LocalAuthority


class Application:
    """One server process. `start` leaves it serving, or raises; `stop` may be called after either."""

    def __init__(self, config: Config, *, clock: Clock | None = None, randomness: Randomness | None = None) -> None:
        self._config = config
        self._clock = clock or SystemClock()
        self._randomness = randomness or SystemRandomness()
        self._home = Home(config.home)
        self._draining = asyncio.Event()
        self._closing = contextlib.AsyncExitStack()
        self._tasks: set[asyncio.Task[None]] = set()
        self.address = ""
        self.public_url = ""

    async def start(self) -> None:
        """Raises HomeInUse, ConfigError, HsmError (first run only), LogFrozen and OSError, each saying what to do."""
        config, now = self._config, self._clock.now()
        self._home.open()
        self._closing.callback(self._home.close)
        authority = LocalAuthority(config.home, trust_domain=config.server.trust_domain, now=now)
        database = Database(config.database_url, commit_interval_seconds=config.database.commit_interval_seconds)
        self._closing.callback(database.close)
        await asyncio.to_thread(migrations.upgrade, database.engine)
        provider = await self._start_hsm()
        public_folder = config.path(config.log.public_folder)
        log = await self._start_log(database, provider)
        standing = DeviceStanding(database, self._clock)
        places: dict[str, str] = {}
        features = Features(
            Ground(
                config=config,
                clock=self._clock,
                randomness=self._randomness,
                database=database,
                provider=provider,
                log=log,
                authority=authority,
                standing=standing,
                draining=self._draining,
                public_url=lambda: self.public_url,
                closing=self._closing,
                spawn=self._spawn,
                places=places,
            )
        )
        await self._serve_public(public_folder)  # its address is part of what features sign
        await features.start()
        clients = client_folders(authority, config)
        await self._serve_grpc(features.registrations, authority, standing)
        self._spawn(purge_answers(database, self._clock))
        self._home.announce(self.address, self.public_url, clients, self._clock.now(), places=places)
        self._closing.callback(self._home.withdraw)

    async def stop(self) -> None:
        """Finishes what is running, publishes the last checkpoint, closes in the reverse order of start."""
        self._draining.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._closing.aclose()

    async def _start_hsm(self) -> KeyProvider:
        """On the first run it must work; later the service also starts without, and says so to who needs it."""
        provider = make_provider(self._config)
        self._closing.push_async_callback(provider.close)
        error = await start_or_say_why(provider)
        if error is not None and not self._home.served_before:
            raise error
        if error is not None and error.retryable:
            self._spawn(keep_trying(provider))
        return provider

    async def _start_log(self, database: Database, provider: KeyProvider) -> TransparencyLog:
        settings = await log_settings(self._config, self._home, database, self._randomness)
        await check_not_closing(database)
        places = await log_places(self._config, database)
        plane = ReadPlane(self._config, places.root, places.prefix, origin=settings.origin, clock=self._clock)
        self._closing.push_async_callback(plane.close)
        log = TransparencyLog(
            database=database,
            provider=provider,
            public_files=plane.files,
            clock=self._clock,
            settings=settings,
            memories=[*log_memories(self._config, provider, self._clock), *plane.memories],
        )
        self._closing.push_async_callback(log.close)
        await log.start()
        await publish_chain(database, places.root)
        plane.follow(log)
        return log

    async def _serve_public(self, folder: Path) -> None:
        server = PublicServer(
            public_app(folder), host=self._config.server.public_address, port=self._config.server.public_port
        )
        self.public_url = await server.start()
        self._closing.push_async_callback(server.close)

    async def _serve_grpc(
        self, registrations: list[Registration], authority: LocalAuthority, standing: DeviceStanding
    ) -> None:
        settings = self._config.server
        guard = Guard(make_doors(self._config, standing, self._clock), clock=self._clock, randomness=self._randomness)
        private_key, certificate = authority.server_credentials(settings.host_names)
        server = GrpcServer(guard, registrations, TlsMaterial(private_key, certificate, authority.pem))
        port = await server.start(settings.address, settings.port)
        self._closing.push_async_callback(server.stop, settings.drain_seconds)
        self.address = f"localhost:{port}" if settings.address == "127.0.0.1" else f"{settings.address}:{port}"

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
