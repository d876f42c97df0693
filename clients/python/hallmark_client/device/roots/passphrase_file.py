"""The file of a passphrase root: which keys it holds, and what guards them.

Canonical JSON: {"epoch", "format", "kdf": {"iterations", "lanes", "memory_kib", "name", "salt"}, "keys", "root"}. keys:
a 96-bit nonce and AES-256-GCM of one or two keys of 32 bytes (of this epoch, and of the next once something was sealed
for it), under the 32 bytes that Argon2id (RFC 9106) makes of the passphrase; associated data: the same JSON without
"keys", so that nobody edits the epoch unnoticed.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from hallmark_client.device.errors import RootLost, RootUnavailable
from hallmark_events.canonical import canonical_json, encode_base64, parse_base64, parse_canonical, parse_hex

from .sealed import KEY_SIZE, NONCE_SIZE, TAG_SIZE

FILE_MAX: Final = 4096
ROOT_SIZE: Final = 16
SALT_SIZE: Final = 16

_FORMAT: Final = "hallmark-passphrase-root-v1"
_KEYS_SIZES: Final = (NONCE_SIZE + KEY_SIZE + TAG_SIZE, NONCE_SIZE + 2 * KEY_SIZE + TAG_SIZE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Argon2Cost:
    """Defaults: the second recommended option of RFC 9106, section 4. What a file may ask for is bounded: a foreign one
    neither weakens the guard nor eats the machine.
    """

    iterations: int = 3
    lanes: int = 4
    memory_kib: int = 64 * 1024

    def __post_init__(self) -> None:
        memory = 64 * 1024 <= self.memory_kib <= 2 * 1024 * 1024
        if not (3 <= self.iterations <= 64 and 1 <= self.lanes <= 16 and memory):
            raise ValueError("Argon2id: 3 to 64 iterations, 1 to 16 lanes, 64 MiB to 2 GiB of memory")


@dataclass(frozen=True, slots=True, kw_only=True)
class PassphraseFile:
    """root: 32 hex digits. salt: 16 bytes. keys: encrypted, 60 or 92 bytes."""

    root: str
    epoch: int
    cost: Argon2Cost
    salt: bytes
    keys: bytes = b""

    def to_bytes(self) -> bytes:
        return canonical_json({**self._bound(), "keys": encode_base64(self.keys)})

    def unlocked(self, guard: bytearray) -> bytearray:
        """One or two keys of 32 bytes. Raises RootUnavailable: not what this guard encrypted."""
        keys = bytearray(len(self.keys) - NONCE_SIZE - TAG_SIZE)
        try:
            AESGCM(guard).decrypt_into(self.keys[:NONCE_SIZE], self.keys[NONCE_SIZE:], self._aad(), keys)
        except InvalidTag:
            raise RootUnavailable(
                "ROOT_UNAVAILABLE", "the passphrase is wrong, or its file was changed: try again, or restore the file"
            ) from None
        return keys

    def locked(self, keys: bytearray, guard: bytearray, random_bytes: Callable[[int], bytes]) -> "PassphraseFile":
        """With these keys instead."""
        nonce = random_bytes(NONCE_SIZE)
        return replace(self, keys=nonce + AESGCM(guard).encrypt(nonce, keys, self._aad()))

    def guard(self, passphrase: bytes | bytearray) -> bytearray:
        """What Argon2id makes of the passphrase: 32 bytes."""
        cost, guard = self.cost, bytearray(KEY_SIZE)
        Argon2id(
            salt=self.salt, length=KEY_SIZE, iterations=cost.iterations, lanes=cost.lanes, memory_cost=cost.memory_kib
        ).derive_into(passphrase, guard)  # type: ignore[arg-type]  # takes any buffer, its stubs say bytes
        return guard

    def _bound(self) -> dict[str, Any]:
        kdf = {
            "iterations": self.cost.iterations,
            "lanes": self.cost.lanes,
            "memory_kib": self.cost.memory_kib,
            "name": "argon2id",
            "salt": encode_base64(self.salt),
        }
        return {"epoch": self.epoch, "format": _FORMAT, "kdf": kdf, "root": self.root}

    def _aad(self) -> bytes:
        return canonical_json(self._bound())


def parse_file(data: bytes) -> PassphraseFile:
    """Raises RootLost for whatever is not such a file."""
    value = parse_canonical(data, what="the file", max_bytes=FILE_MAX, refuse=_damaged)
    try:
        kdf = value["kdf"]
        numbers = [value["epoch"], kdf["iterations"], kdf["lanes"], kdf["memory_kib"]]
        if not all(type(number) is int and number > 0 for number in numbers):
            raise _damaged("a number is not one")
        file = PassphraseFile(
            root=parse_hex(value["root"], ROOT_SIZE, what="root", refuse=_damaged).hex(),
            epoch=value["epoch"],
            cost=Argon2Cost(iterations=kdf["iterations"], lanes=kdf["lanes"], memory_kib=kdf["memory_kib"]),
            salt=parse_base64(kdf["salt"], what="salt", refuse=_damaged),
            keys=parse_base64(value["keys"], what="keys", refuse=_damaged),
        )
    except (LookupError, TypeError, ValueError) as error:
        raise _damaged(f"{type(error).__name__}: {error}") from None
    if file.to_bytes() != data or len(file.salt) != SALT_SIZE or len(file.keys) not in _KEYS_SIZES:
        raise _damaged("it has other fields or sizes than this version writes")
    return file


def _damaged(why: str) -> RootLost:
    return RootLost("ROOT_LOST", f"this is not a file of a passphrase root ({why}): put it back from a backup")
