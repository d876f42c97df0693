"""Settings of the PKCS#11 provider, and where the library is found."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hsm.errors import ModuleNotFound, SetupError

SOFTHSM_PLACES: Final = (
    Path("/usr/lib/softhsm/libsofthsm2.so"),  # Debian, Ubuntu
    Path("/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"),
    Path("/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so"),
    Path("/usr/lib64/pkcs11/libsofthsm2.so"),  # Fedora, RHEL
    Path("/usr/lib64/softhsm/libsofthsm.so"),
    Path("/usr/lib/pkcs11/libsofthsm2.so"),
    Path("/opt/homebrew/lib/softhsm/libsofthsm2.so"),  # Homebrew, Apple silicon
    Path("/usr/local/lib/softhsm/libsofthsm2.so"),  # Homebrew, Intel; built from source
)
_HOW_TO_INSTALL: Final = (
    "Install SoftHSM (apt: `apt install softhsm2`, dnf: `dnf install softhsm`, brew: `brew install softhsm`), "
    "or give the path of your HSM's PKCS#11 library"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pkcs11Settings:
    """Where the token is and how it is driven. Only `data_folder` is needed for SoftHSM on one machine."""

    data_folder: Path
    """Holds what set-up makes: SoftHSM's configuration and tokens, PIN files (0600), the token's record."""
    module: Path | None = None
    """The PKCS#11 library; None: SoftHSM where packages install it."""
    pin_file: Path | None = None
    pin_env: str | None = None
    """Name of an environment variable with the PIN. Without either, set-up makes a random PIN in `data_folder`."""
    token_label: str = "hallmark"  # noqa: S105 - a name
    token_serial: str | None = None
    """Finds the token before the label does; never a slot number, which may change."""
    workers: int | None = None
    """Signer processes; None: one per core this process may use."""
    call_timeout_seconds: float = 10.0
    """A call that takes longer fails with HsmTimeout; a signer process that answers nothing that long is replaced."""
    start_timeout_seconds: float = 30.0
    queue_limit: int = 1024
    """Signatures waiting per signer process before calls are refused with HsmBusy."""
    circuit_failures: int = 5
    """Calls in a row that the token leaves unanswered before further ones are refused (hsm/breaker.py)."""
    circuit_pause_seconds: float = 0.5
    """Until the first probe of an open circuit; doubles up to ten times that."""
    engine: str | None = None
    """Signs with this post-quantum engine; None: the fastest that passes its self-test."""
    native: bool = True
    """New ML-DSA keys live inside the token where it signs with them (PKCS#11 v3.2); False: always sealed."""
    seed_cache_seconds: float = 0.0
    """How long an opened ML-DSA seed may stay in a signer process. 0: only during the call (or batch) that needs it.

    A cache saves the token's AES-GCM call and the key expansion, about a fifth of a signature's CPU with the fastest
    engines; it also means that a memory read of the signer process yields the seeds of all keys in recent use.
    """

    def __post_init__(self) -> None:
        if self.pin_file is not None and self.pin_env is not None:
            raise SetupError("give the PIN by file or by environment variable, not both")
        if self.worker_count < 1 or self.queue_limit < 1 or self.call_timeout_seconds <= 0:
            raise SetupError("workers, queue_limit and call_timeout_seconds are at least 1, 1 and more than 0")

    @property
    def worker_count(self) -> int:
        if self.workers is not None:
            return self.workers
        affinity = getattr(os, "sched_getaffinity", None)
        return len(affinity(0)) if affinity is not None else os.cpu_count() or 1

    @property
    def effective_pin_file(self) -> Path | None:
        """None when the PIN comes from the environment."""
        if self.pin_env is not None:
            return None
        return self.pin_file if self.pin_file is not None else self.data_folder / "token-pin"

    @property
    def softhsm_configuration(self) -> Path:
        return self.data_folder / "softhsm2.conf"


def resolve_module(module: Path | None) -> Path:
    """The library's absolute path. Raises ModuleNotFound with the commands that install one."""
    if module is not None:
        if module.is_file():
            return module.absolute()
        raise ModuleNotFound(f"there is no PKCS#11 library at {module}. {_HOW_TO_INSTALL}.")
    for place in SOFTHSM_PLACES:
        if place.is_file():
            return place
    raise ModuleNotFound(f"no PKCS#11 library was found. {_HOW_TO_INSTALL}.")


def is_softhsm(module: Path) -> bool:
    """SoftHSM is the only token that set-up may create; any other is the operator's."""
    return "softhsm" in module.name.lower()
