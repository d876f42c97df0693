"""What an operator looks at, put together: metrics, health, their HTTP port, traces. Made first, because everything
tells it something; features add what they have while they start.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from importlib import import_module
from importlib.metadata import version
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from cryptography import x509
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2

import hallmark.v1
from hsm.provider import KeyProvider
from kms.app.health import DATABASE, HSM, LOG, NEEDS, WRITES, database_probe, hsm_probe, log_probe, writes_probe
from kms.config import Config, ConfigError
from kms.core.clock import Clock
from kms.core.database import Database
from kms.keys.hsm_health import HsmHealthCheck
from kms.log.service import TransparencyLog
from kms.metrics.asking import Asking
from kms.metrics.calls import CallMetrics
from kms.metrics.hsm import HsmMetrics
from kms.metrics.parts import CertificateMetrics, DatabaseMetrics, FeedMetrics, WitnessMetrics
from kms.metrics.registry import make_registry
from kms.metrics.stored import StoredMetrics, read_stored
from kms.public.http import PublicServer
from kms.server.health import Health, HealthServicer
from kms.server.health_pages import health_app
from kms.server.policy import POLICY

if TYPE_CHECKING:
    from kms.server.doors import Observer
    from kms.server.tracing import Tracing

Ends = Callable[[], Mapping[str, datetime]]
"""When certificates end, by which: server, authority. Asked when a scraper comes: certificates are renewed."""


class Observing:
    """Of one server. `watch_*` what there is, `start` before the slow parts of a start (so that probes are answered),
    `serving` when it takes calls.
    """

    def __init__(self, config: Config, clock: Clock, draining: asyncio.Event) -> None:
        """Raises ConfigError for traces that can not be."""
        self._config = config
        self._clock = clock
        self.registry = make_registry(version("hallmark"))
        self.asking = Asking(self.registry, clock)
        self.health = Health(clock, draining)
        self.hsm = HsmMetrics(self.registry)
        self.database = DatabaseMetrics(self.registry)
        self._calls = CallMetrics(self.registry, POLICY, stream_methods(), tenant_label=config.observing.tenant_label)
        self._tracing = _tracing(config)
        self._server: PublicServer | None = None

    @property
    def observers(self) -> "tuple[Observer, ...]":
        """For kms.server.doors.Doors, before the audit lines: those have the id of the trace then."""
        return (self._calls,) if self._tracing is None else (self._tracing.calls, self._calls)

    def servicer(self) -> HealthServicer:
        return HealthServicer(self.health)

    async def start(self) -> str:
        """The pages' URL; "" when they are not wanted. Raises ConfigError when the port is taken."""
        settings = self._config.observing
        if not settings.enabled:
            return ""
        is_chosen = self._config.server.port != 0 or "port" in settings.model_fields_set
        port = settings.port if is_chosen else 0
        server = PublicServer(health_app(self.health, self.asking.text), host=settings.address, port=port)
        try:
            url = await server.start()
        except OSError as error:
            raise ConfigError(
                f"observing.port: can not listen on {settings.address}:{port} ({error.strerror}): is another server "
                "running there? Set another port, or 0 for a free one"
            ) from error
        self._server = server
        return url

    async def close(self) -> None:
        """Last of all: probes are answered while the server drains. Idempotent."""
        if self._server is not None:
            await self._server.close()
        if self._tracing is not None:
            await asyncio.to_thread(self._tracing.close)

    def serving(self) -> None:
        """The server takes calls from now on."""
        self.health.started.set()

    def watch_database(self, database: Database, *, needs: Mapping[str, Sequence[str]] = NEEDS) -> None:
        """`needs`: of each gRPC service that is served here, an edge has fewer (Health.need)."""
        stored = StoredMetrics(self.registry)
        self.database.watch(lambda: database.writes_waiting)
        self.health.add(DATABASE, database_probe(database), for_readiness=True)
        self.health.add(WRITES, writes_probe(database))
        self.health.need(needs)

        async def up() -> None:
            self.database.up.set(not await self.health.problem(DATABASE))
            self.database.writes_up.set(not await self.health.problem(WRITES))

        async def rows() -> None:
            now = self._clock.now()
            stored.tell(await database.read(partial(read_stored, now=now)), now)

        self.asking.add(DATABASE, up)
        self.asking.add("rows", rows)

    def watch_hsm(self, health: HsmHealthCheck, provider: KeyProvider) -> None:
        label, settings = self._config.hsm.token_label, self._config.observing
        probe = hsm_probe(health)
        self.health.add(HSM, probe, for_readiness=not settings.ready_without_hsm)
        self.health.add(f"{HSM}/{label}", probe)

        async def read() -> None:
            problem = await self.health.problem(HSM)
            self.hsm.standing(label, is_up=not problem, health=health.latest, slots=await provider.slots())

        self.asking.add(HSM, read)

    def watch_log(self, log: TransparencyLog) -> None:
        witnesses = WitnessMetrics(self.registry)
        self.health.add(LOG, log_probe(log))

        async def read() -> None:
            published = log.published
            witnesses.tell(log.witnesses, 0 if published is None else published.head.size)

        self.asking.add(LOG, read)

    def watch_feeds(self, subscribers: Callable[[], int]) -> None:
        FeedMetrics(self.registry).watch(subscribers)

    def watch_certificates(self, ends: Ends) -> None:
        metrics = CertificateMetrics(self.registry)

        async def read() -> None:
            metrics.tell(ends(), self._clock.now())

        self.asking.add("certificates", read)


def certificate_ends(certificates: Mapping[str, bytes]) -> Mapping[str, datetime]:
    """Of PEM certificates; of a chain, its first."""
    return {which: x509.load_pem_x509_certificate(pem).not_valid_after_utc for which, pem in certificates.items()}


def stream_methods() -> frozenset[str]:
    """Paths of the RPCs that send or take a stream."""
    modules = [import_module(each.name) for each in iter_modules(hallmark.v1.__path__, "hallmark.v1.")]
    services: list[ServiceDescriptor] = [health_pb2.DESCRIPTOR.services_by_name["Health"]]
    for module in modules:
        if module.__name__.endswith("_pb2"):
            services += module.DESCRIPTOR.services_by_name.values()
    return frozenset(
        f"/{service.full_name}/{method.name}"
        for service in services
        for method in service.methods
        if method.server_streaming or method.client_streaming
    )


def _tracing(config: Config) -> "Tracing | None":
    if config.observing.otlp_endpoint is None:
        return None
    try:
        from kms.server.tracing import Tracing
    except ImportError as error:
        raise ConfigError("observing.otlp_endpoint: traces need `pip install hallmark[otel]`") from error
    try:
        return Tracing.start(config.observing, version=version("hallmark"), authority=_authority(config))
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _authority(config: Config) -> bytes | None:
    name = config.observing.otlp_authority
    if name is None:
        return None
    try:
        return config.path(name).read_bytes()
    except OSError as error:
        raise ConfigError(f"observing.otlp_authority: can not read {name}: {error.strerror}") from error
