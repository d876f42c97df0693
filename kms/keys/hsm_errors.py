"""What an error of the key provider means to a caller of the service."""

from hsm.errors import (
    CircuitOpen,
    EnvelopeInvalid,
    ExportForbidden,
    HsmBusy,
    HsmError,
    ImportRefused,
    InvalidRequest,
    PinIncorrect,
    PinLocked,
    PinMissing,
    SetupError,
    SignatureFault,
)
from kms.core.errors import (
    FailedPrecondition,
    InternalError,
    InvalidArgument,
    Reason,
    ResourceExhausted,
    ServiceError,
    Unavailable,
)


def to_service_error(error: HsmError) -> ServiceError:
    """The operator's part of the message stays with it: no HsmError holds a secret."""
    match error:
        case HsmBusy():
            return ResourceExhausted(Reason.QUEUE_FULL, "the HSM is busy; retry", retry_after_seconds=0.5)
        case PinIncorrect() | PinLocked() | PinMissing() | SetupError():
            return Unavailable(
                Reason.HSM_UNAVAILABLE,
                f"the HSM can not be used until an operator acts: {error}",
                retry_after_seconds=60,
            )
        case CircuitOpen():
            return Unavailable(Reason.HSM_UNAVAILABLE, str(error), retry_after_seconds=error.retry_after_seconds)
        case EnvelopeInvalid():
            return InvalidArgument(Reason.ENVELOPE_INVALID, str(error), field="envelope")
        case ImportRefused():
            return InvalidArgument(Reason.FIELD_INVALID, str(error))
        case ExportForbidden():
            return FailedPrecondition(Reason.EXPORT_FORBIDDEN, str(error))
        case SignatureFault():
            return InternalError(
                Reason.SIGNATURE_FAULT, "a signature failed its own verification and was discarded; retry"
            )
        case InvalidRequest():
            return InvalidArgument(Reason.FIELD_INVALID, str(error))
        case _ if error.retryable:
            return Unavailable(
                Reason.HSM_UNAVAILABLE, f"the HSM is not usable right now: {error}", retry_after_seconds=2
            )
        case _:
            return InternalError(Reason.INTERNAL, f"the HSM refused: {error}")
