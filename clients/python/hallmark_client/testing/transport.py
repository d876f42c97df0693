"""Calls into the fake without a network."""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, cast

import grpc
from google.protobuf.message import Message

from hallmark_client.errors import Unavailable
from hallmark_client.rpc import Request, Response, Rpc
from hallmark_client.status import error_of_code
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

    def stream(
        self, request: Message, *, role: Role, is_cancelled: Callable[[], bool], peer: Peer | None = None
    ) -> Iterator[Message]: ...

    def converse(
        self, rpc: Rpc[Any, Any], requests: Iterator[Any], *, role: Role, peer: Peer | None
    ) -> Iterator[Any]: ...

    def wake(self) -> None: ...


class InMemoryTransport:
    """Asserts that every call has a deadline, and refuses one whose deadline has passed already."""

    def __init__(self, backend: Backend, role: Role, peer: Peer | None = None) -> None:
        """peer: who calls; matters for approvals and for the feeds of devices."""
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
        assert rpc.streaming
        self._check(timeout_seconds)
        stream = _InMemoryStream(self._backend, self._closed.is_set)
        stream.frames = self._backend.stream(
            request, role=self._role, is_cancelled=stream.is_cancelled, peer=self._peer
        )
        return cast("Stream[Response]", stream)

    def converse(
        self, rpc: Rpc[Request, Response], requests: Iterator[Request], timeout_seconds: float
    ) -> Stream[Response]:
        assert rpc.streaming
        assert rpc.uploads
        self._check(timeout_seconds)
        stream = _InMemoryStream(self._backend, self._closed.is_set)
        arrived = (rpc.request.FromString(request.SerializeToString()) for request in requests)
        stream.frames = self._backend.converse(rpc, arrived, role=self._role, peer=self._peer)
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
    """`frames` is set before it is iterated over: what gives them asks `is_cancelled`."""

    frames: Iterator[Message]

    def __init__(self, backend: Backend, is_closed: Callable[[], bool]) -> None:
        self._backend = backend
        self._cancelled = threading.Event()
        self._is_closed = is_closed

    def __iter__(self) -> Iterator[Any]:
        for frame in self.frames:
            if self.is_cancelled():
                break
            yield type(frame).FromString(frame.SerializeToString())
        if self.is_cancelled():
            raise error_of_code(grpc.StatusCode.CANCELLED, "cancelled by the caller")

    def cancel(self) -> None:
        self._cancelled.set()
        self._backend.wake()

    def is_cancelled(self) -> bool:
        return self._cancelled.is_set() or self._is_closed()
