"""Loading the PKCS#11 library and finding the token in it."""

from pathlib import Path
from typing import Any

import pkcs11
from pkcs11 import exceptions as driver

from hsm.errors import LibraryAway, TokenNotFound


def open_library(module: Path) -> Any:
    """Raises LibraryAway when it cannot be loaded as one, TokenNotFound when it cannot reach its tokens."""
    try:
        return pkcs11.lib(str(module))
    except driver.PKCS11Error as error:
        if type(error) is driver.PKCS11Error:  # the driver's own failure to load, not a code of the library
            raise LibraryAway(f"{module} cannot be loaded as a PKCS#11 library") from None
        raise TokenNotFound(
            f"the PKCS#11 library at {module} does not initialise ({type(error).__name__}); "
            "are its configuration and its token folder in place?"
        ) from None
    except (RuntimeError, OSError):
        raise LibraryAway(f"{module} cannot be loaded as a PKCS#11 library") from None


def find_token(library: Any, *, label: str, serial: str | None) -> Any:
    """The one token with that serial, or else that label; some libraries give all their tokens one serial, and then
    the label decides. Raises TokenNotFound.
    """
    wanted = f"serial {serial}" if serial is not None else f"label {label!r}"
    try:
        tokens = list(library.get_tokens())
        labelled = [token for token in tokens if token.label == label]
        if serial is not None:
            tokens = [token for token in tokens if token.serial.decode("utf-8", "replace").strip() == serial]
    except driver.PKCS11Error as error:
        raise TokenNotFound(f"the library cannot list its tokens ({type(error).__name__})") from None
    if serial is None or len(tokens) > 1:
        tokens = [token for token in tokens if token in labelled]
    if len(tokens) != 1:
        count = "no token has" if not tokens else "several tokens have"
        raise TokenNotFound(f"{count} the {wanted}; is it plugged in, and is its folder in place?")
    return tokens[0]
