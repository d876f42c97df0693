"""Every key provider the contract suites run on, by name, and what each of them can."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

import softhsm
from hsm.pkcs11.provider import Pkcs11KeyProvider
from hsm.testing import FakeKeyProvider
from tokens import nss, opencryptoki


@dataclass(frozen=True, slots=True)
class Traits:
    native: bool
    """New ML-DSA keys live in the token; otherwise they are sealed."""
    ed25519: bool = True


TRAITS: Final = {
    "memory": Traits(native=False),
    "memory, native": Traits(native=True),
    "softhsm": Traits(native=False),
    "softhsm, cached seeds": Traits(native=False),
    "nss": Traits(native=True, ed25519=False),
    "opencryptoki": Traits(native=True),
}


def make(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Pkcs11KeyProvider | FakeKeyProvider:
    """Not started. Skips the test where the token is not installed."""
    match name:
        case "memory" | "memory, native":
            return FakeKeyProvider(native=TRAITS[name].native)
        case "softhsm":
            return Pkcs11KeyProvider(softhsm.settings(folder))
        case "softhsm, cached seeds":
            return Pkcs11KeyProvider(softhsm.settings(folder, seed_cache_seconds=30.0))
        case "nss":
            return Pkcs11KeyProvider(nss.settings(folder, monkeypatch))
        case "opencryptoki":
            return Pkcs11KeyProvider(opencryptoki.settings(folder))
    raise AssertionError(name)
