"""Composition root: the only place that names concrete adapters, and the order of start and stop.

Start  home and lock > database and migrations > HSM > log > the service's own keys > devices > public files > gRPC.
Stop   goodbye to streams > running calls > devices > log (last checkpoint) > public files > HSM > database > lock.
"""

import asyncio
from pathlib import Path

from hsm.provider import KeyProvider
from kms import migrations
from kms.app.approvals import client_folders
from kms.app.edge_identity import ensure_edges
from kms.app.features import Features
from kms.app.ground import Ground
from kms.app.home_address import shown_address
from kms.app.hsm import keep_trying, make_provider, start_or_say_why
from kms.app.identity import Identity, start_identity
from kms.app.log_places import log_memories, log_places
from kms.app.log_settings import log_settings
from kms.app.metrics import Observing, certificate_ends
from kms.app.process import Process
from kms.app.read_plane import ReadPlane
from kms.app.upkeep import purge_answers
from kms.app.walls import Walls
from kms.core.database import Database
from kms.log.keys.succession import check_not_closing, publish_chain
from kms.log.service import TransparencyLog
from kms.public.http import PublicServer, public_app
from kms.server.grpc_server import GrpcServer, Registration
from kms.server.guard import Guard
from kms.server.local_ca import LocalAuthority


class Application(Process):
    """One server process. `start` leaves it serving, or raises; `stop` may be called after either."""

    async def start(self) -> None:
        """Raises HomeInUse, ConfigError, HsmError (first run only), LogFrozen and OSError, each saying what to do."""
        config, now = self._config, self._clock.now()
        self._home.open()
        self._closing.callback(self._home.close)
        places: dict[str, str] = {}
        observing = await self._start_observing(places)
        authority = LocalAuthority(config.home, trust_domain=config.server.trust_domain, now=now)
        identity = await start_identity(config, self._clock, authority)
        identity.run(self._spawn)
        database = self._open_database(observing)
        await asyncio.to_thread(migrations.upgrade, database.engine)
        provider = await self._start_hsm(observing)
        log = await self._start_log(database, provider)
        observing.watch_log(log)
        walls = self._build_walls(database, identity, observing, log)
        ground = Ground(
            config=config,
            clock=self._clock,
            randomness=self._randomness,
            database=database,
            provider=provider,
            log=log,
            authority=authority,
            walls=walls,
            observing=observing,
            draining=self._draining.closed,
            public_url=lambda: self.public_url,
            closing=self._closing,
            spawn=self._spawn,
            places=places,
        )
        features = Features(ground)
        await self._serve_public(config.path(config.log.public_folder))  # its address is part of what features sign
        await features.start()
        await self._serve_grpc(features.registrations, walls, identity, places)
        self._tell_it_is_there(ground, identity)

    def _tell_it_is_there(self, ground: Ground, identity: Identity) -> None:
        """The last step of a start: identities are written, others may find the server."""
        config, observing, authority, now = self._config, ground.observing, ground.authority, self._clock.now()
        clients = [*client_folders(authority, config), *ensure_edges(config, authority, now)]
        observing.watch_certificates(
            lambda: certificate_ends({"server": identity.keeper.current.certificate, "authority": authority.pem})
        )
        self._spawn(purge_answers(ground.database, self._clock))
        self._home.announce(self.address, self.public_url, clients, now, places=ground.places)
        self._closing.callback(self._home.withdraw)
        observing.serving()

    async def _start_observing(self, places: dict[str, str]) -> Observing:
        """First, so that probes are answered during a long start, and closed last, so that they are while draining."""
        observing = Observing(self._config, self._clock, self._draining.leaving)
        self._closing.push_async_callback(observing.close)
        if url := await observing.start():
            places["observing_url"] = url
        return observing

    def _build_walls(self, database: Database, identity: Identity, observing: Observing, log: TransparencyLog) -> Walls:
        walls = Walls.build(
            self._config,
            database,
            self._clock,
            self._randomness,
            identifier=identity.door,
            observers=observing.observers,
            log_origin=log.origin,
        )
        self._closing.push_async_callback(walls.close)
        walls.run(self._spawn)
        return walls

    def _open_database(self, observing: Observing) -> Database:
        config = self._config
        database = Database(
            config.database_url,
            commit_interval_seconds=config.database.commit_interval_seconds,
            committed=observing.database.committed,
        )
        self._closing.callback(database.close)
        observing.watch_database(database)
        return database

    async def _start_hsm(self, observing: Observing) -> KeyProvider:
        """On the first run it must work; later the service also starts without, and says so to who needs it."""
        provider = make_provider(self._config, observing.hsm)
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
        self, registrations: list[Registration], walls: Walls, identity: Identity, places: dict[str, str]
    ) -> None:
        settings = self._config.server
        guard = Guard(walls.doors, clock=self._clock, randomness=self._randomness, closing=self._draining.refusal)
        server = GrpcServer(
            guard,
            registrations,
            lambda: identity.keeper.current,
            takes_tokens=bool(self._config.identity.issuers),
            connection_age_seconds=settings.connection_age_seconds,
        )
        port = await server.start(settings.address, settings.port, self._config.identity.token_port)
        self._closing.push_async_callback(server.stop, settings.drain_seconds)
        self._closing.push_async_callback(self._draining.settle)
        self.address = shown_address(settings.address, port)
        if server.token_port is not None:
            places["token_address"] = shown_address(settings.address, server.token_port)
