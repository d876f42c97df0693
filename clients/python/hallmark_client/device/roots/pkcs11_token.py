"""A PKCS#11 token as this process sees it: one login, shared by every root in it, one caller at a time.

python-pkcs11 calls C_Initialize without locks, so one thread at a time may be in the library; and C_Logout ends the
login of the whole process, so nobody logs out while another root works (PKCS#11 v3.1, 5.4.1 and 5.6.10).
"""

import hmac
import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import pkcs11
from pkcs11 import SlotFlag, TokenFlag
from pkcs11 import exceptions as driver

from hallmark_client.device.errors import RootUnavailable

from . import sealed

T = TypeVar("T")
Pin = Callable[[], bytes | bytearray]
"""UTF-8, 4 to 255 bytes. Asked at each login; a bytearray is wiped after use."""

_PIN_SIZES: Final = range(4, 256)
_SOFTWARE: Final = ("soft", "mozilla", "nss", "kryoptic", "simul", "opencryptoki")
"""In the names of tokens that are programs. Wide on purpose: a chip taken for a program is only believed less."""
_PIN_ERRORS: Final = {
    driver.PinIncorrect: "the token refused the PIN. It is not tried again, since tokens lock after a few: correct it",
    driver.PinInvalid: "the token refused the PIN as malformed: correct it",
    driver.PinLenRange: "the token refused the PIN for its length: correct it",
    driver.PinLocked: "the token has locked its PIN: reset it as security officer (pkcs11-tool --init-pin)",
    driver.PinExpired: "the token's PIN has expired: set a new one",
    driver.UserPinNotInitialized: "the token has no user PIN yet: set one (pkcs11-tool --init-pin)",
}
_UNABLE: Final = (
    driver.MechanismInvalid,
    driver.MechanismParamInvalid,
    driver.FunctionNotSupported,
    driver.KeySizeRange,
    driver.TemplateInconsistent,
    driver.TemplateIncomplete,
    driver.AttributeTypeInvalid,
    driver.AttributeValueInvalid,
    driver.ArgumentsBad,
    driver.TokenWriteProtected,
)
_TURN: Final = threading.RLock()
_REFUSED_KEY: Final = secrets.token_bytes(32)


class TokenPlace(NamedTuple):
    """Where a token is. serial decides where both are given."""

    module: Path
    label: str | None
    serial: str | None


class TokenFacts(NamedTuple):
    """hardware: the slot says so (CKF_HW_SLOT), and nothing about it says that it is a program."""

    label: str
    serial: str
    model: str
    hardware: bool


