"""Who may call what: certificates, roles, TLS groups, limits, deadlines."""

import socket
import ssl
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hallmark.v1 import keys_pb2, keys_pb2_grpc, log_pb2, log_pb2_grpc, revocation_pb2, revocation_pb2_grpc
from kms.core.identity import Role
from kms.server.local_ca import LocalAuthority
from rpc.wire import PARENT, channel, credentials, fresh_id, fresh_name, read_refusal, refused
from support.classical_client import ClassicalClient
from support.service import RunningService, running_service


def test_every_audit_line_tells_who_how_and_what(service: RunningService) -> None:
    with channel(service, "auditor") as opened:
        log_pb2_grpc.LogServiceStub(opened).GetCheckpoint(log_pb2.GetCheckpointRequest(), timeout=20)
    line = [line for line in service.audit() if line["caller"].endswith("/auditor/auditor")][-1]
    assert line["tls_group"] == "X25519MLKEM768"
    assert line["tls_version"] == "TLSv1.3"
    assert line["method"] == "/hallmark.v1.LogService/GetCheckpoint"
    assert (line["outcome"], line["tenant"]) == ("OK", "default")


@pytest.mark.parametrize("role", ["backend", "auditor", "device"])
def test_roles_may_do_their_own_work_only(service: RunningService, role: str) -> None:
    with channel(service, role) as opened:
        create = keys_pb2.CreateKeyRequest(parent=PARENT, key_id=fresh_name(), request_id=fresh_id())
        refusal = refused(keys_pb2_grpc.KeyServiceStub(opened).CreateKey, create)
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "ROLE_NOT_ALLOWED")
        assert "admin" in refusal.message
        revoke = revocation_pb2.RevokeRequest(subject=f"{PARENT}/keys/x", reason=1, request_id=fresh_id())
        assert refused(revocation_pb2_grpc.RevocationServiceStub(opened).Revoke, revoke).reason == "ROLE_NOT_ALLOWED"
    assert [line for line in service.audit() if line["reason"] == "ROLE_NOT_ALLOWED"]


def test_nobody_comes_in_without_a_certificate_of_the_authority(service: RunningService, tmp_path: Path) -> None:
    ca = (service.home / "tls" / "ca.pem").read_bytes()
    stranger = LocalAuthority(tmp_path, trust_domain="hallmark.local", now=datetime.now(UTC)).ensure_clients()
    folder = stranger[Role.ADMIN]
    forged = grpc.ssl_channel_credentials(ca, (folder / "key.pem").read_bytes(), (folder / "cert.pem").read_bytes())
    for identity in (grpc.ssl_channel_credentials(ca), forged):
        with grpc.secure_channel(str(service.facts["address"]), identity) as opened:
            with pytest.raises(grpc.RpcError) as error:
                health_pb2_grpc.HealthStub(opened).Check(health_pb2.HealthCheckRequest(), timeout=10)
            assert error.value.code() is grpc.StatusCode.UNAVAILABLE


def test_a_certificate_that_names_nobody_is_refused(service: RunningService) -> None:
    """The server's own certificate chains to the authority but names no client."""
    ca = (service.home / "tls" / "ca.pem").read_bytes()
    key, certificate = ((service.home / "tls" / name).read_bytes() for name in ("server.key", "server.pem"))
    with (
        grpc.secure_channel(
            str(service.facts["address"]), grpc.ssl_channel_credentials(ca, key, certificate)
        ) as opened,
        pytest.raises(grpc.RpcError) as error,
    ):
        health_pb2_grpc.HealthStub(opened).Check(health_pb2.HealthCheckRequest(), timeout=10)
    # TLS may refuse it for its purpose (server, not client) before we can for its name
    assert error.value.code() in {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNAVAILABLE}
    with channel(service) as opened:  # it was refused, not dead
        health_pb2_grpc.HealthStub(opened).Check(health_pb2.HealthCheckRequest(), timeout=10)


def test_health_tells_up_from_hsm_usable(service: RunningService) -> None:
    with channel(service, "auditor") as opened:
        health = health_pb2_grpc.HealthStub(opened)
        for name in ("", "hsm"):
            answer = health.Check(health_pb2.HealthCheckRequest(service=name), timeout=20)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        watching = health.Watch(health_pb2.HealthCheckRequest(service="hsm"), timeout=20)
        assert next(watching).status == health_pb2.HealthCheckResponse.SERVING
        watching.cancel()
        assert refused(health.Check, health_pb2.HealthCheckRequest(service="x")).reason == "RESOURCE_NOT_FOUND"


