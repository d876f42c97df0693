"""One suite of behaviour for every server the client may meet: the fake, the fake over gRPC, and the real service.

A test takes `client_under_test`, a factory of clients by role, or `server` when it needs a device as well.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import pytest

from hallmark_client import Client
from hallmark_client.testing import FakeService, LoopbackServer, Role, TestAuthority


class ClientFactory(Protocol):
    def __call__(self, role: Role = "admin", *, timeout_seconds: float = 20.0, name: str | None = None) -> Client: ...


@dataclass(frozen=True)
class Server:
    """client: closed by the fixture. attest: evidence over a challenge by a device the server believes, and its key."""

    client: ClientFactory
    attest: Callable[[bytes], tuple[tuple[bytes, ...], bytes]]


def _fake_evidence(fake: FakeService) -> Callable[[bytes], tuple[tuple[bytes, ...], bytes]]:
    def attest(challenge: bytes) -> tuple[tuple[bytes, ...], bytes]:
        device = fake.virtual_device()
        return device.attest(challenge), device.key_spki

    return attest


def _in_memory(clients: ExitStack) -> Server:
    fake = FakeService()

    def client(role: Role = "admin", *, timeout_seconds: float = 20.0, name: str | None = None) -> Client:
        return clients.enter_context(fake.client(role=role, name=name, timeout_seconds=timeout_seconds))

    return Server(client, _fake_evidence(fake))


def _over_grpc(clients: ExitStack) -> Server:
    fake = FakeService()
    loopback = LoopbackServer(fake, TestAuthority(datetime.now(UTC)))
    clients.callback(loopback.stop)

    def client(role: Role = "admin", *, timeout_seconds: float = 20.0, name: str | None = None) -> Client:
        return clients.enter_context(Client(loopback.profile(role, name=name), timeout_seconds=timeout_seconds))

    return Server(client, _fake_evidence(fake))


def _live(clients: ExitStack, request: pytest.FixtureRequest) -> Server:
    try:
        request.getfixturevalue("live_client")  # starts the service, and shows that an admin gets in
    except pytest.FixtureLookupError:
        pytest.skip("no fixture live_client: the real service is not part of this run")
    service = request.getfixturevalue("service")

    def client(role: Role = "admin", *, timeout_seconds: float = 20.0, name: str | None = None) -> Client:
        return clients.enter_context(service.client(name or role, timeout_seconds=timeout_seconds))

    def attest(challenge: bytes) -> tuple[tuple[bytes, ...], bytes]:
        key = service.phone.generate_key(challenge)
        return tuple(part.data for part in key.evidence.parts), key.spki

    return Server(client, attest)


@pytest.fixture(params=["fake", "fake-over-grpc", "live"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with ExitStack() as clients:
        match request.param:
            case "fake":
                yield _in_memory(clients)
            case "fake-over-grpc":
                yield _over_grpc(clients)
            case _:
                yield _live(clients, request)


@pytest.fixture
def client_under_test(server: Server) -> ClientFactory:
    return server.client


@pytest.fixture
def admin(client_under_test: ClientFactory) -> Client:
    return client_under_test("admin")
