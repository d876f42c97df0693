"""A root of trust under a passphrase: Argon2id (RFC 9106) and one small file. For devices that have nothing better."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from hallmark_client.device.errors import RootLost, RootUnavailable
from hallmark_client.device.model import Enforcement
from hallmark_client.system import System

from . import sealed
from .passphrase_file import FILE_MAX, ROOT_SIZE, SALT_SIZE, Argon2Cost, PassphraseFile, parse_file
from .port import RootFacts
from .software import SoftwareRoot
from .state_file import StateFile

PASSPHRASE_MIN: Final = 15
"""Characters, of a new file (NIST SP 800-63B-4, section 3.1.1.2: a password that is the only factor)."""
PASSPHRASE_MAX_BYTES: Final = 1024

Passphrase = Callable[[], bytes | bytearray]
"""UTF-8. A bytearray is wiped after use."""

_CAVEATS: Final = (
    "Whoever has a copy of the file and guesses the passphrase has every key: nothing limits the guesses.",
    "An old copy of the file, with an old copy of the vault's folder, still opens: deletion can not be enforced.",
    "While it is open, whoever can read the memory of this process has its keys.",
)
_CHARACTER_START: Final = 0xC0


class PassphraseKeys:
    """`EpochKeys` in the file. It is read at every call: another process may have gone on."""

    def __init__(self, state: StateFile, opened: PassphraseFile, guard: bytearray, system: System) -> None:
        self._state = state
        self._opened = opened
        self._guard = guard
        self._seen = opened.epoch
        self._random_bytes = system.random_bytes

    @property
    def root(self) -> str:
        return self._opened.root

    def epoch(self) -> int:
        file, keys = self._read()
        sealed.wipe(keys)
        return file.epoch

    def key(self, epoch: int) -> bytearray:
        with self._state.locked():
            file, keys = self._read()
            if len(keys) == sealed.KEY_SIZE and epoch == file.epoch + 1:
                keys += self._random_bytes(sealed.KEY_SIZE)
                self._write(file, keys)
        start = (epoch - file.epoch) * sealed.KEY_SIZE
        wanted = keys[start : start + sealed.KEY_SIZE] if start >= 0 else bytearray()
        sealed.wipe(keys)
        if not wanted:
            raise sealed.epoch_is_not(epoch, present=file.epoch)
        return wanted

    def advance(self, to: int) -> None:
        with self._state.locked():
            file, keys = self._read()
            following = keys[sealed.KEY_SIZE :] or bytearray(self._random_bytes(sealed.KEY_SIZE))
            sealed.wipe(keys)
            if file.epoch == to - 1:
                self._write(replace(file, epoch=to), following)
                self._seen = to
            sealed.wipe(following)

    def close(self) -> None:
        sealed.wipe(self._guard)

    def _write(self, file: PassphraseFile, keys: bytearray) -> None:
        self._state.write(file.locked(keys, self._guard, self._random_bytes).to_bytes())

    def _read(self) -> tuple[PassphraseFile, bytearray]:
        data = self._state.read()
        if data is None:
            raise RootLost("ROOT_LOST", "the file of this passphrase root is gone: put it back from a backup")
        file = parse_file(data)
        if file.root != self._opened.root or file.epoch < self._seen:
            raise RootLost("ROOT_LOST", "another or an older file was put in the place of this passphrase root's")
        keys = file.unlocked(self._guard)
        self._seen = file.epoch
        return file, keys


def open_passphrase_root(
    path: Path, passphrase: Passphrase, *, cost: Argon2Cost | None = None, system: System | None = None
) -> SoftwareRoot:
    """Makes the file (mode 0600) and its folder (0700) where there is none; cost is for that. Asks for the passphrase
    once.

    Raises RootUnavailable: wrong passphrase (found out at the full price of Argon2id), one that is too short for a
    new file, a disk that refuses; RootLost: what is there is not such a file.
    """
    system = system or System()
    state = StateFile(path, max_bytes=FILE_MAX)
    state.make_folder()
    with state.locked():
        data = state.read()
        if data is None:
            root, salt = system.random_bytes(ROOT_SIZE).hex(), system.random_bytes(SALT_SIZE)
            file = PassphraseFile(root=root, epoch=1, cost=cost or Argon2Cost(), salt=salt)
            guard = _guard(file, passphrase, at_least=PASSPHRASE_MIN)
            file = _first(file, guard, system)
            state.write(file.to_bytes())
        else:
            file = parse_file(data)
            guard = _guard(file, passphrase, at_least=1)
            sealed.wipe(file.unlocked(guard))
    return SoftwareRoot(PassphraseKeys(state, file, guard, system), _facts(path, file.cost), system=system)


def _guard(file: PassphraseFile, passphrase: Passphrase, *, at_least: int) -> bytearray:
    given = passphrase()
    try:
        characters = sum(byte & _CHARACTER_START != 0x80 for byte in given)  # UTF-8: all but the bytes that continue
        if characters < at_least or len(given) > PASSPHRASE_MAX_BYTES:
            raise RootUnavailable(
                "ROOT_UNAVAILABLE",
                f"a passphrase has at least {at_least} characters and at most {PASSPHRASE_MAX_BYTES} bytes: choose "
                "several random words",
            )
        return file.guard(given)
    finally:
        if isinstance(given, bytearray):
            sealed.wipe(given)


def _first(file: PassphraseFile, guard: bytearray, system: System) -> PassphraseFile:
    keys = bytearray(system.random_bytes(sealed.KEY_SIZE))
    try:
        return file.locked(keys, guard, system.random_bytes)
    finally:
        sealed.wipe(keys)


def _facts(path: Path, cost: Argon2Cost) -> RootFacts:
    price = f"{cost.iterations} iterations, {cost.lanes} lanes, {cost.memory_kib // 1024} MiB"
    return RootFacts(
        name="passphrase",
        assurance=Enforcement.ADVISORY,
        powers=MappingProxyType({}),
        detail=f"{path}, Argon2id with {price}",
        caveats=_CAVEATS,
    )
