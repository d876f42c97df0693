"""A SoftHSM token for roots of trust of devices, loaded into this very process, as a device does it."""

import atexit
import functools
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from hallmark_client.device.roots.pkcs11_token import TokenPlace
from hsm.errors import ModuleNotFound
from hsm.pkcs11.init_token import init_token, init_user_pin
from hsm.pkcs11.library import find_token, open_library
from hsm.pkcs11.settings import resolve_module
from hsm.secret import Secret

SO_PIN = Secret(b"87654321")
PIN = b"12345678"


@dataclass(frozen=True)
class DeviceToken:
    place: TokenPlace
    folder: Path
    """Of the token's files."""
    configuration: Path

    def pin(self) -> bytearray:
        return bytearray(PIN)


@functools.cache
def token_of_this_process() -> DeviceToken:
    """Skips the test where SoftHSM is not installed."""
    try:
        module = resolve_module(None)
    except ModuleNotFound as error:
        pytest.skip(str(error))
    folder = Path(tempfile.mkdtemp(prefix="hallmark-device-token-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return make_token(folder, module)


def make_token(folder: Path, module: Path, *, label: str = "device") -> DeviceToken:
    tokens, configuration = folder / "tokens", folder / "softhsm2.conf"
    tokens.mkdir(mode=0o700)
    configuration.write_text(f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    try:
        library = open_library(module)
        library.reinitialize()  # another test may have loaded it with a configuration of its own
        init_token(library, module, label=label, so_pin=SO_PIN)
    finally:
        if before is None:
            del os.environ["SOFTHSM2_CONF"]
        else:
            os.environ["SOFTHSM2_CONF"] = before
    init_user_pin(find_token(library, label=label, serial=None), so_pin=SO_PIN, pin=Secret(PIN))
    return DeviceToken(TokenPlace(module, label, None), tokens, configuration)
