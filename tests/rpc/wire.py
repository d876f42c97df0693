"""Raw stubs over mTLS, for tests of what the typed client would never send. Errors as (code, reason, message)."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from support.service import RunningService

PARENT = "tenants/default"


@dataclass(frozen=True)
class Refusal:
    code: grpc.StatusCode
    reason: str
    message: str
    details: dict[str, Any]


def credentials(folder: Path) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(
        (folder / "ca.pem").read_bytes(), (folder / "key.pem").read_bytes(), (folder / "cert.pem").read_bytes()
    )


@contextmanager
def channel(service: RunningService, role: str = "admin") -> Iterator[grpc.Channel]:
    with grpc.secure_channel(str(service.facts["address"]), credentials(service.home / "clients" / role)) as channel:
        yield channel


def refused(call: Callable[..., Any], request: Any, *, timeout: float = 20) -> Refusal:
    """Calls and expects a typed refusal: exactly one ErrorInfo of our domain."""
    try:
        answer = call(request, timeout=timeout)
    except grpc.RpcError as error:
        return read_refusal(error)
    raise AssertionError(f"not refused: {answer}")


def read_refusal(error: grpc.RpcError) -> Refusal:
    status = rpc_status.from_call(error)
    assert status is not None, f"no details: {error.code()} {error.details()}"
    found: dict[str, Any] = {}
    for packed in status.details:
        message = getattr(error_details_pb2, packed.TypeName().rpartition(".")[2])()
        assert packed.Unpack(message)
        found[packed.TypeName().rpartition(".")[2]] = message
    info = found["ErrorInfo"]
    assert info.domain == "hallmark.v1"
    return Refusal(error.code(), info.reason, status.message, found)


def fresh_id() -> str:
    return str(uuid.uuid4())


def fresh_name(prefix: str = "key") -> str:
    return f"{prefix}-{uuid.uuid4().hex[:12]}"
