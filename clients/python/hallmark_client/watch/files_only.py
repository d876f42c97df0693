"""A client for devices that reach no API: everything but public files is unavailable."""
# ruff: noqa: ARG002 - all ways to nowhere are the same

from collections.abc import Iterator
from typing import NoReturn

from hallmark_client.client import Client
from hallmark_client.errors import Unavailable
from hallmark_client.rpc import Request, Response, Rpc


def files_client(tenant: str) -> Client:
    """For `Watcher(files_client("acme"), files_url=..., begin_with=Rung.FILES, feeds=(Feed.GLOBAL,), ...)`."""
    return Client.over(_NoApi(), tenant=tenant)


class _NoApi:
    """A Transport to nowhere."""

    closed = False

    def unary(self, rpc: Rpc[Request, Response], request: Request, timeout_seconds: float) -> NoReturn:
        raise _nowhere(rpc.name)

    def upload(self, rpc: Rpc[Request, Response], requests: Iterator[Request], timeout_seconds: float) -> NoReturn:
        raise _nowhere(rpc.name)

    def stream(self, rpc: Rpc[Request, Response], request: Request, timeout_seconds: float) -> NoReturn:
        raise _nowhere(rpc.name)

    def converse(self, rpc: Rpc[Request, Response], requests: Iterator[Request], timeout_seconds: float) -> NoReturn:
        raise _nowhere(rpc.name)

    def close(self) -> None:
        """Nothing is open."""


def _nowhere(name: str) -> Unavailable:
    return Unavailable("FILES_ONLY", f"{name} needs the API, and this client has only files")
