import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from hallmark_client import errors
from hallmark_client.status import error_of_code, error_of_rpc, error_of_status
from hallmark_client.testing.refusals import status_of

CODES = {
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
    grpc.StatusCode.INTERNAL: errors.Internal,
    grpc.StatusCode.UNIMPLEMENTED: errors.Internal,
}


class Call(grpc.RpcError, grpc.Call):
    """What grpcio raises, with the trailers a test wants."""

    def __init__(self, code: grpc.StatusCode, details: str, trailers: tuple = ()) -> None:
        self._code, self._details, self._trailers = code, details, trailers

    def code(self):
        return self._code

    def details(self):
        return self._details

    def trailing_metadata(self):
        return self._trailers

    def initial_metadata(self):
        return ()

    def is_active(self):
        return False

    def time_remaining(self):
        return None

    def cancel(self):
        return False

    def add_callback(self, callback):
        return False


@pytest.mark.parametrize(("code", "kind"), CODES.items(), ids=lambda value: getattr(value, "name", None))
def test_every_code_has_its_error(code: grpc.StatusCode, kind: type) -> None:
    with_info = error_of_status(status_of(code, "SOME_REASON", "a sentence"))
    assert (type(with_info), with_info.reason, with_info.grpc_code) == (kind, "SOME_REASON", code)
    assert str(with_info) == "a sentence [SOME_REASON]"
    assert type(error_of_code(code, "")) is kind


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("SIGNATURE_INVALID", errors.SignatureInvalid),
        ("CHECKSUM_MISMATCH", errors.ChecksumMismatch),
        ("CURSOR_INVALID", errors.CursorInvalid),
    ],
)
def test_some_reasons_have_an_error_of_their_own(reason: str, kind: type) -> None:
    error = error_of_status(status_of(grpc.StatusCode.INVALID_ARGUMENT, reason, ""))
    assert type(error) is kind
    assert isinstance(error, errors.InvalidArgument)


def test_metadata_and_retry_time_come_along() -> None:
    status = status_of(grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED", "slow down", retry_after_seconds=1.25)
    info = error_details_pb2.ErrorInfo(reason="RATE_LIMITED", domain="hallmark.v1", metadata={"call_id": "7"})
    status.details[0].Pack(info)
    error = error_of_status(status)
    assert error.retry_after_seconds == 1.25
    assert error.metadata == {"call_id": "7"}


def test_the_words_of_another_domain_do_not_count() -> None:
    status = status_pb2.Status(code=9, message="m")
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason="KEY_REVOKED", domain="example.com"))
    assert error_of_status(status).reason == "FAILED_PRECONDITION"


def test_details_travel_in_the_trailers() -> None:
    status = status_of(grpc.StatusCode.NOT_FOUND, "RESOURCE_NOT_FOUND", "x was not found")
    trailers = (("grpc-status-details-bin", status.SerializeToString()),)
    error = error_of_rpc(Call(grpc.StatusCode.NOT_FOUND, "x was not found", trailers))
    assert (type(error), error.reason) == (errors.NotFound, "RESOURCE_NOT_FOUND")


@pytest.mark.parametrize("trailer", [b"\xff\xff\xff", b"", status_of(grpc.StatusCode.OK, "A", "").SerializeToString()])
def test_trailers_that_make_no_sense_are_left_alone(trailer: bytes) -> None:
    error = error_of_rpc(Call(grpc.StatusCode.NOT_FOUND, "gone", (("grpc-status-details-bin", trailer),)))
    assert (type(error), error.reason, error.message) == (errors.NotFound, "NOT_FOUND", "gone")


@pytest.mark.parametrize(
    ("code", "details", "kind", "reason"),
    [
        (grpc.StatusCode.UNAVAILABLE, "Connection refused", errors.Unavailable, "UNREACHABLE"),
        (grpc.StatusCode.UNAVAILABLE, "Ssl handshake failed: X", errors.TransportRefused, "TRANSPORT_REFUSED"),
        (grpc.StatusCode.UNAVAILABLE, "a CERTIFICATE_VERIFY_FAILED b", errors.TransportRefused, "TRANSPORT_REFUSED"),
        (grpc.StatusCode.INTERNAL, "Received RST_STREAM with error code 2", errors.Unavailable, "CONNECTION_LOST"),
        (grpc.StatusCode.UNKNOWN, "Stream removed", errors.Unavailable, "CONNECTION_LOST"),
        (grpc.StatusCode.INTERNAL, "division by zero", errors.Internal, "INTERNAL"),
        (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "CLIENT: Sent message larger than max (9 vs. 8)",
            errors.InvalidArgument,
            "MESSAGE_TOO_LARGE",
        ),
    ],
)
def test_the_words_of_grpc_core_are_understood(code, details: str, kind: type, reason: str) -> None:
    error = error_of_rpc(Call(code, details))
    assert (type(error), error.reason) == (kind, reason)


def test_an_error_without_status_is_internal() -> None:
    assert type(error_of_rpc(grpc.RpcError())) is errors.Internal


def test_what_is_too_large_is_not_said_to_be_signed() -> None:
    """It may be evidence."""
    error = error_of_rpc(Call(grpc.StatusCode.RESOURCE_EXHAUSTED, "CLIENT: Sent message larger than max (9 vs. 8)"))
    assert "sign" not in str(error)
