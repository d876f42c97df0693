"""gRPC with mutual TLS. grpcio 1.85 and later offers X25519MLKEM768 first; no setting is needed for that."""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final, Generic, assert_never

import grpc

from hallmark_client.errors import HallmarkError, TransportRefused, Unavailable
from hallmark_client.profile import Profile
from hallmark_client.rpc import Request, Response, Rpc
from hallmark_client.status import error_of_rpc
from hallmark_client.tls_probe import Finding, look

_MAX_MESSAGE_BYTES: Final = 8 * 1024 * 1024

OPTIONS: Final = (
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

_SETTLED: Final = (grpc.ChannelConnectivity.READY, grpc.ChannelConnectivity.TRANSIENT_FAILURE)
_CONNECT_SECONDS: Final = 2.0
_LOOKS_BETWEEN: Final = (2, 1, 1)
"""After each attempt to connect with our certificate: looks without it."""
_SERVER_STRANGE: Final = (
    "the certificate of {} was not made by the authority in ca.pem, or not for that name; "
    "use a profile folder that this very server wrote"
)
_CLIENT_REFUSED: Final = (
    "{} refuses the certificate of this client: it has expired, or another authority made it; "
    "use a profile folder that this very server wrote"
)
_CERTIFICATE_WANTED: Final = (
    "{} asks for a client certificate, and this profile has a bearer token only; use the server's port for tokens "
    "(identity.token_port)"
)


class GrpcTransport:
    """Unary calls share one channel, which reconnects by itself; every stream has a channel of its own, so that a
    watch which resumes starts from a fresh connection.
    """

    def __init__(self, profile: Profile) -> None:
        self._address = profile.address
        self._ca_pem = profile.ca_pem
        self._bearer = profile.bearer()
        self._credentials = profile.credentials(self._bearer)
        self._has_certificate = bool(profile.cert_pem)
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
            raise self.explained(error_of_rpc(error)) from error
        except ValueError as error:  # grpcio's way to say that the channel was closed meanwhile
            raise _closed_error() from error

    def upload(self, rpc: Rpc[Request, Response], requests: Iterator[Request], timeout_seconds: float) -> Response:
        self._refuse_closed()
        call = self._channel.stream_unary(
            rpc.path,
            request_serializer=rpc.request.SerializeToString,
            response_deserializer=rpc.response.FromString,
        )
        failures: list[Exception] = []
        try:
            return call(_watched(requests, failures), timeout=timeout_seconds)
        except grpc.RpcError as error:
            if failures:
                raise failures[0] from None
            raise self.explained(error_of_rpc(error)) from error
        except ValueError as error:
            raise _closed_error() from error

    def stream(self, rpc: Rpc[Request, Response], request: Request, timeout_seconds: float) -> "_GrpcStream[Response]":
        def start(channel: grpc.Channel) -> Any:
            call = channel.unary_stream(
                rpc.path,
                request_serializer=rpc.request.SerializeToString,
                response_deserializer=rpc.response.FromString,
            )
            return call(request, timeout=timeout_seconds)

        return self._started(start)

    def converse(
        self, rpc: Rpc[Request, Response], requests: Iterator[Request], timeout_seconds: float
    ) -> "_GrpcStream[Response]":
        def start(channel: grpc.Channel) -> Any:
            call = channel.stream_stream(
                rpc.path,
                request_serializer=rpc.request.SerializeToString,
                response_deserializer=rpc.response.FromString,
            )
            return call(requests, timeout=timeout_seconds)

        return self._started(start)

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

    def explained(self, error: HallmarkError) -> HallmarkError:
        """The same error, or TransportRefused when a look at the server shows that a certificate is the reason."""
        if error.reason != "UNREACHABLE" or self._closed:
            return error
        match look(self._address, self._ca_pem):
            case Finding.NOBODY:
                return error
            case Finding.NOT_TLS:
                return _refused(f"{self._address} does not speak TLS; is it the gRPC port?")
            case Finding.STRANGER:
                return _refused(_SERVER_STRANGE.format(self._address))
            case Finding.SERVER:
                if not self._is_turned_away():
                    return error
                reason = _CLIENT_REFUSED if self._has_certificate else _CERTIFICATE_WANTED
                return _refused(reason.format(self._address))
            case finding:
                assert_never(finding)

    def forget(self, stream: "_GrpcStream[Any]") -> None:
        """Called by a stream that has ended."""
        with self._lock:
            self._streams.discard(stream)

    def _is_turned_away(self) -> bool:
        """Whether fresh channels, with our certificate, do not get through a handshake that works without it.

        One of each proves nothing behind a load balancer with a dead replica: it may give the looks to the living and
        the channels to the dead. So several, and not in turns.
        """
        for looks in _LOOKS_BETWEEN:
            if not self._is_unusable():
                return False
            if any(look(self._address, self._ca_pem) is not Finding.SERVER for _ in range(looks)):
                return False  # it has died meanwhile, or one of several has
        return True

    def _is_unusable(self) -> bool:
        """A fresh channel fails; slow is not refused."""
        states: queue.SimpleQueue[grpc.ChannelConnectivity] = queue.SimpleQueue()
        with self._open() as channel:
            channel.subscribe(states.put, try_to_connect=True)
            try:
                while (state := states.get(timeout=_CONNECT_SECONDS)) not in _SETTLED:
                    pass
            except queue.Empty:
                return False
        return state is not grpc.ChannelConnectivity.READY

    def _started(self, start: Callable[[grpc.Channel], Any]) -> "_GrpcStream[Any]":
        with self._lock:
            self._refuse_closed()
            channel = self._open()
            stream: _GrpcStream[Any] = _GrpcStream(channel, start(channel), self)
            self._streams.add(stream)
        return stream

    def _open(self) -> grpc.Channel:
        return grpc.secure_channel(self._address, self._credentials, options=OPTIONS)

    def _refuse_closed(self) -> None:
        if self._closed:
            raise _closed_error()
        if self._bearer is not None:
            self._bearer()  # what is wrong with the token is said as it is; gRPC would call it a lost connection


def _watched(requests: Iterator[Request], failures: list[Exception]) -> Iterator[Request]:
    """The library takes the requests in a thread of its own and tells only that they failed."""
    try:
        yield from requests
    except Exception as error:
        failures.append(error)
        raise


class _GrpcStream(Generic[Response]):
    def __init__(self, channel: grpc.Channel, call: Any, transport: GrpcTransport) -> None:
        self._channel = channel
        self._transport = transport
        self._call = call

    def __iter__(self) -> Iterator[Response]:
        try:
            yield from self._call
        except grpc.RpcError as error:
            raise self._transport.explained(error_of_rpc(error)) from error
        finally:
            self.cancel()

    def cancel(self) -> None:
        self._call.cancel()
        self._channel.close()
        self._transport.forget(self)


def _refused(message: str) -> HallmarkError:
    return TransportRefused("TRANSPORT_REFUSED", message, grpc_code=grpc.StatusCode.UNAVAILABLE)


def _closed_error() -> HallmarkError:
    return Unavailable("CLIENT_CLOSED", "this client was closed; make a new one")