def test_a_deadline_that_has_passed_is_a_typed_error(service: RunningService) -> None:
    with channel(service) as opened:
        create = keys_pb2.CreateKeyRequest(parent=PARENT, key_id=fresh_name(), request_id=fresh_id())
        with pytest.raises(grpc.RpcError) as error:
            keys_pb2_grpc.KeyServiceStub(opened).CreateKey(create, timeout=0.001)
        assert error.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        keys_pb2_grpc.KeyServiceStub(opened).CreateKey(create, timeout=20)  # the retry settles it, whatever happened


def test_an_rpc_we_do_not_have_is_unimplemented(service: RunningService) -> None:
    method = "/hallmark.v1.KeyService/DropAllKeys"
    with channel(service) as opened:
        refusals = [
            refused(opened.unary_unary(method), b""),
            refused(lambda message, **options: list(opened.unary_stream(method)(message, **options)), b""),
            refused(opened.unary_unary('/x/";evil'), b""),
        ]
    assert {(each.code, each.reason) for each in refusals} == {(grpc.StatusCode.UNIMPLEMENTED, "RPC_UNKNOWN")}
    ids = [each.details["ErrorInfo"].metadata["call_id"] for each in refusals]
    lines = {line["call_id"]: line for line in service.audit() if line["call_id"] in ids}
    assert [lines[each]["method"] for each in ids] == [method, method, "/unknown/unknown"]
    assert {line["caller"].rpartition("/")[2] for line in lines.values()} == {"admin"}


def test_bytes_that_are_no_message_get_a_typed_answer_and_an_audit_line(service: RunningService) -> None:
    with channel(service, "auditor") as opened:
        call = opened.unary_unary("/hallmark.v1.SigningService/Verify")
        refusal = refused(call, b"\xff\xff\xff")
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID")
    assert [line for line in service.audit() if line["call_id"] == refusal.details["ErrorInfo"].metadata["call_id"]]


def test_one_caller_can_not_hold_all_streams(service: RunningService) -> None:
    request = revocation_pb2.WatchRevocationsRequest(parent=PARENT)
    with channel(service, "auditor") as opened:
        stub = revocation_pb2_grpc.RevocationServiceStub(opened)
        streams = [stub.WatchRevocations(request, timeout=30) for _ in range(17)]
        outcomes = []
        for stream in streams:
            try:
                outcomes.append(next(stream).WhichOneof("frame"))
            except grpc.RpcError as error:
                outcomes.append(read_refusal(error).reason)
        for stream in streams:
            stream.cancel()
    assert outcomes.count("TOO_MANY_STREAMS") == 1


def test_limits_and_post_quantum_tls_are_enforced(tmp_path: Path) -> None:
    with running_service(
        tmp_path / "strict", settings="[server]\nrate_per_second = 5", options=("--require-pq-tls",)
    ) as strict:
        with channel(strict) as opened:
            stub = log_pb2_grpc.LogServiceStub(opened)
            refusals = []
            for _ in range(30):
                try:
                    stub.GetCheckpoint(log_pb2.GetCheckpointRequest(), timeout=20)
                except grpc.RpcError as error:
                    refusals.append(read_refusal(error))
            assert refusals
            assert {refusal.reason for refusal in refusals} == {"RATE_LIMITED"}
            assert "RetryInfo" in refusals[0].details
        # the admin's purse is empty
        with ClassicalClient(str(strict.facts["address"]), strict.home / "clients" / "auditor") as classical:
            _, ending = classical.call("/hallmark.v1.LogService/GetCheckpoint", log_pb2.GetCheckpointRequest())
        assert (ending.code, ending.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "PQ_TLS_REQUIRED")
        line = [line for line in strict.audit() if line["tls_group"] != "X25519MLKEM768"][-1]
        assert (line["outcome"], line["reason"]) == ("FAILED_PRECONDITION", "PQ_TLS_REQUIRED")


def test_the_public_port_speaks_no_grpc_and_the_grpc_port_no_clear_text(service: RunningService) -> None:
    host, port = str(service.facts["address"]).split(":")
    with socket.create_connection((host, int(port)), timeout=10) as clear:
        clear.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert not clear.recv(100).startswith(b"HTTP/1.1 200")
    context = ssl.create_default_context(cadata=(service.home / "tls" / "ca.pem").read_text())
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    raw = socket.create_connection((host, int(port)), timeout=10)
    with context.wrap_socket(raw, server_hostname="localhost") as secure:
        assert secure.version() == "TLSv1.3"


def test_credentials_of_this_suite_are_the_ones_users_get(service: RunningService) -> None:
    assert isinstance(credentials(service.home / "clients" / "device"), grpc.ChannelCredentials)
