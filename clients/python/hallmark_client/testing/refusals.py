"""Errors of the fake, made the way a server makes them: google.rpc.Status with one ErrorInfo, then read back."""

from collections.abc import Mapping

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from hallmark_client.errors import HallmarkError
from hallmark_client.status import DOMAIN, error_of_code, error_of_status


def refusal(
    code: grpc.StatusCode,
    reason: str,
    message: str,
    *,
    retry_after_seconds: float | None = None,
    metadata: Mapping[str, str] | None = None,
) -> HallmarkError:
    """The error a client sees when a server refuses with this code and reason."""
    status = status_of(code, reason, message, retry_after_seconds=retry_after_seconds, metadata=metadata)
    return error_of_status(status)


def status_of(
    code: grpc.StatusCode,
    reason: str,
    message: str,
    *,
    retry_after_seconds: float | None = None,
    metadata: Mapping[str, str] | None = None,
) -> status_pb2.Status:
    """What goes into the trailers of a refused call."""
    number, _ = code.value
    status = status_pb2.Status(code=number, message=message)
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=metadata))
    if retry_after_seconds is not None:
        delay = Duration()
        delay.FromNanoseconds(round(retry_after_seconds * 1e9))
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    return status


def refusal_to_status(error: HallmarkError) -> status_pb2.Status:
    """Back again, for refusals that stand inside an answer."""
    code = error.grpc_code or grpc.StatusCode.INTERNAL
    return status_of(code, error.reason, error.message, retry_after_seconds=error.retry_after_seconds)


def unreachable() -> HallmarkError:
    """What gRPC says when nobody listens."""
    return error_of_code(grpc.StatusCode.UNAVAILABLE, "connection refused")


def not_found(name: str) -> HallmarkError:
    return refusal(grpc.StatusCode.NOT_FOUND, "RESOURCE_NOT_FOUND", f"{name} was not found")


def invalid(field: str, problem: str, reason: str = "FIELD_INVALID") -> HallmarkError:
    return refusal(grpc.StatusCode.INVALID_ARGUMENT, reason, f"{field} {problem}")


def precondition(reason: str, message: str, *, metadata: Mapping[str, str] | None = None) -> HallmarkError:
    return refusal(grpc.StatusCode.FAILED_PRECONDITION, reason, message, metadata=metadata)
