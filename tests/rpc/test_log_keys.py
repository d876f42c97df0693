"""ListLogKeys and RotateLogKey on the wire; tests/rpc/cli/test_log_keys.py rotates for real."""

import pytest

from hallmark.v1 import log_pb2, log_pb2_grpc
from hallmark_tlog.vkey import KeyType, parse_vkey
from rpc.wire import channel, fresh_id, refused
from support.service import RunningService


def test_every_role_may_know_the_keys(service: RunningService) -> None:
    with channel(service, "auditor") as opened:
        found = log_pb2_grpc.LogServiceStub(opened).ListLogKeys(log_pb2.ListLogKeysRequest(), timeout=20).keys
    keys = [parse_vkey(key.vkey) for key in found]
    assert [key.type for key in keys] == [KeyType.ED25519, KeyType.ML_DSA_44]
    assert all(key.name == told.origin for key, told in zip(keys, found, strict=True))
    assert all(key.HasField("create_time") and not key.HasField("retire_time") for key in found)


@pytest.mark.parametrize(
    ("role", "change", "reason"),
    [
        ("auditor", {}, "ROLE_NOT_ALLOWED"),
        ("backend", {}, "ROLE_NOT_ALLOWED"),
        ("admin", {"overlap_seconds": 3599}, "FIELD_INVALID"),
        ("admin", {"overlap_seconds": -1}, "FIELD_INVALID"),
        ("admin", {"overlap_seconds": 2**63 - 1}, "FIELD_INVALID"),
        ("admin", {"request_id": "x"}, "REQUEST_ID_INVALID"),
    ],
)
def test_what_is_refused(service: RunningService, role: str, change: dict, reason: str) -> None:
    request = log_pb2.RotateLogKeyRequest(**{"request_id": fresh_id(), **change})
    with channel(service, role) as opened:
        stub = log_pb2_grpc.LogServiceStub(opened)

        def rotate(request: log_pb2.RotateLogKeyRequest, *, timeout: float) -> log_pb2.RotateLogKeyResponse:
            return stub.RotateLogKey(request, timeout=timeout)

        assert refused(rotate, request).reason == reason
        assert len(stub.ListLogKeys(log_pb2.ListLogKeysRequest(), timeout=20).keys) == 2
