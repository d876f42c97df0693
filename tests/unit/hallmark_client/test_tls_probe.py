import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from hallmark_client.testing import FakeService, LoopbackServer, TestAuthority
from hallmark_client.tls_probe import Finding, _split, look

AUTHORITY = TestAuthority(datetime.now(UTC))


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    server = LoopbackServer(FakeService(), AUTHORITY)
    yield server
    server.stop()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def address(listener: socket.socket) -> str:
    return f"127.0.0.1:{listener.getsockname()[1]}"


def test_our_server_is_known_by_name_and_by_address(server: LoopbackServer) -> None:
    assert look(server.address, AUTHORITY.pem) is Finding.SERVER
    assert look(server.address.replace("localhost", "127.0.0.1"), AUTHORITY.pem) is Finding.SERVER


def test_a_server_of_another_authority_is_a_stranger(server: LoopbackServer) -> None:
    assert look(server.address, TestAuthority(datetime.now(UTC)).pem) is Finding.STRANGER


def test_nobody(listener: socket.socket) -> None:
    free = address(listener)
    listener.close()
    assert look(free, AUTHORITY.pem) is Finding.NOBODY


def test_somebody_who_does_not_speak_tls(listener: socket.socket) -> None:
    def answer() -> None:
        with listener.accept()[0] as connection:
            connection.recv(16)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    talking = threading.Thread(target=answer)
    talking.start()
    assert look(address(listener), AUTHORITY.pem) is Finding.NOT_TLS
    talking.join()


def test_who_hangs_up_without_a_word_counts_as_nobody(listener: socket.socket) -> None:
    """A load balancer does that whose replica has just been killed."""

    def hang_up() -> None:
        with listener.accept()[0] as connection:
            connection.recv(1 << 14)

    silent = threading.Thread(target=hang_up)
    silent.start()
    assert look(address(listener), AUTHORITY.pem) is Finding.NOBODY
    silent.join()


def test_somebody_who_never_answers_counts_as_nobody(listener: socket.socket) -> None:
    assert look(address(listener), AUTHORITY.pem) is Finding.NOBODY


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("localhost:7443", ("localhost", 7443)),
        ("127.0.0.1:1", ("127.0.0.1", 1)),
        ("[::1]:7443", ("::1", 7443)),
        ("[::1]", ("::1", 443)),
        ("localhost", ("localhost", 443)),
        ("localhost:http", ("localhost:http", 443)),
    ],
)
def test_addresses_are_read_as_grpc_reads_them(given: str, expected: tuple[str, int]) -> None:
    assert _split(given) == expected
