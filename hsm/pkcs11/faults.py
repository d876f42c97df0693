"""What each PKCS#11 error means for the signer process: try again, start over, or give up.

Classes as in PKCS#11 v3.1, section 5.1: errors of a session or a handle are cured by a new one; errors of the device
by a new process, which is the only re-initialisation every library survives; errors of the PIN by nobody but the
operator, and never by repetition, because tokens count wrong PINs and lock.
"""

import enum
from collections.abc import Callable
from typing import Final

from pkcs11 import exceptions as driver

from hsm.errors import (
    HsmError,
    KeyNotFound,
    PinIncorrect,
    PinLocked,
    SetupError,
    TokenUnavailable,
    UnsupportedAlgorithm,
)


class Remedy(enum.Enum):
    NEW_HANDLE = enum.auto()
    NEW_SESSION = enum.auto()
    NEW_PROCESS = enum.auto()
    NONE = enum.auto()


class TokenLost(TokenUnavailable):
    """Inside a signer process only: report it, then exit, so that the service starts another."""


_NEW_HANDLE: Final = (driver.KeyHandleInvalid, driver.ObjectHandleInvalid)
_NEW_SESSION: Final = (driver.SessionHandleInvalid, driver.SessionClosed, driver.OperationActive)
_UNSUPPORTED: Final = (
    driver.MechanismInvalid,
    driver.MechanismParamInvalid,
    driver.FunctionNotSupported,
    driver.KeyTypeInconsistent,
    driver.KeySizeRange,
    driver.DomainParamsInvalid,
    driver.TemplateInconsistent,
    driver.TemplateIncomplete,
    driver.AttributeTypeInvalid,
    driver.AttributeValueInvalid,
    driver.ArgumentsBad,
)
_MESSAGES: Final[dict[type[Exception], Callable[[], HsmError]]] = {
    driver.PinIncorrect: lambda: PinIncorrect(
        "the token refused the PIN. It was tried once and is not tried again, because tokens lock after a few wrong "
        "PINs: correct the PIN file or variable, then restart"
    ),
    driver.PinInvalid: lambda: PinIncorrect("the token refused the PIN as malformed: correct it, then restart"),
    driver.PinLenRange: lambda: PinIncorrect("the token refused the PIN for its length: correct it, then restart"),
    driver.PinLocked: lambda: PinLocked(
        "the token has locked its PIN after too many wrong ones: reset it with the security officer's PIN "
        "(`pkcs11-tool --init-pin`), then restart"
    ),
    driver.PinTooWeak: lambda: SetupError("the token finds the PIN too weak: choose a longer one, then restart"),
    driver.PinExpired: lambda: PinLocked("the token's PIN has expired: set a new one, then restart"),
    driver.UserPinNotInitialized: lambda: SetupError("the token has no user PIN yet: set one, then restart"),
    driver.NoSuchKey: lambda: KeyNotFound("the token holds no such key; was it destroyed, or is this another token?"),
    driver.MultipleObjectsReturned: lambda: KeyNotFound(
        "the token holds several keys with this id, so none is used; remove the copies"
    ),
}


_LOST: Final = {
    driver.SessionCount: "it has no session left: close other programs that use it, or start fewer signer processes",
}
"""Why a new process may not help for long."""


def remedy(error: driver.PKCS11Error) -> Remedy:
    if isinstance(error, _NEW_HANDLE):
        return Remedy.NEW_HANDLE
    if isinstance(error, _NEW_SESSION):
        return Remedy.NEW_SESSION
    if isinstance(error, _UNSUPPORTED) or type(error) in _MESSAGES:
        return Remedy.NONE
    return Remedy.NEW_PROCESS


def translate(error: driver.PKCS11Error) -> HsmError:
    """The error to report. Driver messages are left out: they may quote arguments."""
    name = type(error).__name__
    if type(error) in _MESSAGES:
        return _MESSAGES[type(error)]()
    if isinstance(error, _UNSUPPORTED):
        return UnsupportedAlgorithm(f"the token cannot do this ({name}); see its mechanisms in `hallmark hsm doctor`")
    why = _LOST.get(type(error))
    return TokenLost(f"the token failed ({name}{f', {why}' if why else ''}); its signer process starts over")
