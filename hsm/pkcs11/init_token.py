"""Creating a SoftHSM token through C_InitToken, so that no PIN ever stands in a command line.

python-pkcs11 has no call for it; the one function is called by ctypes in the library it has already initialised.
"""

import ctypes
from pathlib import Path
from typing import Any, Final

from pkcs11 import TokenFlag
from pkcs11 import exceptions as driver

from hsm.errors import SetupError
from hsm.secret import Secret

from .faults import translate

_LABEL_SIZE: Final = 32
"""Blank-padded UTF-8 (PKCS#11 v3.1, 5.5.7)."""


def init_token(library: Any, module: Path, *, label: str, so_pin: Secret) -> None:
    """Initialises the first uninitialised slot. Raises SetupError. The library is re-initialised: slots move."""
    padded = label.encode().ljust(_LABEL_SIZE)
    if len(padded) != _LABEL_SIZE:
        raise SetupError(f"the token label may have {_LABEL_SIZE} bytes")
    slots = [slot for slot in library.get_slots(token_present=True) if not _is_initialised(slot)]
    if not slots:
        raise SetupError("the library offers no empty slot for a new token")
    pin = so_pin.reveal()
    init = ctypes.CDLL(str(module)).C_InitToken
    init.argtypes = (ctypes.c_ulong, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)
    init.restype = ctypes.c_ulong
    result = init(slots[0].slot_id, pin, len(pin), padded)
    if result != 0:
        raise SetupError(f"the library refused to create the token (C_InitToken gave 0x{result:X}); is the disk full?")
    library.reinitialize()


def init_user_pin(token: Any, *, so_pin: Secret, pin: Secret) -> None:
    """Sets the first user PIN, as security officer. Raises HsmError."""
    try:
        session = token.open(rw=True, so_pin=so_pin.reveal().decode())
        try:
            session.init_pin(pin.reveal().decode())
        finally:
            session.close()
    except driver.PKCS11Error as error:
        raise translate(error) from None


def has_user_pin(token: Any) -> bool:
    return bool(token.flags & TokenFlag.USER_PIN_INITIALIZED)


def _is_initialised(slot: Any) -> bool:
    return bool(slot.get_token().flags & TokenFlag.TOKEN_INITIALIZED)
