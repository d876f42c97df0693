import socket
import threading
from collections.abc import Iterator

import pytest

from kms.cli.demo.balancer import Balancer


class Echo:
    """A replica that says its name, then repeats what it is told, until it is closed."""

    def __init__(self, name: bytes) -> None:
        self._name = name
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)
        for each in self._open:
            each.close()

    def _serve(self) -> None:
        while True:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(accepted)
            accepted.sendall(self._name + accepted.recv(1))


@pytest.fixture
def replicas() -> Iterator[list[Echo]]:
    made = [Echo(b"a"), Echo(b"b")]
    yield made
    for each in made:
        each.close()


@pytest.fixture
def balancer(replicas: list[Echo]) -> Iterator[Balancer]:
    balancing = Balancer([each.address for each in replicas])
    balancing.start()
    yield balancing
    balancing.close()


def _said(balancer: Balancer) -> bytes:
    host, _, port = balancer.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"!")
        said = connection.recv(16)
        return said if len(said) != 1 else said + connection.recv(1)


def test_connections_go_to_one_after_the_other(balancer: Balancer) -> None:
    assert [_said(balancer) for _ in range(4)] == [b"a!", b"b!", b"a!", b"b!"]


def test_a_replica_that_is_gone_is_left_out(balancer: Balancer, replicas: list[Echo]) -> None:
    replicas.pop().close()
    assert {_said(balancer) for _ in range(4)} == {b"a!"}


def test_without_any_replica_the_connection_ends(balancer: Balancer, replicas: list[Echo]) -> None:
    while replicas:
        replicas.pop().close()
    assert _said(balancer) == b""


def test_closing_twice_is_fine(balancer: Balancer) -> None:
    balancer.close()
    balancer.close()
