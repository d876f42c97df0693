"""google.rpc.Status with ErrorInfo, to the error tree. The one place where wire errors become ours."""

from collections.abc import Iterable, Mapping
from typing import Final

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from hallmark_client import errors

DOMAIN: Final = "hallmark.v1"
_DETAILS_KEY: Final = "grpc-status-details-bin"

_BY_REASON: Final[Mapping[str, type[errors.HallmarkError]]] = {
    "SIGNATURE_INVALID": errors.SignatureInvalid,
    "ENVELOPE_INVALID": errors.EnvelopeInvalid,
    "PQ_TLS_REQUIRED": errors.PostQuantumRequired,
    "CHECKSUM_MISMATCH": errors.ChecksumMismatch,
    "CURSOR_INVALID": errors.CursorInvalid,
    "CURSOR_EPOCH": errors.CursorInvalid,
}

_BY_CODE: Final[Mapping[grpc.StatusCode, type[errors.HallmarkError]]] = {
    grpc.StatusCode.INVALID_ARGUMENT: errors.InvalidArgument,
    grpc.StatusCode.OUT_OF_RANGE: errors.InvalidArgument,
    grpc.StatusCode.NOT_FOUND: errors.NotFound,
    grpc.StatusCode.ALREADY_EXISTS: errors.AlreadyExists,
    grpc.StatusCode.FAILED_PRECONDITION: errors.FailedPrecondition,
    grpc.StatusCode.ABORTED: errors.Aborted,
    grpc.StatusCode.UNAUTHENTICATED: errors.Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: errors.PermissionDenied,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.ResourceExhausted,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.DeadlineExceeded,
    grpc.StatusCode.UNAVAILABLE: errors.Unavailable,
    grpc.StatusCode.CANCELLED: errors.Unavailable,
}

CODES: Final[Mapping[int, grpc.StatusCode]] = {code.value[0]: code for code in grpc.StatusCode}

# What gRPC core says when the handshake itself failed, on either side. There is no status code of its own for that.
_TLS_MARKS: Final = ("ssl handshake", "handshake failed", "certificate_verify_failed", "ssl_error", "tlsv1 alert")
# The stream was reset under the call: a dying server or a middlebox, told by gRPC core as INTERNAL or UNKNOWN.
_RESET_MARKS: Final = ("rst_stream", "stream removed", "connection reset", "socket closed", "broken pipe")


def error_of_status(status: status_pb2.Status) -> errors.HallmarkError:
    """The typed error for what a Hallmark server answered."""
    code = CODES.get(status.code, grpc.StatusCode.UNKNOWN)
    info = _error_info(status)
    if info is None:
        return error_of_code(code, status.message)
    kind = _BY_REASON.get(info.reason) or _BY_CODE.get(code, errors.Internal)
    return kind(
        info.reason,
        status.message,
        metadata=dict(info.metadata),
        grpc_code=code,
        retry_after_seconds=_retry_after(status),
    )


def error_of_rpc(error: grpc.RpcError) -> errors.HallmarkError:
    """The typed error for what grpcio raised: the server's own words when it gave some, gRPC core's otherwise."""
    if not isinstance(error, grpc.Call):
        return errors.Internal("INTERNAL", f"gRPC failed without a status ({type(error).__name__})")
    return error_of_trailers(error.code(), error.details() or "", error.trailing_metadata() or ())


def error_of_trailers(
    code: grpc.StatusCode, details: str, trailers: Iterable[tuple[str, str | bytes]]
) -> errors.HallmarkError:
    """The typed error of a call that ended so: the server's own words when it gave some, gRPC core's otherwise."""
    for key, value in trailers:
        if key != _DETAILS_KEY or not isinstance(value, bytes):
            continue
        status = status_pb2.Status()
        try:
            status.ParseFromString(value)
        except DecodeError:
            break
        if CODES.get(status.code) is code:
            return error_of_status(status)
    return error_of_code(code, details)


def error_of_code(code: grpc.StatusCode, details: str) -> errors.HallmarkError:
    """The typed error for a status without ErrorInfo: gRPC core, a proxy, or a server that is not Hallmark."""
    words = details.lower()
    if code is grpc.StatusCode.UNAVAILABLE and any(mark in words for mark in _TLS_MARKS):
        return errors.TransportRefused("TRANSPORT_REFUSED", _tls_sentence(details), grpc_code=code)
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in words:
        sentence = "the request is larger than the connection takes; where a digest will do, send that"
        return errors.InvalidArgument("MESSAGE_TOO_LARGE", sentence, grpc_code=code)
    if code in {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN} and any(mark in words for mark in _RESET_MARKS):
        return errors.Unavailable("CONNECTION_LOST", f"the connection was lost: {details}", grpc_code=code)
    if code is grpc.StatusCode.UNAVAILABLE:
        sentence = f"the server can not be reached: {details}"
        return errors.Unavailable("UNREACHABLE", sentence, grpc_code=code)
    kind = _BY_CODE.get(code, errors.Internal)
    return kind(code.name, details or f"the call ended with {code.name}", grpc_code=code)


def _tls_sentence(details: str) -> str:
    return (
        "TLS was refused: check that the profile belongs to this server (ca.pem is its authority, cert.pem was made by "
        f"it and has not expired). gRPC says: {details}"
    )


def _error_info(status: status_pb2.Status) -> error_details_pb2.ErrorInfo | None:
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Is(info.DESCRIPTOR) and detail.Unpack(info) and info.domain == DOMAIN and info.reason:
            return info
    return None


def _retry_after(status: status_pb2.Status) -> float | None:
    for detail in status.details:
        info = error_details_pb2.RetryInfo()
        if detail.Is(info.DESCRIPTOR) and detail.Unpack(info):
            seconds: float = info.retry_delay.seconds + info.retry_delay.nanos / 1e9
            return max(0.0, seconds)
    return None
