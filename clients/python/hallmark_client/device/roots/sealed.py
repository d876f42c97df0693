"""What roots of trust have in common: the sealed blob of those that encrypt with AES-256-GCM, and the port's limits.

A blob: one byte 1 (the version), a random 96-bit nonce, AES-256-GCM of the secret, its 16-byte tag (NIST SP 800-38D):
30 to 285 bytes. Associated data: canonical JSON of {"epoch", "format", "label" (base64), "root"}.
"""

import re
from collections.abc import Callable, Container
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hallmark_client.device.errors import RootLost
from hallmark_events.canonical import canonical_json, encode_base64

from .port import Limits, RootPower

SECRET_MAX: Final = 256
LABEL_MAX: Final = 64
KEY_SIZE: Final = 32
NONCE_SIZE: Final = 12
TAG_SIZE: Final = 16
VERSION: Final = b"\x01"

_FORMAT: Final = "hallmark-root-seal-v1"
_NAME: Final = re.compile("[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
_EVIDENCE_NONCES: Final = range(16, 65)
_HEADER_SIZE: Final = len(VERSION) + NONCE_SIZE


def check_sealing(
    secret: bytes | bytearray, *, label: bytes, limits: Limits | None, powers: Container[RootPower]
) -> None:
    """Raises ValueError for what `RootOfTrust.seal` does not take. powers: those of `facts.powers`."""
    if not 1 <= len(secret) <= SECRET_MAX:
        raise ValueError(f"a secret has 1 to {SECRET_MAX} bytes, not {len(secret)}")
    check_label(label)
    wanted = limits or Limits()
    for value, power in ((wanted.max_uses, RootPower.MAX_USES), (wanted.not_after_seconds, RootPower.NOT_AFTER)):
        if value is not None and power not in powers:
            raise ValueError(f"this root of trust can not enforce {power.value}: see facts.powers")
        if value is not None and value < 1:
            raise ValueError(f"{power.value} counts from 1, not {value}")


def check_label(label: bytes) -> None:
    if not 1 <= len(label) <= LABEL_MAX:
        raise ValueError(f"a label has 1 to {LABEL_MAX} bytes, not {len(label)}")


def check_present_or_next(epoch: int, *, present: int) -> None:
    """What may be sealed for, and advanced to."""
    if epoch not in (present, present + 1):
        raise ValueError(f"the epoch is {present}: {epoch} is neither it nor the next")


def check_nonce(nonce: bytes) -> None:
    if len(nonce) not in _EVIDENCE_NONCES:
        raise ValueError(f"a nonce has 16 to 64 bytes, not {len(nonce)}")


def associated_data(*, root: str, epoch: int, label: bytes) -> bytes:
    return canonical_json({"epoch": epoch, "format": _FORMAT, "label": encode_base64(label), "root": root})


def seal(key: bytearray, secret: bytes | bytearray, *, aad: bytes, random_bytes: Callable[[int], bytes]) -> bytes:
    """A blob under a 32-byte key."""
    nonce = random_bytes(NONCE_SIZE)
    return VERSION + nonce + AESGCM(key).encrypt(nonce, secret, aad)


def open_sealed(key: bytearray, blob: bytes, *, aad: bytes) -> bytearray:
    """The secret, which is the caller's to wipe. Raises RootLost."""
    nonce, ciphertext = split(blob)
    secret = bytearray(len(ciphertext) - TAG_SIZE)
    try:
        AESGCM(key).decrypt_into(nonce, ciphertext, aad, secret)
    except InvalidTag:
        raise not_sealed_here() from None
    return secret


def split(blob: bytes) -> tuple[bytes, bytes]:
    """(nonce, ciphertext with tag). Raises RootLost for what can not be a blob."""
    size = len(blob) - _HEADER_SIZE - TAG_SIZE
    if not 1 <= size <= SECRET_MAX or blob[: len(VERSION)] != VERSION:
        raise not_sealed_here()
    return blob[len(VERSION) : _HEADER_SIZE], blob[_HEADER_SIZE:]


def not_sealed_here() -> RootLost:
    """Which of the reasons it is can not be told from outside."""
    return RootLost(
        "ROOT_LOST",
        "this was not sealed by this root of trust with this epoch and label, or the epoch has passed: what it "
        "protected can not be read any more",
    )


def epoch_is_not(epoch: int, *, present: int) -> RootLost:
    if epoch > present:
        return RootLost("ROOT_LOST", f"the root of trust is in epoch {present}: epoch {epoch} has not come")
    return RootLost("ROOT_LOST", f"epoch {epoch} has passed, the root of trust is in {present}: its key was destroyed")


def check_name(name: str) -> None:
    """Of a root among others in the same keyring or token."""
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"a root's name is 1 to 64 of a-z, 0-9, dot, dash and underline, first a letter or digit: {name!r}"
        )


def wipe(secret: bytearray) -> None:
    """Overwrites; a copy that the interpreter or a library made before is out of reach."""
    secret[:] = bytes(len(secret))
