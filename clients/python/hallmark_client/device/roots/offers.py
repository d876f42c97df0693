"""Which roots of trust this machine has, strongest first. Looks only: nothing is made, opened or asked for a PIN."""

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hallmark_client.device.errors import RootUnavailable
from hallmark_client.device.model import Enforcement
from hallmark_client.model.result import Result

from .keyring_choice import chosen_backend

_TPM: Final = Path("/dev/tpmrm0")
_MODULES: Final = (
    Path("/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so"),
    Path("/usr/lib/aarch64-linux-gnu/opensc-pkcs11.so"),
    Path("/usr/lib64/pkcs11/opensc-pkcs11.so"),
    Path("/usr/lib/x86_64-linux-gnu/libykcs11.so"),
    Path("/usr/lib/aarch64-linux-gnu/libykcs11.so"),
    Path("/usr/lib/softhsm/libsofthsm2.so"),
    Path("/usr/lib64/pkcs11/libsofthsm2.so"),
)
"""OpenSC, Yubico PIV, SoftHSM where Debian and Fedora put them. Others are as good: name them with module-path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RootOffer(Result):
    """address: for `open_root`; capitals are for you to fill in. ready: nothing is missing on this machine. assurance:
    what it can be at most; its `facts` say what it is, once it is open. detail: what was found, or what to do.
    """

    address: str
    ready: bool
    assurance: Enforcement
    detail: str


def root_offers() -> tuple[RootOffer, ...]:
    """Every kind, strongest first; those that are not ready say what is missing."""
    return (_tpm2(), *_pkcs11(), _keyring(), _passphrase())


def best_root() -> RootOffer:
    """The strongest that is ready as it is: a token needs its PIN and its name first, so it is not chosen by itself."""
    return next(offer for offer in root_offers() if offer.ready)


def _tpm2() -> RootOffer:
    missing = []
    if not _TPM.exists():
        missing.append(f"there is no {_TPM} (switch the TPM on in the firmware)")
    elif not os.access(_TPM, os.R_OK | os.W_OK):
        missing.append(f"this user may not use {_TPM} (add it to the group tss, log in again)")
    if importlib.util.find_spec("tpm2_pytss") is None:
        missing.append("the package tpm2-pytss is not installed")
    detail = "; ".join(missing) or f"{_TPM}: deletion, limits and evidence are enforced by the chip"
    return RootOffer(address=f"tpm2:device:{_TPM}", ready=not missing, assurance=Enforcement.HARDWARE, detail=detail)


def _pkcs11() -> list[RootOffer]:
    """A library that is there says nothing of a token that is plugged in: never ready by itself."""
    found = []
    for module in _MODULES:
        if module.exists():
            software = "softhsm" in module.name
            found.append(
                RootOffer(
                    address=f"pkcs11:token=LABEL?module-path={module}&pin-source=FILE",
                    ready=False,
                    assurance=Enforcement.PLATFORM if software else Enforcement.HARDWARE,
                    detail="a token in software, for tests" if software else "put in the token, and name it",
                )
            )
    return sorted(found, key=lambda offer: offer.assurance is not Enforcement.HARDWARE)


def _keyring() -> RootOffer:
    try:
        detail, ready = f"{type(chosen_backend(None)).__module__}, while it is unlocked", True
    except RootUnavailable as error:
        detail, ready = error.message, False
    return RootOffer(address="keyring:", ready=ready, assurance=Enforcement.PLATFORM, detail=detail)


def _passphrase() -> RootOffer:
    detail = "a file under a passphrase: whoever copies it may guess for ever, deletion is not enforced"
    return RootOffer(address="passphrase:FILE", ready=True, assurance=Enforcement.ADVISORY, detail=detail)
