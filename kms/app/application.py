"""Composition root: the only place that names concrete adapters, and the order of start and stop.

Start  home and lock > database and migrations > HSM > log > the service's own keys > devices > public files > gRPC.
Stop   goodbye to streams > running calls > devices > log (last checkpoint) > public files > HSM > database > lock.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from importlib.metadata import version
from pathlib import Path
from typing import Any

from grpc_health.v1 import health_pb2_grpc

from attestation import FORMATS
from hallmark.v1 import (
    approvals_pb2_grpc,
    envelopes_pb2_grpc,
    keys_pb2_grpc,
    log_pb2_grpc,
    revocation_pb2_grpc,
)
from hsm.provider import KeyProvider
from kms import migrations
from kms.app.approvals import KeyApprovals, client_folders, make_approvals
from kms.app.attestation import Below, start_attestation
from kms.app.envelopes import make_envelopes
from kms.app.health import make_health
from kms.app.hsm import keep_trying, make_provider, pkcs11_settings, start_or_say_why
from kms.app.keys import make_key_parts
from kms.app.log_places import log_memories, log_places
from kms.app.log_rpc import make_log_servicer
from kms.app.log_settings import log_settings
from kms.app.read_plane import ReadPlane
from kms.app.upkeep import purge_answers
from kms.approvals.rpc import ApprovalServicer
from kms.approvals.service import ApprovalService
from kms.config import Config
from kms.core.clock import Clock, SystemClock
from kms.core.database import Database
from kms.core.randomness import Randomness, SystemRandomness
from kms.devices.gate import DeviceVerdicts
from kms.devices.revocable import RevocableDevices
from kms.devices.standing import DeviceStanding
from kms.envelopes.model import SIGNING_KEY_ID as ENVELOPES_SIGNING_KEY_ID
from kms.keys.capabilities import CapabilityReader, ServerFacts
from kms.keys.hsm_health import HsmHealthCheck
from kms.keys.service import KeyService
from kms.keys.signing import SigningService
from kms.keys.signing_rpc import SigningServicer
from kms.keys.usage import UseRates
from kms.keys.verification import VerificationService
from kms.keys.wrapping import WrappingKeys
from kms.log.keys.succession import check_not_closing, publish_chain
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
from kms.server.errors import to_status
from kms.server.grpc_server import GrpcServer, Registration, TlsMaterial
from kms.server.guard import Guard
from kms.server.home import Home
from kms.server.limits import RateLimit, StreamLimit
from kms.server.local_ca import LocalAuthority
from kms.trust.model import SIGNING_KEY_ID as TRUST_SIGNING_KEY_ID
from kms.trust.scheduler import Scheduler

_GROUPS_PER_SIGNER = 3  # two that its process has, one that is being committed
_SIGNING_KEY_IDS = (SIGNING_KEY_ID, TRUST_SIGNING_KEY_ID, ENVELOPES_SIGNING_KEY_ID)


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
        registrations, scheduler = await self._features(database, provider, log, authority)
        await self._serve_public(public_folder)
        clients = client_folders(authority, config)
        await self._serve_grpc(registrations, authority, DeviceStanding(database, self._clock))
        self._spawn(purge_answers(database, self._clock))
        self._spawn(scheduler.run())
        self._home.announce(self.address, self.public_url, clients, self._clock.now())
        self._closing.callback(self._home.withdraw)

    async def _features(
        self, database: Database, provider: KeyProvider, log: TransparencyLog, authority: LocalAuthority
    ) -> tuple[list[Registration], Scheduler]:
        """Every servicer, and the clock work of keys, which is not started yet."""
        signing = self._signing(database, provider, log)
        approvals = make_approvals(self._config, database, log, self._randomness)
        keys = KeyService(database, provider, log, self._randomness, KeyApprovals(approvals))
        for key_id in _SIGNING_KEY_IDS:
            await keys.ensure_service_key(key_id, self._clock.now())
        wrapping = WrappingKeys(keys, signing, ENVELOPES_SIGNING_KEY_ID)
        await wrapping.ensure(self._clock.now())
        health = HsmHealthCheck(provider, self._clock)
        revocations = self._revocations(database, signing, log)
        parts = make_key_parts(
            keys=keys,
            signing=signing,
            revocations=revocations,
            wrapping=wrapping,
            files=FolderPublicFiles(self._config.path(self._config.log.public_folder)),
            capabilities=CapabilityReader(provider, health, self._facts(log)),
            clock=self._clock,
        )
        return [
            _registration(keys_pb2_grpc.add_KeyServiceServicer_to_server, parts.servicer),
            _registration(keys_pb2_grpc.add_TrustServiceServicer_to_server, parts.trust),
            _registration(
                keys_pb2_grpc.add_SigningServiceServicer_to_server,
                SigningServicer(signing, VerificationService(database), to_status),
            ),
            await self._revocation_servicer(revocations),
            *await self._attestation(keys, approvals, revocations, authority),
            _registration(approvals_pb2_grpc.add_ApprovalServiceServicer_to_server, ApprovalServicer(approvals)),
            _registration(
                envelopes_pb2_grpc.add_EnvelopeServiceServicer_to_server,
                make_envelopes(self._config, keys, signing, approvals, self._clock),
            ),
            _registration(log_pb2_grpc.add_LogServiceServicer_to_server, self._log_servicer(database, provider, log)),
            _registration(health_pb2_grpc.add_HealthServicer_to_server, make_health(health, self._draining)),
        ], parts.scheduler

    def _log_servicer(self, database: Database, provider: KeyProvider, log: TransparencyLog) -> LogServicer:
        return make_log_servicer(
            database=database,
            provider=provider,
            log=log,
            clock=self._clock,
            randomness=self._randomness,
            draining=self._draining,
        )

    def _signing(self, database: Database, provider: KeyProvider, log: TransparencyLog) -> SigningService:
        groups = _GROUPS_PER_SIGNER * pkcs11_settings(self._config).worker_count
        rates = UseRates(self._clock)
        return SigningService(database, provider, log, self._randomness, rates, groups, DeviceVerdicts())

    async def _attestation(
        self, keys: KeyService, approvals: ApprovalService, revocations: RevocationService, authority: LocalAuthority
    ) -> list[Registration]:
        below = Below(
            config=self._config,
            clock=self._clock,
            keys=keys,
            signing=revocations.signing,
            approvals=approvals,
            revocations=revocations,
            authority=authority,
        )
        parts = await start_attestation(below, self._closing)
        self._spawn(parts.background)
        return [_registration(add, servicer) for add, servicer in parts.servicers]

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

    def _facts(self, log: TransparencyLog) -> Callable[[], Awaitable[ServerFacts]]:
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

        return facts

    def _revocations(self, database: Database, signing: SigningService, log: TransparencyLog) -> RevocationService:
        return RevocationService(
            database=database,
            signing=signing,
            log=log,
            randomness=self._randomness,
            signal=FeedSignal(database, self._draining),
            subjects={"keys": RevocableKeys(), "devices": RevocableDevices()},
            issuer=f"spiffe://{self._config.server.trust_domain}/server",
        )

    async def _revocation_servicer(self, revocations: RevocationService) -> Registration:
        database = revocations.database
        watching = WatchService(
            database=database,
            signing=revocations.signing,
            clock=self._clock,
            signal=revocations.signal,
            revocations=revocations,
        )
        codec = await open_cursor_codec(database, self._randomness)
        servicer = RevocationServicer(revocations, watching, codec)
        return _registration(revocation_pb2_grpc.add_RevocationServiceServicer_to_server, servicer)

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
        guard = Guard(
            trust_domain=settings.trust_domain,
            require_pq_tls=settings.require_pq_tls,
            rate=RateLimit(
                settings.rate_per_second, self._clock, device_rate_per_second=settings.device_rate_per_second
            ),
            streams=StreamLimit(per_caller=settings.streams_per_caller, total=settings.streams_total),
            standing=standing,
            clock=self._clock,
            randomness=self._randomness,
        )
        private_key, certificate = authority.server_credentials(settings.host_names)
        server = GrpcServer(guard, registrations, TlsMaterial(private_key, certificate, authority.pem))
        port = await server.start(settings.address, settings.port)
        self._closing.push_async_callback(server.stop, settings.drain_seconds)
        self.address = f"localhost:{port}" if settings.address == "127.0.0.1" else f"{settings.address}:{port}"

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _registration(add: Callable[[Any, Any], None], servicer: object) -> Registration:
    return lambda server: add(servicer, server)
