"""The gRPC ports: mutual TLS, and where settings want it TLS for callers with tokens; the guard, the servicers."""

import asyncio
import contextlib
import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import grpc
import grpc.aio

from kms.server.guard import Guard

_logger: Final = logging.getLogger(__name__)
_LISTEN_ATTEMPTS: Final = 100
_LISTEN_SECONDS: Final = 0.05
RECEIVE_BYTES_MAX = 4 * 1024 * 1024
# Register one servicer: add_XServicer_to_server bound to its servicer.
Registration: TypeAlias = Callable[[Any], None]


@dataclass(frozen=True, slots=True)
class TlsMaterial:
    """PEM of the server's key and certificate, and of the authority whose clients are let in."""

    private_key: bytes
    certificate: bytes
    client_authority: bytes

    def __repr__(self) -> str:
        return "TlsMaterial(...)"


TOKEN_OPTIONS: tuple[tuple[str, int], ...] = (  # tokens of 16 KiB (kms.server.identity_jose) and what else there is
    ("grpc.max_metadata_size", 20 * 1024),
    ("grpc.absolute_max_metadata_size", 24 * 1024),
)
_AGE_GRACE_MS = 600_000
"""A stream that goes on for longer on a connection that was to be ended is cut: it resumes from its cursor."""
# Why each option stands here. Public: the benchmark compares with a bare server that has the same. Not here:
# grpc.tsi.max_frame_size. Below 8 KiB it spares 5.6 KiB of an idle connection, and has gRPC (1.85) send pieces of its
# memory in clear (tests/unit/kms/server/test_tls_records.py).
OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.so_reuseport", 0),  # a second server on the port must fail, not steal connections
    ("grpc.max_receive_message_length", RECEIVE_BYTES_MAX),
    ("grpc.server.max_pending_requests", 100_000),  # a reconnect storm is not refused at random
    ("grpc.server.max_pending_requests_hard_limit", 200_000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.max_concurrent_streams", 1024),  # of a connection: calls whose message never comes reach no other limit
    ("grpc.enable_channelz", 0),  # nothing here reads it; 1.2 KiB of each connection
)


class _Generic:
    """Takes what generated code registers, but for one thing: methods are not registered one by one.

    For registered methods grpc.aio (1.85) waits on a future for each of them at every call that comes in: with the 44
    of this server that alone was a sixth of a small call's CPU (decision 0008). By name they cost one look-up.
    """

    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        self._server.add_generic_rpc_handlers(handlers)

    def add_registered_method_handlers(self, service_name: str, handlers: Mapping[str, object]) -> None:
        """Nothing: see the class."""


class GrpcServer:
    """Started once, stopped once. Where `tls` is a function, each handshake asks it: the material may change meanwhile;
    open connections keep what they began with. `token_port` is known after `start`.
    """

    def __init__(
        self,
        guard: Guard,
        registrations: Sequence[Registration],
        tls: TlsMaterial | Callable[[], TlsMaterial],
        *,
        takes_tokens: bool = False,
        connection_age_seconds: float = 0,
    ) -> None:
        self._options = (*OPTIONS, *(TOKEN_OPTIONS if takes_tokens else ()), *_age(connection_age_seconds))
        self._guard = guard
        self._registrations = registrations
        self._server = self._make()
        self._is_stopping = False
        self._watch: asyncio.Task[None] | None = None
        self._current = (lambda: tls) if isinstance(tls, TlsMaterial) else tls
        self.token_port: int | None = None

    async def start(self, address: str, port: int, token_port: int | None = None) -> int:
        """The port it listens on, with mutual TLS; on `token_port`, where there is one, clients need no certificate.
        Raises OSError when one is taken.
        """
        bound = self._listen(address, port, with_certificates=True)
        if token_port is not None:
            self.token_port = self._listen(address, token_port, with_certificates=False)
        serving = await _started(self._server)
        self._watch = asyncio.create_task(self._keep_serving(serving, address, bound, self.token_port))
        return bound

    def _make(self) -> grpc.aio.Server:
        server = grpc.aio.server(interceptors=[self._guard], options=self._options)
        for register in self._registrations:
            register(_Generic(server))
        return server

    async def _keep_serving(
        self, serving: set[asyncio.Task[Any]], address: str, port: int, token_port: int | None
    ) -> None:
        """Grpcio (1.85) ends its whole server when the path of one request is not UTF-8, and closes the ports: another
        one takes its place. Connections are lost; callers repeat what was not answered.
        """
        while True:
            if not serving:
                return
            await asyncio.wait(serving)
            if self._is_stopping:
                return
            _logger.critical("the gRPC server ended by itself; it is started again")
            self._server = self._make()
            for place, with_certificates in ((port, True), (token_port, False)):
                if place is not None:
                    await self._listen_again(address, place, with_certificates=with_certificates)
            serving = await _started(self._server)

    async def _listen_again(self, address: str, port: int, *, with_certificates: bool) -> None:
        """The port is free in a moment. Raises OSError when somebody else has taken it."""
        for _ in range(_LISTEN_ATTEMPTS):
            with contextlib.suppress(OSError):
                self._listen(address, port, with_certificates=with_certificates)
                return
            await asyncio.sleep(_LISTEN_SECONDS)
        self._listen(address, port, with_certificates=with_certificates)

    def _listen(self, address: str, port: int, *, with_certificates: bool) -> int:
        host = f"[{address}]" if ":" in address else address
        try:
            return self._server.add_secure_port(
                f"{host}:{port}", _credentials(self._current, with_certificates=with_certificates)
            )
        except RuntimeError as error:
            raise OSError(f"can not listen on {host}:{port}: is another server running there?") from error

    async def stop(self, grace_seconds: float) -> None:
        """No new calls; running ones get the grace period."""
        self._is_stopping = True
        await self._server.stop(grace_seconds)


async def _started(server: grpc.aio.Server) -> set[asyncio.Task[Any]]:
    """The tasks of grpcio that serve: wait_for_termination does not return when they fail."""
    before = asyncio.all_tasks()
    await server.start()
    return {task for task in asyncio.all_tasks() - before if not inspect.iscoroutine(task.get_coro())}


def _age(seconds: float) -> tuple[tuple[str, int], ...]:
    """0: connections live for as long as their clients want."""
    if seconds == 0:
        return ()
    return ("grpc.max_connection_age_ms", int(seconds * 1000)), ("grpc.max_connection_age_grace_ms", _AGE_GRACE_MS)


def _credentials(current: Callable[[], TlsMaterial], *, with_certificates: bool) -> grpc.ServerCredentials:
    """Which gRPC asks for at every handshake, in a thread of its own; None means: as before."""
    used = current()

    def configuration(tls: TlsMaterial) -> grpc.ServerCertificateConfiguration:
        return grpc.ssl_server_certificate_configuration(
            [(tls.private_key, tls.certificate)],
            root_certificates=tls.client_authority if with_certificates else None,
        )

    def changed() -> grpc.ServerCertificateConfiguration | None:
        nonlocal used
        tls = current()
        if tls is used:
            return None
        fresh, used = configuration(tls), tls
        return fresh

    return grpc.dynamic_ssl_server_credentials(
        configuration(used),
        changed,  # type: ignore[arg-type]  # None is what grpcio documents for no change
        require_client_authentication=with_certificates,
    )
