"""What an error of the key provider means to a caller of the service."""

from hsm.errors import (
    CircuitOpen,
    EnvelopeInvalid,
    ExportForbidden,
    HsmBusy,
    HsmError,
    ImportRefused,
    InvalidRequest,
    LibraryAway,
    PinAway,
    PinIncorrect,
    PinLocked,
    PinMissing,
    SetupError,
    SignatureFault,
    UnsupportedAlgorithm,
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
    """Paths and settings stay in the server's log and in `hallmark hsm doctor`; callers learn what they can do."""
    match error:
        case HsmBusy():
            return ResourceExhausted(Reason.QUEUE_FULL, "the HSM is busy; retry", retry_after_seconds=0.5)
        case PinIncorrect() | PinLocked() | PinMissing() | SetupError():
            return Unavailable(
                Reason.HSM_UNAVAILABLE,
                f"the HSM can not be used until the server's operator acts ({error.code}; see `hallmark hsm doctor`)",
                retry_after_seconds=60,
            )
        case LibraryAway() | PinAway():
            problem = f"the HSM is not usable right now ({error.code}; see `hallmark hsm doctor`); retry"
            return Unavailable(Reason.HSM_UNAVAILABLE, problem, retry_after_seconds=5)
        case CircuitOpen():
            problem = "the HSM failed several times in a row and is left alone for a moment; see `hallmark hsm doctor`"
            return Unavailable(Reason.HSM_UNAVAILABLE, problem, retry_after_seconds=error.retry_after_seconds)
        case EnvelopeInvalid():
            return InvalidArgument(Reason.ENVELOPE_INVALID, str(error), field="envelope")
        case ImportRefused():
            return InvalidArgument(Reason.IMPORT_REFUSED, str(error), field="envelope")
        case UnsupportedAlgorithm():
            return FailedPrecondition(Reason.ALGORITHM_UNSUPPORTED, str(error))
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
