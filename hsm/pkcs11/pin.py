"""Reading and making PINs. They live in a file with mode 0600 or in the environment, never in arguments or logs."""

import os
import secrets
from collections.abc import MutableMapping
from pathlib import Path
from typing import Final

from hsm.errors import PinAway, PinMissing, SetupError
from hsm.secret import Secret

MIN_PIN_SIZE: Final = 4
MAX_PIN_SIZE: Final = 255
"""Bytes; the limits of SoftHSM, and wide enough for every token."""
_GENERATED_PIN_BYTES: Final = 16


def read_pin(pin_file: Path | None, pin_env: str | None, environ: MutableMapping[str, str]) -> Secret:
    """The PIN, without the newline at its end; a variable is removed from `environ`.

    Raises PinAway for a file that is not there or empty (it may come back), PinMissing, SetupError.
    """
    if pin_env is not None:
        value = environ.pop(pin_env, "").encode()
        where = f"the environment variable {pin_env}"
    elif pin_file is not None:
        where = f"the file {pin_file}"
        try:
            value = pin_file.read_bytes().rstrip(b"\r\n")
        except OSError as error:
            raise PinAway(f"the PIN file {pin_file} cannot be read: {error.strerror}") from None
        if not value:
            raise PinAway(f"the PIN file {pin_file} is empty: put the token's PIN into it")
    else:
        raise PinMissing("no PIN file and no environment variable for the PIN are set")
    if not value:
        raise PinMissing(f"the token's PIN is not there: put it into {where}")
    if not MIN_PIN_SIZE <= len(value) <= MAX_PIN_SIZE:
        raise SetupError(f"the PIN in {where} must have {MIN_PIN_SIZE} to {MAX_PIN_SIZE} bytes")
    try:
        value.decode()
    except UnicodeDecodeError:
        raise SetupError(f"the PIN in {where} is not UTF-8 text") from None
    return Secret(value)


def ensure_pin_file(path: Path) -> None:
    """Makes a random 128-bit PIN (32 hex digits), mode 0600, unless the file is there. On disk before it returns."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    except OSError as error:
        raise SetupError(f"the PIN file {path} cannot be created: {error.strerror}") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_hex(_GENERATED_PIN_BYTES).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Makes new names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
