from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from threading import Thread

import pytest

from hallmark_tlog.prove import consistency_proof
from hallmark_tlog.witness import SIZE_TYPE, AddCheckpointRequest, Cosigned, SizeConflict, read_answer
from hallmark_tlog.witness_http import WitnessHttpServer
from hallmark_tlog.witness_server import CosigningKey, WitnessServer
from unit.hallmark_tlog.virtual_log import (
    LOG_ED25519,
    LOG_VKEYS,
    ORIGIN,
    SIGNED_AT,
    WITNESS_ED25519,
    VirtualLog,
    sign_note,
)

LOG = VirtualLog.of_size(8)
SERVER = WitnessServer((CosigningKey(WITNESS_ED25519.vkey, WITNESS_ED25519.private.sign),), {ORIGIN: LOG_VKEYS})


@pytest.fixture
def connection() -> Iterator[HTTPConnection]:
    with WitnessHttpServer(SERVER, ("127.0.0.1", 0), clock=lambda: SIGNED_AT + 0.5) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        client = HTTPConnection("127.0.0.1", server.server_port, timeout=5)
        yield client
        client.close()
        server.shutdown()
        thread.join()


def post(connection: HTTPConnection, body: bytes, path: str = "/add-checkpoint") -> tuple[HTTPResponse, bytes]:
    connection.request("POST", path, body)
    response = connection.getresponse()
    return response, response.read()


def add(connection: HTTPConnection, old: int, new: int) -> object:
    proof = tuple(consistency_proof(old, new, LOG.read_hash))
    response, body = post(connection, bytes(AddCheckpointRequest(old, proof, sign_note(LOG.at(new), LOG_ED25519))))
    return read_answer(
        response.status,
        response.getheader("Content-Type"),
        body,
        text=str(LOG.at(new)),
        vkeys=[WITNESS_ED25519.vkey],
    )


def test_it_remembers_over_one_connection(connection: HTTPConnection) -> None:
    assert isinstance(add(connection, 0, 3), Cosigned)
    assert add(connection, 0, 8) == SizeConflict(3)
    grown = add(connection, 3, 8)
    assert isinstance(grown, Cosigned)
    assert grown.lines[0][1].timestamp == SIGNED_AT
    assert add(connection, 3, 8) == SizeConflict(8)


def test_other_requests(connection: HTTPConnection) -> None:
    assert post(connection, b"hello\n")[0].status == 400
    assert post(connection, b"hello\n", "/add-entries")[0].status == 404
    connection.request("GET", "/add-checkpoint")
    assert connection.getresponse().status == 501


@pytest.mark.parametrize("length", ["", "x", "-1", "9" * 5_000, "2000000"])
def test_bodies_of_no_or_too_much_length(connection: HTTPConnection, length: str) -> None:
    connection.putrequest("POST", "/add-checkpoint")
    connection.putheader("Content-Length", length)
    connection.endheaders()
    response = connection.getresponse()
    assert (response.status, response.getheader("Content-Type") == SIZE_TYPE) == (413, False)
