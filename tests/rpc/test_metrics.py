"""What a scraper reads of the real server."""

import time
import urllib.request
import uuid

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families

from hallmark.v1 import keys_pb2, keys_pb2_grpc
from hallmark_client import Client
from rpc.wire import PARENT, channel, fresh_name
from support.otlp_receiver import attributes, otlp_receiver
from support.service import RunningService, running_service

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(service: RunningService) -> Samples:
    with urllib.request.urlopen(f"{service.facts['observing_url']}/metrics", timeout=10) as answer:
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        text = answer.read().decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def of(samples: Samples, name: str, **labels: str) -> float:
    return sum(value for (found, its), value in samples.items() if found == name and set(labels.items()) <= its)


def test_what_is_done_is_counted(service: RunningService, live_client: Client) -> None:
    before, name = scrape(service), fresh_name()
    live_client.keys.create(name)
    live_client.signing.sign(name, b"x", wait="published")
    with pytest.raises(Exception, match="role"), service.client("device") as device:
        device.keys.create(fresh_name())

    time.sleep(1.1)  # a scrape serves all who come within a second
    after = scrape(service)

    def more(metric: str, **labels: str) -> float:
        return of(after, metric, **labels) - of(before, metric, **labels)

    sign = {"grpc_service": "hallmark.v1.SigningService", "grpc_method": "Sign"}
    assert more("grpc_server_handled_total", **sign, grpc_code="OK") == 1
    assert more("grpc_server_handling_seconds_count", **sign) == 1
    assert more("hallmark_refusals_total", reason="ROLE_NOT_ALLOWED") == 1
    assert more("hallmark_signatures_total", algorithm="id-MLDSA65-ECDSA-P256-SHA512") >= 1
    assert more("hallmark_signatures_total", algorithm="ML-DSA-44") >= 1, "checkpoints"
    assert more("hallmark_tls_calls_total", group="X25519MLKEM768") >= 3
    assert more("hallmark_log_size") >= 2
    assert more("hallmark_db_commit_seconds_count") >= 1
    assert of(after, "hallmark_hsm_up", token="hallmark") == 1
    assert of(after, "hallmark_db_up") == of(after, "hallmark_db_writes_up") == 1
    assert of(after, "hallmark_metrics_unread") == 0
    assert of(after, "hallmark_certificate_expiry_seconds", which="server") > 86400
    assert of(after, "process_open_fds") > 0
    assert not [its for _, its in after if any(name in value for _, value in its)], "no key stands in a label"


def test_every_call_has_an_id_and_the_callers_is_noted(service: RunningService) -> None:
    with channel(service) as opened:
        stub = keys_pb2_grpc.KeyServiceStub(opened)
        _, call = stub.ListKeys.with_call(
            keys_pb2.ListKeysRequest(parent=PARENT), timeout=20, metadata=(("x-request-id", "ticket-4711"),)
        )
        given = dict(call.trailing_metadata())["x-request-id"]
        with pytest.raises(grpc.RpcError) as refused:
            stub.GetKey(keys_pb2.GetKeyRequest(name=f"{PARENT}/keys/nothing-here"), timeout=20)
    lines = {line["call_id"]: line for line in service.audit()}
    assert lines[given]["request_id"] == "ticket-4711"
    assert dict(refused.value.trailing_metadata())["x-request-id"] in lines


def test_calls_are_traced_to_a_receiver(tmp_path_factory: pytest.TempPathFactory) -> None:
    with otlp_receiver() as receiver:
        environment = {"HALLMARK__OBSERVING__OTLP_ENDPOINT": receiver.endpoint}
        with running_service(tmp_path_factory.mktemp("traced"), environment=environment) as service:
            with channel(service) as opened:
                keys_pb2_grpc.KeyServiceStub(opened).CreateKey(
                    keys_pb2.CreateKeyRequest(parent=PARENT, key_id="traced", request_id=fresh_request()),
                    timeout=20,
                    metadata=(("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01"),),
                )
            assert service.stop() == 0
        span = receiver.wait_for("hallmark.v1.KeyService/CreateKey")
    line = next(line for line in service.audit() if line["method"].endswith("/CreateKey"))
    assert (span.trace_id.hex(), line["trace_id"]) == (TRACE, TRACE)
    assert attributes(span)["hallmark.call_id"] == line["call_id"]
    assert "database write" in receiver.children(span)


def fresh_request() -> str:

    return str(uuid.uuid4())
