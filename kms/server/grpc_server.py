"""The gRPC port: mutual TLS, the guard, the servicers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc
import grpc.aio

from kms.server.guard import Guard

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


# Why each option stands here. Public: the benchmark compares with a bare server that has the same.
OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.so_reuseport", 0),  # a second server on the port must fail, not steal connections
    ("grpc.max_receive_message_length", RECEIVE_BYTES_MAX),
    ("grpc.server.max_pending_requests", 100_000),  # a reconnect storm is not refused at random
    ("grpc.server.max_pending_requests_hard_limit", 200_000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.tsi.max_frame_size", 4096),  # of a TLS record: holds one event, and spares 5.6 KiB of each idle connection
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
    """Started once, stopped once."""

    def __init__(self, guard: Guard, registrations: Sequence[Registration], tls: TlsMaterial) -> None:
        self._server = grpc.aio.server(interceptors=[guard], options=OPTIONS)
        for register in registrations:
            register(_Generic(self._server))
        self._credentials = grpc.ssl_server_credentials(
            [(tls.private_key, tls.certificate)], root_certificates=tls.client_authority, require_client_auth=True
        )

    async def start(self, address: str, port: int) -> int:
        """The port it listens on. Raises OSError when it is taken."""
        host = f"[{address}]" if ":" in address else address
        try:
            bound = self._server.add_secure_port(f"{host}:{port}", self._credentials)
        except RuntimeError as error:
            raise OSError(f"can not listen on {host}:{port}: is another server running there?") from error
        await self._server.start()
        return bound

    async def stop(self, grace_seconds: float) -> None:
        """No new calls; running ones get the grace period."""
        await self._server.stop(grace_seconds)