class DeviceToken:
    """Made by `join`. Errors: RootUnavailable; those of an action pass."""

    def __init__(self, place: TokenPlace, pin: Pin) -> None:
        self._place = place
        self._pin = pin
        self._session: Any = None
        self.users = 0
        self.facts = _facts(_find(place))

    def carry_out(self, action: Callable[[Any], T]) -> T:
        """action: with the logged-in session; it may be repeated once, in a new session, after the first one failed."""
        with _TURN:
            try:
                return action(self._session or self._login())
            except driver.PKCS11Error as error:
                if isinstance(error, _UNABLE):
                    raise _failed(error) from None
            return self.carry_out_anew(action)

    def carry_out_anew(self, action: Callable[[Any], T]) -> T:
        """In a new session: what an old one does not show may be there all the same."""
        with _TURN:
            self._forget_session()
            try:
                return action(self._login())
            except driver.PKCS11Error as error:
                self._forget_session()
                raise _failed(error) from None

    def leave(self) -> None:
        """The last one logs out."""
        with _TURN:
            self.users -= 1
            if self.users == 0:
                self._forget_session()
                _joined.pop(_name(self._place.module, self.facts.serial, self.facts.label), None)

    def _login(self) -> Any:
        token = _find(self._place)
        if token.flags & TokenFlag.USER_PIN_FINAL_TRY:
            raise _unavailable(
                "the token has one try left for its PIN, which is not spent here: log in once by hand with the right "
                "PIN (pkcs11-tool --login --list-objects), then try again"
            )
        given = self._pin()
        try:
            self._session = _session(token, self.facts.serial, bytes(given))
        finally:
            if isinstance(given, bytearray):
                sealed.wipe(given)
        return self._session

    def _forget_session(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            try:
                session.close()
            except driver.PKCS11Error:
                return  # of a token that is away: there is nothing left to close


_joined: dict[tuple[str, str, str], DeviceToken] = {}
_refused: set[bytes] = set()
"""Of PINs that a token refused: never sent again by this process, whoever asks."""


def join(place: TokenPlace, pin: Pin) -> DeviceToken:
    """Logs in, once for each process; pair it with `leave`. Raises RootUnavailable."""
    with _TURN:
        found = _facts(_find(place))
        name = _name(place.module, found.serial, found.label)
        token = _joined.get(name) or DeviceToken(place, pin)
        if name not in _joined:
            token.carry_out(lambda _session: None)
            _joined[name] = token
        token.users += 1
        return token


def _name(module: Path, serial: str, label: str) -> tuple[str, str, str]:
    return str(module), serial, label


def _session(token: Any, serial: str, pin: bytes) -> Any:
    if len(pin) not in _PIN_SIZES:
        raise _unavailable("a PIN has 4 to 255 bytes: put the token's PIN into the file that was named")
    digest = hmac.digest(_REFUSED_KEY, serial.encode() + b"\0" + pin, "sha256")
    if digest in _refused:
        raise _unavailable(_PIN_ERRORS[driver.PinIncorrect])
    try:
        return token.open(rw=True, user_pin=pin.decode())
    except driver.UserAlreadyLoggedIn:  # by another part of this program, outside this module
        return token.open(rw=True)
    except UnicodeDecodeError:
        raise _unavailable("the PIN is not UTF-8 text: correct it") from None
    except tuple(_PIN_ERRORS) as error:
        _refused.add(digest)
        raise _unavailable(_PIN_ERRORS[type(error)]) from None


def _find(place: TokenPlace) -> Any:
    try:
        tokens = list(pkcs11.lib(str(place.module)).get_tokens())
    except (driver.PKCS11Error, RuntimeError, OSError) as error:
        raise _unavailable(
            f"{place.module} can not be used as a PKCS#11 library ({type(error).__name__}): is it installed, and are "
            "its configuration and its tokens in place?"
        ) from None
    found = [token for token in tokens if _is_meant(token, place)]
    if len(found) != 1:
        wanted = f"serial {place.serial}" if place.serial is not None else f"label {place.label!r}"
        raise _unavailable(
            f"{'no token' if not found else 'more than one token'} with {wanted} is there: is it plugged in? "
            f"pkcs11-tool --module {place.module} --list-slots shows what is"
        )
    return found[0]


def _is_meant(token: Any, place: TokenPlace) -> bool:
    """Some libraries give all their tokens one serial: then the label tells them apart."""
    if not token.flags & TokenFlag.TOKEN_INITIALIZED:
        return False
    return place.serial in (None, _text(token.serial)) and place.label in (None, token.label)


def _facts(token: Any) -> TokenFacts:
    slot = token.slot
    told = " ".join((token.model, _text(token.manufacturer_id), slot.slot_description, _text(slot.manufacturer_id)))
    program = any(word in told.lower() for word in _SOFTWARE)
    hardware = bool(slot.flags & SlotFlag.HW_SLOT) and not program
    return TokenFacts(label=token.label, serial=_text(token.serial), model=token.model, hardware=hardware)


def _text(field: bytes | str) -> str:
    return (field.decode("utf-8", "replace") if isinstance(field, bytes) else field).strip()


def _failed(error: driver.PKCS11Error) -> RootUnavailable:
    """Texts of the driver are left out: they may quote arguments."""
    name = type(error).__name__
    if isinstance(error, _UNABLE):
        return _unavailable(
            f"the token can not do this ({name}): it needs AES-256 keys and CKM_AES_GCM, and free space"
        )
    return _unavailable(f"the token does not answer ({name}): is it plugged in? Then try again")


def _unavailable(why: str) -> RootUnavailable:
    return RootUnavailable("ROOT_UNAVAILABLE", why)
