"""Composition root: the only place that names concrete adapters, and the order of start and stop.

Start  home and lock > database and migrations > HSM > log > the service's own keys > devices > public files > gRPC.
Stop   goodbye to streams > running calls > devices > log (last checkpoint) > public files > HSM > database > lock.
"""

import asyncio
import contextlib
import functools
import logging
from collections.abc import Callable, Coroutine
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

from grpc_health.v1 import health_pb2_grpc

from attestation import FORMATS
from hallmark.v1 import devices_pb2_grpc, keys_pb2_grpc, log_pb2_grpc, revocation_pb2_grpc
from hsm.errors import HsmError
from hsm.provider import KeyProvider
from kms import migrations
from kms.app.devices import devices_settings, status_feed
from kms.app.hsm import keep_trying, make_provider, start_or_say_why
from kms.config import Config
from kms.core.clock import Clock, SystemClock
from kms.core.database import Database
from kms.core.errors import ServiceError
from kms.core.idempotency import purge
from kms.core.randomness import Randomness, SystemRandomness
from kms.devices.revocable import RevocableDevices
from kms.devices.rpc import DeviceServicer
from kms.devices.service import DeviceService
from kms.devices.verification import NoStatus, StatusSource, Verifier
from kms.keys.capabilities import CapabilityReader, ServerFacts
from kms.keys.hsm_health import HsmHealthCheck
from kms.keys.rpc import KeyServicer, SigningServicer
from kms.keys.service import KeyService
from kms.keys.signing import SigningService
from kms.log.model import LogSettings
from kms.log.rpc import LogServicer
from kms.log.service import TransparencyLog
from kms.public.files import FolderPublicFiles
from kms.public.http import PublicServer, public_app
from kms.revocation.feed import FeedSignal
from kms.revocation.model import SIGNING_KEY_ID
from kms.revocation.rpc import RevocationServicer
from kms.revocation.service import RevocationService, open_cursor_codec
from kms.revocation.subjects import RevocableKeys
from kms.revocation.watch import WatchService
from kms.server.grpc_server import GrpcServer, Registration, TlsMaterial
from kms.server.guard import Guard
from kms.server.health import HealthServicer
from kms.server.home import Home
from kms.server.limits import RateLimit, StreamLimit
from kms.server.local_ca import LocalAuthority

