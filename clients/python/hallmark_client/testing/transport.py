"""Calls into the fake without a network."""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, cast

import grpc

from hallmark.v1 import revocation_pb2
from hallmark_client.errors import Unavailable
from hallmark_client.rpc import Request, Response, Rpc
from hallmark_client.status import error_of_code
from hallmark_client.testing.feed import Frame
from hallmark_client.testing.people import Peer
from hallmark_client.testing.roles import Role
from hallmark_client.transport import Stream


class Backend(Protocol):
    """What a transport needs of a FakeService. All of it is thread-safe and raises HallmarkError."""

    def answer(
        self, rpc: Rpc[Request, Response], request: Request, *, role: Role, peer: Peer | None = None
    ) -> Response: ...

    def upload(
        self, rpc: Rpc[Request, Response], requests: Sequence[Request], *, role: Role, peer: Peer | None = None
    ) -> Response: ...

    def watch(
        self, request: revocation_pb2.WatchRevocationsRequest, *, role: Role, is_cancelled: Callable[[], bool]
    ) -> Iterator[Frame]: ...

    def wake(self) -> None: ...


class InMemoryTransport:
    """Asserts that every call has a deadline, and refuses one whose deadline has passed already."""

    def __init__(self, backend: Backend, role: Role, peer: Peer | None = None) -> None:
        """peer: who calls; matters for approvals only."""
        self._backend = backend
        self._role = role
        self._peer = peer
        self._closed = threading.Event()

    def unary(self, rpc: Rpc[Request, Response], request: Request, timeout_seconds: float) -> Response:
        self._check(timeout_seconds)
        # Through bytes and back: what does not survive the wire must not work here either.
        arrived = rpc.request.FromString(request.SerializeToString())
        return self._backend.answer(rpc, arrived, role=self._role, peer=self._peer)

    def upload(self, rpc: Rpc[Request, Response], requests: Iterator[Request], timeout_seconds: float) -> Response:
        self._check(timeout_seconds)
        arrived = [rpc.request.FromString(request.SerializeToString()) for request in requests]
        return self._backend.upload(rpc, arrived, role=self._role, peer=self._peer)

    def stream(self, rpc: Rpc[Request, Response], request: Request, timeout_seconds: float) -> Stream[Response]:
        self._check(timeout_seconds)
        assert isinstance(request, revocation_pb2.WatchRevocationsRequest), f"{rpc.name} is not a stream"
        stream = _InMemoryStream(self._backend, request, self._role, self._closed.is_set)
        return cast("Stream[Response]", stream)

    @property
    def closed(self) -> bool:
        return self._closed.is_set()

    def close(self) -> None:
        self._closed.set()
        self._backend.wake()

    def _check(self, timeout_seconds: float) -> None:
        if self._closed.is_set():
            raise Unavailable("CLIENT_CLOSED", "this client was closed; make a new one")
        assert timeout_seconds < float("inf"), "a call without a deadline"
        if timeout_seconds <= 0:
            raise error_of_code(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")


class _InMemoryStream:
    def __init__(
        self,
        backend: Backend,
        request: revocation_pb2.WatchRevocationsRequest,
        role: Role,
        is_closed: Callable[[], bool],
    ) -> None:
        self._backend = backend
        self._cancelled = threading.Event()
        self._is_closed = is_closed
        self._frames = backend.watch(request, role=role, is_cancelled=self._is_cancelled)

    def __iter__(self) -> Iterator[Any]:
        for frame in self._frames:
            yield Frame.FromString(frame.SerializeToString())
        if self._is_cancelled():
            raise error_of_code(grpc.StatusCode.CANCELLED, "cancelled by the caller")

    def cancel(self) -> None:
        self._cancelled.set()
        self._backend.wake()

    def _is_cancelled(self) -> bool:
        return self._cancelled.is_set() or self._is_closed()
