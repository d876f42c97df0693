"""How calls reach a server. Two implementations: gRPC with mutual TLS, and the in-memory one of `testing`."""

from collections.abc import Iterator
from typing import Protocol, TypeVar

from hallmark_client.rpc import Request, Response, Rpc

Item_co = TypeVar("Item_co", covariant=True)


class Stream(Protocol[Item_co]):
    """A running server stream.

    Iteration blocks for the next message, ends when the server ends the stream, and raises HallmarkError when it
    breaks. `cancel` may be called from any thread, any number of times; it ends a blocked iteration with Unavailable.
    """

    def __iter__(self) -> Iterator[Item_co]: ...

    def cancel(self) -> None: ...


class Transport(Protocol):
    """One server. Thread-safe. Calls raise HallmarkError only, are made once (no retries here), and always have a
    deadline. After `close` calls raise Unavailable and running streams are cancelled; closing twice is fine.
    """

    def unary(self, rpc: Rpc[Request, Response], request: Request, timeout_seconds: float) -> Response: ...

    def upload(self, rpc: Rpc[Request, Response], requests: Iterator[Request], timeout_seconds: float) -> Response:
        """The client streams, the server answers once. An exception of `requests` ends the call and is raised."""
        ...

    def stream(self, rpc: Rpc[Request, Response], request: Request, timeout_seconds: float) -> Stream[Response]: ...

    def converse(
        self, rpc: Rpc[Request, Response], requests: Iterator[Request], timeout_seconds: float
    ) -> Stream[Response]:
        """Both sides stream. `requests` is taken in another thread, must raise nothing, and should end when the stream
        was cancelled.
        """
        ...

    @property
    def closed(self) -> bool: ...

    def close(self) -> None: ...
