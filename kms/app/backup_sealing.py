"""Files of a backup, sealed to the recovery key whose private half is kept offline (`hallmark hsm recovery-key`).

A line "hallmark-sealed-v1", then envelope || chunks
envelope   2-byte big-endian length, HPKE envelope of a fresh AES-256 key; its info is SHA-256(line || id of the backup
           (16 bytes) || name of the file), so that no file stands for another one, or for that of another backup
chunks     AES-256-GCM of 1 MiB each, nonce = 11-byte big-endian counter || 1 for the last, else 0
           (STREAM, eprint.iacr.org/2015/189: a cut, repeated or moved chunk does not open)

Sealing is not signing: whoever has the public half can make a backup. The SHA-256 of its manifest, noted when it was
made, tells.
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hallmark_envelope import EnvelopeError, EnvelopePrivateKey, HpkeKem, seal_envelope

ID_BYTES: Final = 16
_MAGIC: Final = b"hallmark-sealed-v1\n"
_CHUNK_BYTES: Final = 1 << 20
_TAG_BYTES: Final = 16
_KEY_BYTES: Final = 32


class SealBroken(Exception):
    """Not a sealed file of this backup, for another recovery key, or changed; the text says which file."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """The public recovery key."""

    kem: HpkeKem
    public_key: bytes


def seal_file(
    source: Path,
    target: Path,
    recipient: Recipient,
    backup_id: bytes,
    *,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> None:
    """Writes `target`, which is not there yet, mode 0600, durable."""
    key = random_bytes(_KEY_BYTES)
    envelope = seal_envelope(recipient.public_key, recipient.kem, key, info=_info(backup_id, target.name))
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out, source.open("rb") as content:
        out.write(_MAGIC + len(envelope).to_bytes(2, "big") + envelope)
        _seal_chunks(content, out, AESGCM(key))
        out.flush()
        os.fsync(out.fileno())


def open_file(source: Path, target: Path, key: EnvelopePrivateKey, backup_id: bytes) -> None:
    """Writes `target`, which is not there yet, mode 0600. Raises SealBroken: then what was written means nothing."""
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with source.open("rb") as content, os.fdopen(descriptor, "wb") as out:
        if content.read(len(_MAGIC)) != _MAGIC:
            raise SealBroken(f"{source.name} is not a sealed file")
        envelope = content.read(int.from_bytes(content.read(2), "big"))
        try:
            opened = key.open(envelope, info=_info(backup_id, source.name))
            _open_chunks(content, out, AESGCM(opened))
        except (EnvelopeError, ValueError, InvalidTag):
            raise SealBroken(
                f"{source.name} is sealed to another recovery key, belongs to another backup, or was changed"
            ) from None
        out.flush()
        os.fsync(out.fileno())


def _seal_chunks(content: BinaryIO, out: BinaryIO, sealer: AESGCM) -> None:
    number, chunk = 0, content.read(_CHUNK_BYTES)
    while True:
        following = content.read(_CHUNK_BYTES)
        out.write(sealer.encrypt(_nonce(number, last=not following), chunk, None))
        if not following:
            return
        number, chunk = number + 1, following


def _open_chunks(content: BinaryIO, out: BinaryIO, opener: AESGCM) -> None:
    number, chunk = 0, content.read(_CHUNK_BYTES + _TAG_BYTES)
    while True:
        following = content.read(_CHUNK_BYTES + _TAG_BYTES)
        out.write(opener.decrypt(_nonce(number, last=not following), chunk, None))
        if not following:
            return
        number, chunk = number + 1, following


def _info(backup_id: bytes, name: str) -> bytes:
    return hashlib.sha256(_MAGIC + backup_id + name.encode()).digest()


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])
