"""Probes of the real server: "up" is not "HSM usable", and both are told while the HSM is away."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from kms.app.health import NEEDS
from rpc.cli.conftest import program
from rpc.wire import channel
from support.service import RunningService, running_service

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def page(service: RunningService, path: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(f"{service.facts['observing_url']}{path}", timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def check(service: RunningService, name: str, role: str = "auditor") -> int:
    with channel(service, role) as opened:
        health = health_pb2_grpc.HealthStub(opened)
        return int(health.Check(health_pb2.HealthCheckRequest(service=name), timeout=20).status)


@pytest.fixture(scope="module")
def without_hsm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """It has served before, and finds another PIN than its token's when it starts again."""
    with running_service(tmp_path_factory.mktemp("without-hsm") / "home") as service:
        assert service.stop() == 0
        (service.home / "hsm" / "token-pin").write_text("not the pin")
        service.start()
        yield service


def test_a_server_that_is_well(service: RunningService) -> None:
    for path in ("/livez", "/startupz", "/readyz", "/readyz/hsm", "/readyz/database", "/readyz/log", "/metrics"):
        assert page(service, path)[0] == 200, path
    document = json.loads(page(service, "/healthz")[1])
    assert (document["status"], document["parts"]["hsm/hallmark"]["up"]) == ("ok", True)
    assert page(service, "/readyz/nothing")[0] == page(service, "/nothing")[0] == 404


def test_health_of_every_service_and_part(service: RunningService) -> None:
    for name in ("", "database", "writes", "hsm", "hsm/hallmark", "log", *NEEDS):
        assert check(service, name) == SERVING, name
    with pytest.raises(grpc.RpcError) as refused:
        check(service, "made.up.Service")
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


def test_watch_tells_at_once(service: RunningService) -> None:
    with channel(service, "auditor") as opened:
        stream = health_pb2_grpc.HealthStub(opened).Watch(health_pb2.HealthCheckRequest(service="hsm"), timeout=20)
        assert next(stream).status == SERVING
        stream.cancel()


def test_without_hsm_a_server_is_up_and_ready_for_reads(without_hsm: RunningService) -> None:
    assert [page(without_hsm, path)[0] for path in ("/livez", "/startupz", "/readyz")] == [200, 200, 200]
    code, body = page(without_hsm, "/readyz/hsm")
    assert code == 503
    assert b"PIN" in body
    assert b"not the pin" not in body
    document = json.loads(page(without_hsm, "/healthz")[1])
    assert (document["status"], document["parts"]["database"]["up"]) == ("degraded", True)
    assert check(without_hsm, "") == check(without_hsm, "hallmark.v1.EventService") == SERVING
    assert check(without_hsm, "hsm") == check(without_hsm, "hallmark.v1.SigningService") == NOT_SERVING
    assert b'hallmark_hsm_up{token="hallmark"} 0.0' in page(without_hsm, "/metrics")[1]


def test_doctor_finds_the_hsm_and_ends_1(without_hsm: RunningService) -> None:
    outcome = program("doctor", "--seconds", "2", "--json", home=without_hsm.home, folder=without_hsm.home)
    levels = {finding["check"]: finding["level"] for finding in outcome.document["findings"]}
    assert (outcome.code, outcome.document["status"]) == (1, "problem"), outcome.err
    assert (levels["health.hsm"], levels["health.process"], levels["pages"]) == ("problem", "ok", "warning")
    advice = next(finding["advice"] for finding in outcome.document["findings"] if finding["check"] == "health.hsm")
    assert "hallmark hsm doctor" in advice
    assert "Traceback" not in outcome.err
