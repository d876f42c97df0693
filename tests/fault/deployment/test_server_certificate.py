"""The server's own certificate ends while it runs: clients refuse it at once, the server says so, a new file heals it."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hallmark_client import Client, Profile, TransportRefused
from rpc.test_certificates import ALICE, OwnPki
from rpc.test_health import page
from support.authorities import Workload
from support.deployment_recovery import PROPERTY, fault_row
from support.service import RunningService, running_service

LIFE_SECONDS = 4.0
TOLD_SECONDS = 20.0


def test_a_server_certificate_that_ends(tmp_path: Path, record_property) -> None:
    pki = OwnPki(tmp_path)
    with running_service(tmp_path, settings=pki.settings) as service:
        who = pki.root.workload(ALICE)
        with _client(pki, service, who) as before:
            assert before.capabilities().version
            _put_a_short_one(pki)
            _until_refused(pki, service, who)
            assert before.capabilities().version, "an open connection lives on"
        _wait_until(lambda: "the server's certificate ended" in service.log, "its log does not tell")
        _wait_until(lambda: _seconds_left(service) <= 0, "metrics do not tell")
        assert page(service, "/livez")[0] == 200
        put_at = time.monotonic()
        pki.put_server(pki.root.server("localhost"))
        seconds = _until_let_in(pki, service, who, put_at)
        _wait_until(lambda: _seconds_left(service) > 0, "metrics do not tell of the new one")
    record_property(
        PROPERTY,
        fault_row("server certificate ended: a new file, let in again", calls=3, lost=None, recovery=[seconds]),
    )


def _client(pki: OwnPki, service: RunningService, who: Workload) -> Client:
    address = str(service.facts["address"])
    return Client(
        Profile(address=address, ca_pem=pki.root.pem, cert_pem=who.chain_pem, key_pem=who.key_pem), timeout_seconds=10
    )


def _put_a_short_one(pki: OwnPki) -> None:
    ends = datetime.now(UTC) + timedelta(seconds=LIFE_SECONDS)
    pki.put_server(pki.root.server("localhost", life=ends - pki.root.now))


def _until_refused(pki: OwnPki, service: RunningService, who: Workload) -> None:
    deadline = time.monotonic() + TOLD_SECONDS
    while True:
        began = time.monotonic()
        with _client(pki, service, who) as client:
            message = _refusal(client)
        if message:
            assert "has expired" in message
            assert time.monotonic() - began < 5, "at once, not after the deadline"
            return
        assert time.monotonic() < deadline, "an ended certificate is still believed"
        time.sleep(0.2)


def _refusal(client: Client) -> str:
    try:
        client.capabilities()
    except TransportRefused as told:
        return told.message
    return ""


def _until_let_in(pki: OwnPki, service: RunningService, who: Workload, since: float) -> float:
    while True:
        try:
            with _client(pki, service, who) as client:
                assert client.capabilities().version
            return time.monotonic() - since
        except TransportRefused:
            if time.monotonic() > since + TOLD_SECONDS:
                raise
        time.sleep(0.05)


def _wait_until(is_so: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + TOLD_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.1)


def _seconds_left(service: RunningService) -> float:
    lines = page(service, "/metrics")[1].decode().splitlines()
    [line] = [each for each in lines if each.startswith('hallmark_certificate_expiry_seconds{which="server"}')]
    return float(line.rpartition(" ")[2])
