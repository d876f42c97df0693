"""gRPC with mutual TLS. grpcio 1.85 and later offers X25519MLKEM768 first; no setting is needed for that."""

import threading
from collections.abc import Iterator
from typing import Any, Final, Generic

import grpc

from hallmark_client.errors import HallmarkError, Unavailable
from hallmark_client.profile import Profile
from hallmark_client.rpc import Request, Response, Rpc
from hallmark_client.status import error_of_rpc

_MAX_MESSAGE_BYTES: Final = 8 * 1024 * 1024

_OPTIONS: Final = (
    ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
    # Notices a dead peer within 40 s, and keeps load balancers from cutting a quiet watch. The server permits 30 s.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 0),
    ("grpc.http2.max_pings_without_data", 0),
    # Retries are ours: they keep the request_id and know which answers are worth one.
    ("grpc.enable_retries", 0),
    # A channel made after a restart connects at once instead of inheriting another channel's back-off.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)


class GrpcTransport:
    """Unary calls share one channel, which reconnects by itself; every stream has a channel of its own, so that a
    watch which resumes starts from a fresh connection."""

    def __init__(self, profile: Profile) -> None:
        self._address = profile.address
        self._credentials = grpc.ssl_channel_credentials(
            root_certificates=profile.ca_pem,
            private_key=profile.key_pem,
            certificate_chain=profile.cert_pem,
        )
        self._lock = threading.Lock()
        self._streams: set[_GrpcStream[Any]] = set()
        self._closed = False
        self._channel = self._open()

    def unary(self, rpc: Rpc[Request, Response], request: Request, timeout_seconds: float) -> Response:
        self._refuse_closed()
        call = self._channel.unary_unary(
            rpc.path,
            request_serializer=rpc.request.SerializeToString,
            response_deserializer=rpc.response.FromString,
        )
        try:
            return call(request, timeout=timeout_seconds)
        except grpc.RpcError as error:
            raise error_of_rpc(error) from error
        except ValueError as error:  # grpcio's way to say that the channel was closed meanwhile
            raise _closed_error() from error

    def stream(self, rpc: Rpc[Request, Response], request: Request, timeout_seconds: float) -> "_GrpcStream[Response]":
        stream: _GrpcStream[Response]
        with self._lock:
            self._refuse_closed()
            stream = _GrpcStream(self._open(), rpc, request, timeout_seconds, self._forget)
            self._streams.add(stream)
        return stream

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        with self._lock:
            self._closed = True
            streams = list(self._streams)
        for stream in streams:
            stream.cancel()
        self._channel.close()

    def _open(self) -> grpc.Channel:
        return grpc.secure_channel(self._address, self._credentials, options=_OPTIONS)

    def _refuse_closed(self) -> None:
        if self._closed:
            raise _closed_error()

    def _forget(self, stream: "_GrpcStream[Any]") -> None:
        with self._lock:
            self._streams.discard(stream)


class _GrpcStream(Generic[Response]):
    def __init__(
        self,
        channel: grpc.Channel,
        rpc: Rpc[Request, Response],
        request: Request,
        timeout_seconds: float,
        on_end: Any,
    ) -> None:
        self._channel = channel
        self._on_end = on_end
        self._call = channel.unary_stream(
            rpc.path,
            request_serializer=rpc.request.SerializeToString,
            response_deserializer=rpc.response.FromString,
        )(request, timeout=timeout_seconds)

    def __iter__(self) -> Iterator[Response]:
        try:
            yield from self._call
        except grpc.RpcError as error:
            raise error_of_rpc(error) from error
        finally:
            self.cancel()

    def cancel(self) -> None:
        self._call.cancel()
        self._channel.close()
        self._on_end(self)


def _closed_error() -> HallmarkError:
    return Unavailable("CLIENT_CLOSED", "this client was closed; make a new one")
