"""Errors of hsm. One tree; every message says what the operator or caller can do, and none holds a PIN or key byte.

HsmError
    SetupError             the module or token cannot be prepared; start again after fixing what it says
        ModuleNotFound     there is no PKCS#11 library
    TokenUnavailable       device lost, signer process died                                           retryable
        TokenNotFound      the library is there, the token is not                                     retryable
        LibraryAway        the PKCS#11 library cannot be loaded; is it being replaced?                retryable
        PinAway            the PIN file cannot be read, so no PIN was tried                           retryable
        CircuitOpen        the token failed several times in a row and is left alone for a moment     retryable
    PinMissing             nobody told us the PIN
    PinIncorrect           the token refused the PIN; it was tried once and is not tried again
    PinLocked              the token has locked its PIN
    KeyNotFound            no such key in the token
    SealBroken             a sealed seed does not open: wrong row, wrong key-encryption key, or changed bytes
    EnvelopeInvalid        an envelope does not open: another key, other info, or changed bytes
    ImportRefused          a foreign private key is not what it should be
    ExportForbidden        the key was not made to leave, or the permit is for another
    SignatureFault         a signature did not verify before release; it was discarded
    HsmTimeout             the token did not answer in time; its signer process was replaced          retryable
    HsmBusy                the queue is full; slow down                                               retryable
    UnsupportedAlgorithm   the token or the engines cannot do this
    InvalidRequest         the caller's arguments cannot be right
    BackupInvalid          not a backup, or not for this recovery key
    RestoreFailed          a restored token did not pass its checks; nothing was switched
"""

from typing import ClassVar


class HsmError(Exception):
    """Any refusal of this package.

    `code` is stable, for machines. `retryable` says that the same call may succeed later without anybody acting.
    """

    code: ClassVar[str] = "HSM_ERROR"
    retryable: ClassVar[bool] = False
    retry_after_seconds: float | None = None
    """When to try again, where that is known."""


class SetupError(HsmError):
    code = "HSM_SETUP_FAILED"


class ModuleNotFound(SetupError):
    code = "PKCS11_MODULE_NOT_FOUND"


class TokenUnavailable(HsmError):
    code = "TOKEN_UNAVAILABLE"
    retryable = True


class TokenNotFound(TokenUnavailable):
    code = "TOKEN_NOT_FOUND"


class LibraryAway(TokenUnavailable):
    code = "PKCS11_LIBRARY_AWAY"


class PinAway(TokenUnavailable):
    code = "PIN_AWAY"


class CircuitOpen(TokenUnavailable):
    code = "HSM_CIRCUIT_OPEN"

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class PinMissing(HsmError):
    code = "PIN_MISSING"


class PinIncorrect(HsmError):
    code = "PIN_INCORRECT"


class PinLocked(HsmError):
    code = "PIN_LOCKED"


class KeyNotFound(HsmError):
    code = "KEY_NOT_FOUND"


class SealBroken(HsmError):
    code = "SEAL_BROKEN"


class EnvelopeInvalid(HsmError):
    code = "ENVELOPE_INVALID"


class ImportRefused(HsmError):
    code = "IMPORT_REFUSED"


class ExportForbidden(HsmError):
    code = "EXPORT_FORBIDDEN"


class SignatureFault(HsmError):
    code = "SIGNATURE_FAULT"


class HsmTimeout(HsmError):
    code = "HSM_TIMEOUT"
    retryable = True


class HsmBusy(HsmError):
    code = "HSM_BUSY"
    retryable = True


class UnsupportedAlgorithm(HsmError):
    code = "UNSUPPORTED_ALGORITHM"


class InvalidRequest(HsmError):
    code = "INVALID_HSM_REQUEST"


class BackupInvalid(HsmError):
    code = "BACKUP_INVALID"


class RestoreFailed(HsmError):
    code = "RESTORE_FAILED"


ERRORS_BY_CODE: dict[str, type[HsmError]] = {
    error.code: error
    for error in (
        HsmError,
        SetupError,
        ModuleNotFound,
        TokenNotFound,
        TokenUnavailable,
        LibraryAway,
        PinAway,
        CircuitOpen,
        PinMissing,
        PinIncorrect,
        PinLocked,
        KeyNotFound,
        SealBroken,
        EnvelopeInvalid,
        ImportRefused,
        ExportForbidden,
        SignatureFault,
        HsmTimeout,
        HsmBusy,
        UnsupportedAlgorithm,
        InvalidRequest,
        BackupInvalid,
        RestoreFailed,
    )
}
"""How an error crosses the pipe from a signer process: by code."""