_PURGE_SECONDS = 600
_CLOCK_JUMP = timedelta(minutes=5)
_logger = logging.getLogger(__name__)
_SIGNING_KEY_IDS = (SIGNING_KEY_ID,)


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
        database = Database(config.database_url)
        self._closing.callback(database.close)
        await asyncio.to_thread(migrations.upgrade, database.engine)
        provider = await self._start_hsm()
        public_folder = config.path(config.log.public_folder)
        log = await self._start_log(database, provider, public_folder)
        signing = SigningService(database, provider, log, self._randomness)
        keys = KeyService(database, provider, log, self._randomness)
        for key_id in _SIGNING_KEY_IDS:
            await keys.ensure_service_key(key_id, now)
        health = HsmHealthCheck(provider, self._clock)
        registrations = [
            *self._key_servicers(keys, signing, provider, health, log),
            await self._revocation_servicer(database, signing, log),
            await self._device_servicer(database, log),
            _registration(log_pb2_grpc.add_LogServiceServicer_to_server, LogServicer(log, origin=log.origin)),
            _registration(health_pb2_grpc.add_HealthServicer_to_server, self._health(health)),
        ]
        await self._serve_public(public_folder)
        await self._serve_grpc(registrations, authority)
        self._spawn(self._purge(database))
        self._home.announce(self.address, self.public_url, authority.ensure_clients(), self._clock.now())
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

    async def _start_log(self, database: Database, provider: KeyProvider, public_folder: Path) -> TransparencyLog:
        settings = LogSettings(
            origin=self._config.log.origin or self._home.log_origin(self._randomness),
            min_checkpoint_interval_seconds=self._config.log.checkpoint_interval_seconds,
            refresh_seconds=self._config.log.refresh_seconds,
        )
        files = FolderPublicFiles(public_folder)
        log = TransparencyLog(
            database=database, provider=provider, public_files=files, clock=self._clock, settings=settings
        )
        self._closing.push_async_callback(log.close)
        await log.start()
        return log

    def _key_servicers(
        self,
        keys: KeyService,
        signing: SigningService,
        provider: KeyProvider,
        health: HsmHealthCheck,
        log: TransparencyLog,
    ) -> list[Registration]:
        async def facts() -> ServerFacts:
            return ServerFacts(
                version=version("hallmark"),
                log_origin=log.origin,
                verifier_keys=tuple(str(key) for key in log.verifier_keys()),
                public_url=self.public_url,
                evidence_formats=tuple(evidence_format.value for evidence_format in FORMATS),
                challenge_lifetime_seconds=self._config.devices.challenge_lifetime_seconds,
                require_pq_tls=self._config.server.require_pq_tls,
            )

        reader = CapabilityReader(provider, health, facts)
        return [
            _registration(keys_pb2_grpc.add_KeyServiceServicer_to_server, KeyServicer(keys, reader)),
            _registration(keys_pb2_grpc.add_SigningServiceServicer_to_server, SigningServicer(signing)),
        ]

    async def _revocation_servicer(
        self, database: Database, signing: SigningService, log: TransparencyLog
    ) -> Registration:
        signal = FeedSignal(database, self._draining)
        revocations = RevocationService(
            database=database,
            signing=signing,
            log=log,
            randomness=self._randomness,
            signal=signal,
            subjects={"keys": RevocableKeys(), "devices": RevocableDevices()},
            issuer=f"spiffe://{self._config.server.trust_domain}/server",
        )
        watching = WatchService(
            database=database, signing=signing, clock=self._clock, signal=signal, revocations=revocations
        )
        codec = await open_cursor_codec(database, self._randomness)
        servicer = RevocationServicer(revocations, watching, codec)
        return _registration(revocation_pb2_grpc.add_RevocationServiceServicer_to_server, servicer)

    async def _device_servicer(self, database: Database, log: TransparencyLog) -> Registration:
        settings = devices_settings(self._config)
        status: StatusSource = NoStatus()
        if settings.android_status_source is not None:
            feed = status_feed(settings.android_status_source, self._config, settings, self._clock)
            await feed.start()
            self._closing.push_async_callback(feed.close)
            status = feed
        verifier = Verifier(anchors=settings.anchors, policy=settings.policy, status=status)
        self._closing.callback(verifier.close)
        devices = DeviceService(
            database=database,
            verifier=verifier,
            log=log,
            randomness=self._randomness,
            challenge_lifetime=timedelta(seconds=settings.challenge_lifetime_seconds),
        )
        return _registration(devices_pb2_grpc.add_DeviceServiceServicer_to_server, DeviceServicer(devices))

    def _health(self, health: HsmHealthCheck) -> HealthServicer:
        async def serving() -> bool:
            return not self._draining.is_set()

        async def hsm_usable() -> bool:
            try:
                await health.check()
            except HsmError:
                return False
            return not self._draining.is_set()

        return HealthServicer({"": serving, "hsm": hsm_usable}, self._draining)

    async def _serve_public(self, folder: Path) -> None:
        server = PublicServer(
            public_app(folder), host=self._config.server.public_address, port=self._config.server.public_port
        )
        self.public_url = await server.start()
        self._closing.push_async_callback(server.close)

    async def _serve_grpc(self, registrations: list[Registration], authority: LocalAuthority) -> None:
        settings = self._config.server
        guard = Guard(
            trust_domain=settings.trust_domain,
            require_pq_tls=settings.require_pq_tls,
            rate=RateLimit(
                settings.rate_per_second, self._clock, device_rate_per_second=settings.device_rate_per_second
            ),
            streams=StreamLimit(per_caller=settings.streams_per_caller, total=settings.streams_total),
            clock=self._clock,
            randomness=self._randomness,
        )
        private_key, certificate = authority.server_credentials(settings.host_names)
        server = GrpcServer(guard, registrations, TlsMaterial(private_key, certificate, authority.pem))
        port = await server.start(settings.address, settings.port)
        self._closing.push_async_callback(server.stop, settings.drain_seconds)
        self.address = f"localhost:{port}" if settings.address == "127.0.0.1" else f"{settings.address}:{port}"

    async def _purge(self, database: Database) -> None:
        while True:
            before, began = self._clock.now(), self._clock.monotonic()
            await asyncio.sleep(_PURGE_SECONDS)
            now = self._clock.now()
            if now - before > timedelta(seconds=self._clock.monotonic() - began) + _CLOCK_JUMP:
                _logger.warning("the clock jumped ahead: answers kept for retries are not purged now")
                continue
            try:
                await database.write(functools.partial(purge, now=now))
            except ServiceError as error:
                _logger.warning("answers kept for retries could not be purged, later again: %s", error)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _registration(add: Callable[[Any, Any], None], servicer: object) -> Registration:
    return lambda server: add(servicer, server)
