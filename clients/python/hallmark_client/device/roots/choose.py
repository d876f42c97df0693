"""Roots of trust by address, as settings and command lines name them.

    tpm2:                                   the platform's TPM; tpm2:device:/dev/tpmrm0 and other TCTIs of the TSS
    pkcs11:token=LABEL?module-path=FILE&pin-source=FILE     a token (RFC 7512); also serial=, and object=NAME
    keyring:                                the keyring of the operating system; keyring:NAME
    bridge:/run/user/1000/app/bridge.sock   a native app; ?uid=1001 where it runs as another user
    passphrase:FILE                         Argon2id

No address has a secret in it: PINs and passphrases come from a file or from whoever asks for them.
"""

import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from hallmark_client.device.errors import RootUnavailable
from hallmark_client.system import System

from .port import RootOfTrust
from .state_file import StateFile

Ask = Callable[[], bytes | bytearray]
"""Gives a secret when it is asked for; a bytearray is wiped after use."""

EXAMPLES: Final = "tpm2:, pkcs11:token=LABEL?module-path=FILE, keyring:, bridge:SOCKET or passphrase:FILE"

_SECRET_FILE_MAX: Final = 1024


class AddressInvalid(RootUnavailable):
    """ROOT_ADDRESS_INVALID: the message says what an address looks like."""

    def __init__(self, message: str) -> None:
        super().__init__("ROOT_ADDRESS_INVALID", message)


class SecretMissing(AddressInvalid):
    """The address is right; passphrase or PIN were not given."""


def open_root(
    address: str,
    *,
    state: Path | None = None,
    passphrase: Ask | None = None,
    pin: Ask | None = None,
    system: System | None = None,
) -> RootOfTrust:
    """Makes the root where there is none. state: file of a TPM root, beside the vault. pin: of a token, or the
    authorization value of what a TPM keeps.

    Raises RootUnavailable (AddressInvalid is one), RootLost.
    """
    scheme, colon, rest = address.partition(":")
    match scheme if colon else "":
        case "tpm2":
            return _tpm2(rest, state, pin, system)
        case "pkcs11":
            return _pkcs11(rest, pin, system)
        case "keyring":
            return _keyring(rest, system)
        case "bridge":
            return _bridge(rest, system)
        case "passphrase":
            return _passphrase(rest, passphrase, system)
        case _:
            raise AddressInvalid(f"{address!r} names no root of trust: use {EXAMPLES}")


def secret_file(path: Path) -> Ask:
    """Reads the secret from a file of this user's alone (mode 0600), without the line end. Raises RootUnavailable."""

    def ask() -> bytearray:
        data = StateFile(path, max_bytes=_SECRET_FILE_MAX).read()
        if data is None or not data.strip():
            raise RootUnavailable("ROOT_UNAVAILABLE", f"{path} is not there or empty: put the secret into it")
        return bytearray(data.rstrip(b"\r\n"))

    return ask


def _tpm2(tcti: str, state: Path | None, pin: Ask | None, system: System | None) -> RootOfTrust:
    if state is None:
        raise AddressInvalid("a TPM root keeps a small file beside the vault: give its path as `state`")
    from .tpm2 import open_tpm2_root

    return open_tpm2_root(state, tcti=tcti or None, auth=pin, system=system)


def _pkcs11(rest: str, pin: Ask | None, system: System | None) -> RootOfTrust:
    path, _, query = rest.partition("?")
    where = _attributes(path, ";", {"token", "serial", "object"})
    how = _attributes(query, "&", {"module-path", "pin-source"})
    if "module-path" not in how or not {"token", "serial"} & set(where):
        raise AddressInvalid("write pkcs11:token=LABEL?module-path=/path/of/library.so&pin-source=/path/of/pin")
    if source := how.get("pin-source"):
        pin = pin or secret_file(Path(source.removeprefix("file:")))
    if pin is None:
        raise SecretMissing("the token needs its PIN: add &pin-source=FILE, or give `pin`")
    from .pkcs11 import open_pkcs11_root
    from .pkcs11_token import TokenPlace

    place = TokenPlace(Path(how["module-path"]), where.get("token"), where.get("serial"))
    return _with_name(lambda: open_pkcs11_root(place, pin, name=where.get("object", "default"), system=system))


def _keyring(name: str, system: System | None) -> RootOfTrust:
    from .keyring import open_keyring_root

    return _with_name(lambda: open_keyring_root(name or "default", system=system))


def _bridge(rest: str, system: System | None) -> RootOfTrust:
    path, _, query = rest.partition("?")
    user = _attributes(query, "&", {"uid"}).get("uid", str(os.geteuid()))
    if not path or not (user.isascii() and user.isdecimal()):
        raise AddressInvalid("write bridge:/path/of/socket, and ?uid=NUMBER where the app runs as another user")
    from .bridge import BridgeRoot

    return BridgeRoot(Path(path), uid=int(user), system=system)


def _passphrase(path: str, passphrase: Ask | None, system: System | None) -> RootOfTrust:
    if not path:
        raise AddressInvalid("write passphrase:/path/of/file; it is made where there is none")
    if passphrase is None:
        raise SecretMissing("nobody was named to ask for the passphrase: give `passphrase`, such as secret_file(path)")
    from .passphrase import open_passphrase_root

    return open_passphrase_root(Path(path), passphrase, system=system)


def _attributes(text: str, separator: str, known: Collection[str]) -> dict[str, str]:
    """As RFC 7512, section 2.3 writes them: each once, percent-encoded."""
    found: dict[str, str] = {}
    for item in filter(None, text.split(separator)):
        name, _, value = item.partition("=")
        if name == "pin-value":
            raise AddressInvalid("a PIN does not belong into an address, which others can read: use pin-source=FILE")
        if name not in known or name in found or not value:
            raise AddressInvalid(f"{name!r} is not one of {', '.join(sorted(known))}, or stands twice, or is empty")
        found[name] = unquote(value)
    return found


def _with_name(opened: Callable[[], RootOfTrust]) -> RootOfTrust:
    try:
        return opened()
    except ValueError as error:  # of the name, which is part of the address
        raise AddressInvalid(str(error)) from None
