"""What only a real connection shows: TLS, deadlines, lost servers. The rest is in tests/contract."""

import contextlib
import dataclasses
import itertools
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Self

import grpc
import pytest

from hallmark.v1 import keys_pb2
from hallmark_client import (
    Bookmark,
    Client,
    DeadlineExceeded,
    Event,
    ResourceExhausted,
    TransportRefused,
    Unauthenticated,
    Unavailable,
)
from hallmark_client.grpc_transport import GrpcTransport
from hallmark_client.rpc import GET_CAPABILITIES
from hallmark_client.testing import FakeService, LoopbackServer, TestAuthority, refusal

AUTHORITY = TestAuthority(datetime.now(UTC))
STRANGER = TestAuthority(datetime.now(UTC))


@pytest.fixture
def server(fake: FakeService) -> Iterator[LoopbackServer]:
    server = LoopbackServer(fake, AUTHORITY)
    yield server
    server.stop()


@pytest.fixture
def remote(server: LoopbackServer) -> Iterator[Client]:
    with Client(server.profile("admin")) as client:
        yield client


def test_the_certificate_of_another_authority_is_refused_at_once(server) -> None:
    began = time.monotonic()
    with Client(server.profile("admin", STRANGER)) as client, pytest.raises(TransportRefused) as refused:
        client.capabilities()
    assert "certificate of this client" in refused.value.message
    assert time.monotonic() - began < 5, "not retried until the deadline"


def test_a_server_of_another_authority_is_refused_at_once(server) -> None:
    profile = dataclasses.replace(server.profile("admin"), ca_pem=STRANGER.pem)
    with Client(profile) as client, pytest.raises(TransportRefused):
        client.capabilities()


def test_a_watch_does_not_retry_a_refused_certificate(server) -> None:
    with Client(server.profile("device", STRANGER)) as client, pytest.raises(TransportRefused):
        next(client.revocations.watch())


def test_a_name_the_server_does_not_know_is_unauthenticated(server) -> None:
    unknown = AUTHORITY.client("nobody")
    profile = dataclasses.replace(server.profile("admin"), cert_pem=unknown.cert_pem, key_pem=unknown.key_pem)
    with Client(profile) as client, pytest.raises(Unauthenticated):
        client.capabilities()


def test_errors_keep_their_facts_over_the_wire(fake, remote) -> None:
    busy = refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED", "slow down", retry_after_seconds=1.5)
    fake.refuse("GetCapabilities", busy)
    with pytest.raises(ResourceExhausted) as refused:
        remote.capabilities()
    error = refused.value
    assert (error.reason, error.message, error.retry_after_seconds) == ("RATE_LIMITED", "slow down", 1.5)


def test_nobody_there_is_unavailable_when_the_deadline_ends(server) -> None:
    profile = server.profile("admin")
    server.stop()
    with Client(profile, timeout_seconds=0.5) as client, pytest.raises(Unavailable) as refused:
        client.capabilities()
    assert refused.value.reason == "UNREACHABLE"


def test_a_server_that_hangs_meets_the_deadline(fake, server) -> None:
    release = threading.Event()
    fake.change_answer("GetCapabilities", lambda _: release.wait(10))
    with Client(server.profile("admin"), timeout_seconds=0.3) as client, pytest.raises(DeadlineExceeded):
        client.capabilities()
    release.set()


def test_calls_go_through_a_restart(server, remote) -> None:
    remote.capabilities()
    server.stop()
    threading.Timer(0.5, server.start).start()
    assert remote.capabilities().version == "fake"


def test_an_act_whose_answer_was_lost_happens_once(fake, remote) -> None:
    fake.lose_answer("CreateKey")
    assert remote.keys.create("manifest").replayed
    assert len({request.request_id for request in fake.requests("CreateKey")}) == 1


def test_a_watch_goes_through_a_restart_of_the_server(server, remote) -> None:
    with Client(server.profile("backend")) as device:
        watch = device.revocations.watch()
        remote.keys.create("one")
        remote.revocations.revoke("one", "KEY_COMPROMISE")
        first = list(itertools.islice(watch, 2))
        assert [type(frame) for frame in first] in ([Event, Bookmark], [Bookmark, Event])
        server.stop()
        threading.Timer(0.3, server.start).start()
        remote.keys.create("two")
        remote.revocations.revoke("two", "KEY_COMPROMISE")
        (event,) = itertools.islice((frame for frame in watch if isinstance(frame, Event)), 1)
        assert event.event.subject == "tenants/default/keys/two"


def test_a_watch_is_one_connection_that_ends_with_it(fake, server) -> None:
    with Client(server.profile("backend")) as device:
        watch = device.revocations.watch()
        next(watch)
        watch.close()
        assert not [thread for thread in threading.enumerate() if thread.name == "hallmark-watch"]
        assert len(fake.requests("WatchRevocations")) == 1


def test_closing_the_client_ends_calls_and_watches(server) -> None:
    client = Client(server.profile("backend"))
    watch = client.revocations.watch()
    next(watch)
    client.close()
    client.close()
    assert list(watch) == []
    with pytest.raises(Unavailable) as refused:
        client.capabilities()
    assert refused.value.reason == "CLIENT_CLOSED"
    with pytest.raises(StopIteration):
        next(client.revocations.watch())


def test_a_client_is_shared_by_threads(server, remote) -> None:
    remote.keys.create("manifest")
    signatures: list[bytes] = []

    def sign() -> None:
        signatures.extend(remote.signing.sign("manifest", b"weights").signature for _ in range(5))

    threads = [threading.Thread(target=sign) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(signatures) == 20
    for signature in signatures:
        remote.signing.verify("manifest", signature, b"weights")


def test_a_dead_replica_behind_a_load_balancer_is_no_refused_certificate(server) -> None:
    """In turns: the looks without a certificate could all meet the living one, the channels all the dead one."""
    with Turns(server.address) as turns:
        profile = dataclasses.replace(server.profile("admin"), address=turns.address)
        for _ in range(4):
            with Client(profile, timeout_seconds=5) as client:
                assert client.capabilities()


class Turns:
    """Every other connection goes to a replica that is dead: it ends at once."""

    def __init__(self, living: str) -> None:
        host, _, port = living.rpartition(":")
        self._living = host, int(port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        for number in itertools.count():
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            if number % 2 == 0:
                accepted.close()
                continue
            replica = socket.create_connection(self._living)
            for pair in ((accepted, replica), (replica, accepted)):
                self._threads.append(threading.Thread(target=_pump, args=pair))
                self._threads[-1].start()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    for each in (source, target):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()


def test_the_transport_itself_makes_a_call_once(fake, server) -> None:
    transport = GrpcTransport(server.profile("admin"))
    fake.refuse("GetCapabilities", times=2)
    with pytest.raises(Unavailable):
        transport.unary(GET_CAPABILITIES, keys_pb2.GetCapabilitiesRequest(), 5)
    assert len(fake.requests("GetCapabilities")) == 1
    transport.close()
