"""The fake behind real gRPC and mutual TLS on 127.0.0.1: for what only a real connection can show."""

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent import futures
from typing import Any, Final, NoReturn, cast

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from hallmark_client.errors import HallmarkError
from hallmark_client.profile import Profile
from hallmark_client.rpc import RPCS, Rpc
from hallmark_client.testing.certificates import TestAuthority
from hallmark_client.testing.people import Peer
from hallmark_client.testing.refusals import status_of
from hallmark_client.testing.roles import Role
from hallmark_client.testing.transport import Backend

_ROLE: Final = re.compile(rb"spiffe://hallmark\.local/tenants/[a-z0-9-]+/(admin|backend|auditor|device)/[a-z0-9-]+")
_WORKERS: Final = 16
_MAX_MESSAGE_BYTES: Final = 8 * 1024 * 1024
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
    ("grpc.http2.min_ping_interval_without_data_ms", 20_000),
    ("grpc.so_reuseport", 0),
)


class LoopbackServer:
    """Serves a FakeService on a free port of 127.0.0.1. `stop` and `start` keep port, authority and state."""

    def __init__(self, backend: Backend, authority: TestAuthority) -> None:
        self._backend = backend
        self._authority = authority
        self._identity = authority.server()
        self._port = 0
        self._server: grpc.Server | None = None
        self.start()

    @property
    def address(self) -> str:
        """localhost:port"""
        return f"localhost:{self._port}"

    def profile(self, role: Role, authority: TestAuthority | None = None, *, name: str | None = None) -> Profile:
        """A client identity for this server, of a role or of a person in it; from another authority, to be refused."""
        identity = (authority or self._authority).client(role, name=name)
        return Profile(
            address=self.address,
            ca_pem=self._authority.pem,
            cert_pem=identity.cert_pem,
            key_pem=identity.key_pem,
        )

    def start(self) -> None:
        """Listens; on the port of the first time."""
        server = grpc.server(futures.ThreadPoolExecutor(_WORKERS), options=_OPTIONS)
        credentials = grpc.ssl_server_credentials(
            [(self._identity.key_pem, self._identity.cert_pem)],
            root_certificates=self._authority.pem,
            require_client_auth=True,
        )
        server.add_generic_rpc_handlers((_Handlers(self._backend),))
        self._port = server.add_secure_port(f"127.0.0.1:{self._port}", credentials)
        server.start()
        self._server = server

    def stop(self) -> None:
        """Drops every connection at once, as when the process dies."""
        if self._server is not None:
            self._server.stop(grace=None).wait()
            self._server = None


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._by_path = {each.path: each for each in RPCS}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[Any, Any] | None":
        rpc = self._by_path.get(handler_call_details.method)
        if rpc is None:
            return None
        codec = {
            "request_deserializer": rpc.request.FromString,
            "response_serializer": rpc.response.SerializeToString,
        }
        if rpc.uploads and rpc.streaming:
            return grpc.stream_stream_rpc_method_handler(self._converse(rpc), **codec)
        if rpc.uploads:
            return grpc.stream_unary_rpc_method_handler(self._upload(rpc), **codec)
        if rpc.streaming:
            return grpc.unary_stream_rpc_method_handler(self._stream, **codec)
        return grpc.unary_unary_rpc_method_handler(self._unary(rpc), **codec)

    def _unary(self, rpc: Rpc[Any, Any]) -> Any:
        def handle(request: Any, context: grpc.ServicerContext) -> Any:
            assert context.time_remaining() is not None, "a call without a deadline"
            try:
                return self._backend.answer(rpc, request, role=_role(context), peer=_peer(context))
            except HallmarkError as error:
                _abort(context, error)

        return handle

    def _upload(self, rpc: Rpc[Any, Any]) -> Any:
        def handle(requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
            assert context.time_remaining() is not None, "a call without a deadline"
            try:
                return self._backend.upload(rpc, list(requests), role=_role(context), peer=_peer(context))
            except HallmarkError as error:
                _abort(context, error)

        return handle

    def _converse(self, rpc: Rpc[Any, Any]) -> Any:
        def handle(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
            assert context.time_remaining() is not None, "a call without a deadline"
            try:
                yield from self._backend.converse(rpc, requests, role=_role(context), peer=_peer(context))
            except HallmarkError as error:
                _abort(context, error)

        return handle

    def _stream(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        ended = threading.Event()

        def end() -> None:
            ended.set()
            self._backend.wake()

        if not context.add_callback(end):
            return
        try:
            role, peer = _role(context), _peer(context)
            yield from self._backend.stream(request, role=role, is_cancelled=ended.is_set, peer=peer)
        except HallmarkError as error:
            _abort(context, error)


def _role(context: grpc.ServicerContext) -> Role:
    """From the client's certificate, as the service does it."""
    names = cast("Mapping[str, Sequence[bytes]]", context.auth_context()).get("x509_subject_alternative_name", ())
    found = [match for name in names if (match := _ROLE.fullmatch(name))]
    if not found:
        context.abort(grpc.StatusCode.UNAUTHENTICATED, "the certificate has no name of ours")
    return cast("Role", found[0][1].decode())


def _peer(context: grpc.ServicerContext) -> Peer:
    auth = cast("Mapping[str, Sequence[bytes]]", context.auth_context())
    names = [name.decode() for name in auth["x509_subject_alternative_name"] if name.startswith(b"spiffe://")]
    key = x509.load_pem_x509_certificate(next(iter(auth["x509_pem_cert"]))).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey), "certificates of the test authority are ECDSA"
    return Peer(names[0], key)


def _abort(context: grpc.ServicerContext, error: HallmarkError) -> NoReturn:
    code = error.grpc_code or grpc.StatusCode.INTERNAL
    status = status_of(
        code, error.reason, error.message, retry_after_seconds=error.retry_after_seconds, metadata=error.metadata
    )
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(code, error.message)
