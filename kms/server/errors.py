"""The one place where service errors become gRPC: google.rpc.Status with exactly one ErrorInfo (AIP-193)."""

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from kms.core import errors
from kms.core.errors import ServiceError
from kms.tenants.exceeded import LimitExceeded

DOMAIN = "hallmark.v1"
CODES: dict[type[ServiceError], grpc.StatusCode] = {
    errors.InvalidArgument: grpc.StatusCode.INVALID_ARGUMENT,
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    errors.FailedPrecondition: grpc.StatusCode.FAILED_PRECONDITION,
    errors.Aborted: grpc.StatusCode.ABORTED,
    errors.OutOfRange: grpc.StatusCode.OUT_OF_RANGE,
    errors.Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    errors.PermissionDenied: grpc.StatusCode.PERMISSION_DENIED,
    errors.Unimplemented: grpc.StatusCode.UNIMPLEMENTED,
    errors.ResourceExhausted: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.DeadlineExceeded: grpc.StatusCode.DEADLINE_EXCEEDED,
    errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
    errors.InternalError: grpc.StatusCode.INTERNAL,
}


def code_of(error: ServiceError) -> grpc.StatusCode:
    return next(CODES[kind] for kind in type(error).__mro__ if kind in CODES)


def to_status(error: ServiceError, call_id: str) -> status_pb2.Status:
    """Message and details for the trailers."""
    metadata = {**error.metadata, "call_id": call_id}
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=error.reason.value, domain=DOMAIN, metadata=metadata)]
    if error.field is not None:
        violation = error_details_pb2.BadRequest.FieldViolation(field=error.field, description=error.message)
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if error.resource is not None:
        details.append(error_details_pb2.ResourceInfo(resource_name=error.resource, description=error.message))
    if isinstance(error, errors.FailedPrecondition):
        failure = error_details_pb2.PreconditionFailure.Violation(
            type=error.reason.value, subject=error.resource or "", description=error.message
        )
        details.append(error_details_pb2.PreconditionFailure(violations=[failure]))
    if isinstance(error, errors.ResourceExhausted):
        details.append(error_details_pb2.QuotaFailure(violations=[_violation(error)]))
    if error.retry_after_seconds is not None:
        delay = duration_pb2.Duration(nanos=int((error.retry_after_seconds % 1) * 1e9))
        delay.seconds = int(error.retry_after_seconds)
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    number = getattr(code_pb2, code_of(error).name)
    return status_pb2.Status(code=number, message=error.message, details=[_pack(detail) for detail in details])


def _violation(error: errors.ResourceExhausted) -> error_details_pb2.QuotaFailure.Violation:
    """Whose limit it is, where it is somebody's; a queue or a key that is used up is nobody's."""
    if not isinstance(error, LimitExceeded):
        return error_details_pb2.QuotaFailure.Violation(subject=error.reason.value, description=error.message)
    limit = error.limit
    return error_details_pb2.QuotaFailure.Violation(
        subject=limit.subject,
        description=error.message,
        api_service=DOMAIN,
        quota_metric=limit.metric,
        quota_id=limit.id,
        quota_value=limit.value,
    )


def _pack(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
