import inspect

import pytest
from pkcs11 import exceptions as driver

from hsm.errors import HsmError, KeyNotFound, PinIncorrect, PinLocked, SetupError, UnsupportedAlgorithm
from hsm.pkcs11.faults import Remedy, TokenLost, remedy, translate

ALL = [item for _, item in inspect.getmembers(driver, inspect.isclass) if issubclass(item, driver.PKCS11Error)]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (driver.KeyHandleInvalid, Remedy.NEW_HANDLE),
        (driver.ObjectHandleInvalid, Remedy.NEW_HANDLE),
        (driver.SessionHandleInvalid, Remedy.NEW_SESSION),
        (driver.SessionClosed, Remedy.NEW_SESSION),
        (driver.DeviceError, Remedy.NEW_PROCESS),
        (driver.DeviceRemoved, Remedy.NEW_PROCESS),
        (driver.TokenNotPresent, Remedy.NEW_PROCESS),
        (driver.UserNotLoggedIn, Remedy.NEW_PROCESS),
        (driver.GeneralError, Remedy.NEW_PROCESS),
        (driver.PKCS11Error, Remedy.NEW_PROCESS),
        (driver.PinIncorrect, Remedy.NONE),
        (driver.PinLocked, Remedy.NONE),
        (driver.MechanismInvalid, Remedy.NONE),
        (driver.NoSuchKey, Remedy.NONE),
    ],
    ids=lambda item: getattr(item, "__name__", str(item)),
)
def test_each_class_has_its_remedy(error, expected: Remedy) -> None:
    assert remedy(error()) is expected


@pytest.mark.parametrize("error", ALL, ids=lambda item: item.__name__)
def test_every_driver_error_has_a_translation_without_the_drivers_text(error) -> None:
    translated = translate(error("argument 1234"))
    assert isinstance(translated, HsmError)
    assert "1234" not in str(translated)
    assert len(str(translated)) > 30


@pytest.mark.parametrize("error", ALL, ids=lambda item: item.__name__)
def test_only_a_lost_token_ends_the_process(error) -> None:
    permanent = remedy(error()) is Remedy.NONE
    assert isinstance(translate(error()), TokenLost) is not permanent
    assert translate(error()).retryable is not permanent


def test_pins_are_never_worth_another_attempt() -> None:
    names = {error.__name__ for error in ALL if "Pin" in error.__name__}
    assert names == {
        "PinExpired", "PinIncorrect", "PinInvalid", "PinLenRange", "PinLocked", "PinTooWeak", "UserPinNotInitialized"
    }  # fmt: skip
    assert type(translate(driver.PinIncorrect())) is PinIncorrect
    assert type(translate(driver.PinLocked())) is PinLocked
    assert type(translate(driver.UserPinNotInitialized())) is SetupError
    assert type(translate(driver.PinTooWeak())) is SetupError


def test_what_a_token_cannot_do_and_does_not_hold() -> None:
    assert type(translate(driver.MechanismInvalid())) is UnsupportedAlgorithm
    assert type(translate(driver.NoSuchKey())) is KeyNotFound
    assert type(translate(driver.MultipleObjectsReturned())) is KeyNotFound
