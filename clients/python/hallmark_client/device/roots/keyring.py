"""A root of trust in the keyring of the operating system: Secret Service, KWallet, Keychain, Credential Locker.

An entry for each epoch's key, and one that says which epoch it is and who this root is; service name "hallmark-vault":

    NAME/head       canonical JSON {"epoch", "root" (32 hex digits)}
    NAME/epoch-7    base64 of 32 bytes

`advance` writes the next key, then the head, then takes the old entry away: a crash leaves one epoch or the other, and
an entry that was left over is taken away when the root is opened again.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from hallmark_client.device.errors import DeviceError, RootLost, RootUnavailable
from hallmark_client.device.model import Enforcement
from hallmark_client.system import System
from hallmark_events.canonical import canonical_json, encode_base64, parse_base64, parse_canonical, parse_hex

from . import sealed
from .keyring_choice import chosen_backend
from .port import RootFacts
from .software import SoftwareRoot
from .state_file import locked

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

SERVICE: Final = "hallmark-vault"

_HEAD_MAX: Final = 256
_ROOT_SIZE: Final = 16
_CAVEATS: Final = (
    "Any program of the same user can ask the keyring for the keys while it is unlocked; root can always.",
    "A backup of the keyring from before still has the old keys: deletion is enforced against nobody who has one.",
    "The keyring hands keys out as text, which Python can not wipe from memory.",
)


class Head(NamedTuple):
    root: str
    epoch: int


class KeyringKeys:
    """`EpochKeys` as entries of a keyring."""

    def __init__(self, backend: "KeyringBackend", name: str, lock: Path, random_bytes: Callable[[int], bytes]) -> None:
        self._backend = backend
        self._name = name
        self._lock = lock
        self._random_bytes = random_bytes
        with locked(lock):
            self._opened = self._seen = self._begin()

    @property
    def root(self) -> str:
        return self._opened.root

    def epoch(self) -> int:
        head = self._head()
        if head is None:
            raise RootLost("ROOT_LOST", f"the entry {self._name}/head is gone from the keyring, and its keys with it")
        if head.root != self.root or head.epoch < self._seen.epoch:
            raise RootLost(
                "ROOT_LOST", f"the entry {self._name}/head of the keyring was replaced by another or older one"
            )
        self._seen = head
        return head.epoch

    def key(self, epoch: int) -> bytearray:
        with locked(self._lock):
            present = self.epoch()
            if epoch == present + 1:
                return self._key_made(epoch)
            found = self._key(epoch)
        if found is None:
            raise sealed.epoch_is_not(epoch, present=present) if epoch != present else _no_key(self._name, epoch)
        return found

    def advance(self, to: int) -> None:
        with locked(self._lock):
            if self.epoch() >= to:
                return
            sealed.wipe(self._key_made(to))
            self._write("head", _head_text(Head(self.root, to)))
            self._seen = Head(self.root, to)
            self._remove(to - 1)

    def close(self) -> None:
        """Nothing is held."""

    def _begin(self) -> Head:
        """What is there, tidied; or a new root."""
        head = self._head()
        if head is None:
            head = Head(self._random_bytes(_ROOT_SIZE).hex(), 1)
            sealed.wipe(self._key_made(head.epoch))
            self._write("head", _head_text(head))
        elif head.epoch > 1:
            self._remove(head.epoch - 1)
        return head

    def _head(self) -> Head | None:
        text = self._read("head")
        if text is None:
            return None
        value = parse_canonical(text.encode(errors="replace"), what="NAME/head", max_bytes=_HEAD_MAX, refuse=_damaged)
        epoch, root = value.get("epoch"), value.get("root")
        if set(value) != {"epoch", "root"} or type(epoch) is not int or epoch < 1:
            raise _damaged("NAME/head has other fields than this version writes")
        return Head(parse_hex(root, _ROOT_SIZE, what="root", refuse=_damaged).hex(), epoch)

    def _key(self, epoch: int) -> bytearray | None:
        text = self._read(f"epoch-{epoch}")
        if text is None:
            return None
        key = bytearray(parse_base64(text, what="a key", refuse=_damaged))
        if len(key) != sealed.KEY_SIZE:
            raise _damaged("a key has another size")
        return key

    def _key_made(self, epoch: int) -> bytearray:
        """The one that is there, or a new one, read back: a keyring that forgets must show it now."""
        key = self._key(epoch)
        if key is None:
            self._write(f"epoch-{epoch}", encode_base64(self._random_bytes(sealed.KEY_SIZE)))
            key = self._key(epoch)
        if key is None:
            raise RootUnavailable(
                "ROOT_UNAVAILABLE", "the keyring does not keep what is written to it: use another root"
            )
        return key

    def _read(self, entry: str) -> str | None:
        with _asking():
            return self._backend.get_password(SERVICE, f"{self._name}/{entry}")

    def _write(self, entry: str, text: str) -> None:
        with _asking():
            self._backend.set_password(SERVICE, f"{self._name}/{entry}", text)

    def _remove(self, epoch: int) -> None:
        entry = f"epoch-{epoch}"
        if self._read(entry) is not None:
            with _asking():
                self._backend.delete_password(SERVICE, f"{self._name}/{entry}")


def open_keyring_root(
    name: str = "default",
    *,
    backend: "KeyringBackend | None" = None,
    lock_folder: Path | None = None,
    system: System | None = None,
) -> SoftwareRoot:
    """Made where there is none. name: one for each vault of this user. backend: the system's when None.

    Fails closed: RootUnavailable where no keyring of the operating system is there, where it is locked, or where it is
    one that keeps secrets readable.
    """
    sealed.check_name(name)
    system = system or System()
    chosen = chosen_backend(backend)
    keys = KeyringKeys(chosen, name, _lock_path(lock_folder, name), system.random_bytes)
    facts = RootFacts(
        name="keyring",
        assurance=Enforcement.PLATFORM,
        powers=MappingProxyType({}),
        detail=f"{type(chosen).__module__}, entries {SERVICE} {name}/...",
        caveats=_CAVEATS,
    )
    return SoftwareRoot(keys, facts, system=system)


def _lock_path(folder: Path | None, name: str) -> Path:
    """In the user's folder for state (XDG Base Directory Specification): keyrings have no locks of their own."""
    folder = folder or Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "hallmark"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise RootUnavailable("ROOT_UNAVAILABLE", f"the folder {folder} can not be made: {error.strerror}") from None
    return folder / f"keyring-{name}.lock"


@contextmanager
def _asking() -> Iterator[None]:
    """Whatever a backend raises (of keyring, of D-Bus, of the system) means: not reachable. Its text may quote what it
    was given, so only its type is told.
    """
    try:
        yield
    except DeviceError:
        raise
    except Exception as error:
        raise RootUnavailable(
            "ROOT_UNAVAILABLE",
            f"the keyring does not answer ({type(error).__name__}): unlock it (log in to the desktop), then try again",
        ) from None


def _head_text(head: Head) -> str:
    return canonical_json({"epoch": head.epoch, "root": head.root}).decode()


def _no_key(name: str, epoch: int) -> RootLost:
    return RootLost("ROOT_LOST", f"the entry {name}/epoch-{epoch} is gone from the keyring: what it protected is lost")


def _damaged(why: str) -> RootLost:
    return RootLost("ROOT_LOST", f"the keyring holds something else than this root wrote ({why})")
