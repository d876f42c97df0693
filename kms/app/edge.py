"""An edge: one process without an HSM that serves streams and reads (docs/operations.md).

Start  home and lock > database and its version > cursor key > public files > gRPC.
Stop   as a server (kms.app.drain): goodbye to streams > running calls > public files > database > lock.
"""

import asyncio

import sqlalchemy as sa

from kms.app.edge_features import EdgeGround, make_edge_features
from kms.app.edge_health import watch_edge
from kms.app.edge_schema import open_cursors
from kms.app.home_address import shown_address
from kms.app.identity import Identity, start_edge_identity
from kms.app.metrics import Observing
from kms.app.process import Process
from kms.app.walls import Walls
from kms.config import Config, ConfigError
from kms.core.database import Database
from kms.edge.channel import EdgeIdentity, GrpcReplica
from kms.edge.remote import RemoteProver
from kms.edge.served import Elsewhere
from kms.edge.shown_log import ShownLog
from kms.log import store as log_store
from kms.log.keys.succession_store import stored_prefix
from kms.public.below import below
from kms.public.files import FolderPublicFiles
from kms.public.http import PublicServer, public_app
from kms.server.grpc_server import GrpcServer, Registration
from kms.server.guard import Guard


class EdgeApplication(Process):
    """One edge process, with the life of kms.app.application.Application."""

    async def start(self) -> None:
        """Raises HomeInUse, ConfigError, DatabaseUnfit, Unavailable and OSError, each saying what to do."""
        config = self._config
        identity = _identity(config)
        self._home.open()
        self._closing.callback(self._home.close)
        observing, places = Observing(config, self._clock, self._draining.leaving), dict[str, str]()
        self._closing.push_async_callback(observing.close)
        if url := await observing.start():
            places["observing_url"] = url
        database = Database(config.database_url, commit_interval_seconds=config.database.commit_interval_seconds)
        self._closing.callback(database.close)
        codec = await database.read(open_cursors)
        who = await start_edge_identity(config, self._clock)
        who.run(self._spawn)
        walls = await self._build_walls(database, observing, who)
        ground = EdgeGround(
            database=database,
            clock=self._clock,
            randomness=self._randomness,
            standing=walls.standing,
            codec=codec,
            prover=self._reach_replicas(identity),
            log=await self._serve_public(database),
            elsewhere=Elsewhere(config.edge.api[0]),
            draining=self._draining.closed,
        )
        features = make_edge_features(ground, observing.servicer())
        watch_edge(observing, database, features.hub, identity)
        self._spawn(features.run())
        await self._serve_grpc(features.registrations, walls, who)
        self._home.announce(self.address, self.public_url, [], self._clock.now(), places=places)
        self._closing.callback(self._home.withdraw)
        observing.serving()

    async def _build_walls(self, database: Database, observing: Observing, who: Identity) -> Walls:
        """The same doors as those of a replica. What a replica does for all of them is not done here: counting
        signatures, deleting what is old.
        """
        walls = Walls.build(
            self._config,
            database,
            self._clock,
            self._randomness,
            identifier=who.door,
            observers=observing.observers,
            log_origin=None,
        )
        self._closing.push_async_callback(walls.close)
        await walls.access.decisions.source.refresh()
        walls.run(self._spawn)
        return walls

    def _reach_replicas(self, identity: EdgeIdentity) -> RemoteProver:
        settings = self._config.edge
        prover = RemoteProver(
            [GrpcReplica(address, identity, timeout_seconds=settings.sign_timeout_seconds) for address in settings.api]
        )
        self._closing.push_async_callback(prover.close)
        return prover

    async def _serve_grpc(self, registrations: list[Registration], walls: Walls, who: Identity) -> None:
        settings = self._config.server
        guard = Guard(walls.doors, clock=self._clock, randomness=self._randomness, closing=self._draining.refusal)
        server = GrpcServer(
            guard,
            registrations,
            lambda: who.keeper.current,
            takes_tokens=bool(self._config.identity.issuers),
            connection_age_seconds=settings.connection_age_seconds,
        )
        port = await server.start(settings.address, settings.port, self._config.identity.token_port)
        self._closing.push_async_callback(server.stop, settings.drain_seconds)
        self._closing.push_async_callback(self._draining.settle)
        self.address = shown_address(settings.address, port)

    async def _serve_public(self, database: Database) -> ShownLog | None:
        """Where there are public files: their port, and what the log shows in them."""
        if self._config.edge.public_folder is None:
            return None
        folder = self._config.path(self._config.edge.public_folder)
        if not await asyncio.to_thread(folder.is_dir):
            raise ConfigError(
                f"edge.public_folder: there is no folder {folder}; mount or mirror the public files there"
            )
        origin, prefix = await database.read(lambda tx: (log_store.find_origin(tx), stored_prefix(tx)))
        assert origin is not None, "a server has been up with this database: it has cursors"
        server = PublicServer(
            public_app(folder), host=self._config.server.public_address, port=self._config.server.public_port
        )
        self.public_url = await server.start()
        self._closing.push_async_callback(server.close)
        return ShownLog(database, below(FolderPublicFiles(folder), prefix), origin)


def _identity(config: Config) -> EdgeIdentity:
    """Raises ConfigError, also for settings with which no edge can be."""
    if sa.make_url(config.database_url).get_backend_name() != "postgresql":
        raise ConfigError("database.url: an edge reads the PostgreSQL that the API replicas share; name that one")
    if not config.edge.api:
        raise ConfigError("edge.api: name the address of an API replica, host:port; it signs heartbeats for this edge")
    folder, api = config.path(config.edge.profile), config.edge.api_authority
    api_authority = None if api is None else config.path(api)
    try:
        return EdgeIdentity.load(folder, api_authority)
    except OSError as error:
        raise ConfigError(
            f"edge.profile, edge.api_authority: can not read {error.filename}: {error.strerror}. Name this edge in "
            f"edge.names of an API replica, and copy the folder clients/edge-NAME of that replica to {folder}"
        ) from error
