"""Workloads of another SPIFFE trust domain, over TLS that trusts every authority alike."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest

from hallmark.v1 import keys_pb2, keys_pb2_grpc, log_pb2, log_pb2_grpc
from rpc.wire import channel, fresh_id, read_refusal, refused
from support.authorities import OtherAuthority, Workload
from support.service import RunningService, running_service

NOW = datetime.now(UTC)
PAYMENTS, LOGISTICS = OtherAuthority("payments", NOW), OtherAuthority("logistics", NOW)
API = "spiffe://payments.example/ns/payments/sa/api"


def _domain(name: str, bundle: Path) -> str:
    return (
        f'[[identity.spiffe]]\ntrust_domain = "{name}.example"\nbundle = "{bundle}"\n'
        f'rules = [{{ path = "/ns/*/sa/*", tenant = "{name}", role = "backend", name = "{{1}}-{{2}}" }}]\n'
    )


@pytest.fixture(scope="module")
def federated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    home = tmp_path_factory.mktemp("spiffe")
    (home / "payments.pem").write_bytes(PAYMENTS.pem)
    (home / "logistics.pem").write_bytes(LOGISTICS.pem)
    settings = "[identity]\nreload_seconds = 0.2\n"
    settings += _domain("payments", home / "payments.pem") + _domain("logistics", home / "logistics.pem")
    with running_service(home, settings=settings) as running:
        yield running


@contextmanager
def _as(service: RunningService, workload: Workload) -> Iterator[grpc.Channel]:
    ca = (service.home / "tls" / "ca.pem").read_bytes()
    tls = grpc.ssl_channel_credentials(ca, workload.key_pem, workload.chain_pem)
    with grpc.secure_channel(str(service.facts["address"]), tls) as opened:
        yield opened


def _get(opened: grpc.Channel) -> object:
    return log_pb2_grpc.LogServiceStub(opened).GetCheckpoint(log_pb2.GetCheckpointRequest(), timeout=20)


def _reason(service: RunningService, workload: Workload) -> str:
    with _as(service, workload) as opened, pytest.raises(grpc.RpcError) as error:
        _get(opened)
    return read_refusal(error.value).reason


def test_a_workload_is_who_a_rule_says_and_keeps_its_own_name(federated: RunningService) -> None:
    with _as(federated, PAYMENTS.workload(API)) as opened:
        assert _get(opened)
        create = keys_pb2.CreateKeyRequest(parent="tenants/payments", key_id="k", request_id=fresh_id())
        assert refused(keys_pb2_grpc.KeyServiceStub(opened).CreateKey, create).reason == "ROLE_NOT_ALLOWED"
    line = [line for line in federated.audit() if line["caller"] == API][-1]
    assert line["tenant"] == "payments"


def test_intermediates_come_along(federated: RunningService) -> None:
    with _as(federated, OtherAuthority("payments region", NOW, PAYMENTS).workload(API)) as opened:
        assert _get(opened)


def test_no_authority_makes_callers_of_another_domain(federated: RunningService) -> None:
    """Each of these passes TLS."""
    for workload in (
        LOGISTICS.workload(API),
        LOGISTICS.workload("spiffe://hallmark.local/tenants/default/admin/admin"),
        OtherAuthority("payments", NOW, LOGISTICS).workload(API),
        PAYMENTS.workload(API, "spiffe://hallmark.local/tenants/default/admin/admin"),
        PAYMENTS.workload("spiffe://payments.example/somewhere/else"),
        PAYMENTS.workload(API, is_authority=True),
    ):
        assert _reason(federated, workload) == "CERTIFICATE_UNKNOWN"


def test_our_own_callers_come_in_as_before(federated: RunningService) -> None:
    with channel(federated, "auditor") as opened:
        assert _get(opened)


def test_a_trust_domain_may_change_its_authority_while_we_run(federated: RunningService) -> None:
    fresh = OtherAuthority("logistics 2", NOW)
    uri = "spiffe://logistics.example/ns/fleet/sa/van"
    before = federated.log.count("changed: new connections")
    (federated.home / "logistics.pem").write_bytes(LOGISTICS.pem + fresh.pem)
    _until(lambda: federated.log.count("changed: new connections") > before)
    for authority in (LOGISTICS, fresh):
        with _as(federated, authority.workload(uri)) as opened:
            assert _get(opened)


def _until(true, seconds: float = 10) -> None:
    import time

    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
