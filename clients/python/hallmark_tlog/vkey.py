"""Verifier keys (signed-note, "Verifier keys").

One line: `<name>+<key ID, 8 hex digits>+<base64 of the type byte and the public key>`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from hashlib import sha256

from hallmark_tlog.canonical import check_key_name, decode_base64, encode_base64
from hallmark_tlog.errors import FormatError, KeyIdMismatch

MAX_VKEY_CHARACTERS = 16_384
MAX_COSIGNER_NAME_BYTES = 255
"""tlog-cosignature: the name is behind a length byte in what an ML-DSA-44 key signs."""

_HEX_KEY_ID = re.compile(r"[0-9a-f]{8}")


class KeyType(IntEnum):
    """Signature types of the signed-note registry that have a rule of their own here."""

    ED25519 = 0x01
    ECDSA = 0x02
    """Known for its key ID only; signatures are not verified."""
    ED25519_COSIGNATURE = 0x04
    RFC6962_TREE_HEAD = 0x05
    """Known for its key ID only; signatures are not verified."""
    ML_DSA_44 = 0x06


_PUBLIC_KEY_SIZES: dict[int, int] = {KeyType.ED25519: 32, KeyType.ED25519_COSIGNATURE: 32, KeyType.ML_DSA_44: 1312}


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """`type` is the signature type byte: a KeyType, or any other value, whose signatures nobody here can verify.

    `public_key` is raw for Ed25519 (32 bytes) and ML-DSA-44 (1312 bytes), SPKI DER for 0x02 and 0x05.
    """

    name: str
    type: int
    public_key: bytes

    def __post_init__(self) -> None:
        check_key_name(self.name)
        if not 0 <= self.type <= 0xFF:
            raise FormatError(f"signature type {self.type} is not a byte")
        if self.type == KeyType.ML_DSA_44 and len(self.name.encode()) > MAX_COSIGNER_NAME_BYTES:
            raise FormatError(f"the name of an ML-DSA-44 key is at most {MAX_COSIGNER_NAME_BYTES} bytes")
        expected = _PUBLIC_KEY_SIZES.get(self.type)
        if not self.public_key or (expected is not None and len(self.public_key) != expected):
            raise FormatError(f"a public key of type {self.type:#04x} cannot have {len(self.public_key)} bytes")

    @property
    def key_id(self) -> bytes:
        """4 bytes. Identifies the key in a note together with its name; it is not a strong hash."""
        return _key_id(self)

    @property
    def verifiable(self) -> bool:
        """Whether signatures of this type can be verified here."""
        return self.type in _PUBLIC_KEY_SIZES

    def __str__(self) -> str:
        """The vkey line, without newline."""
        return f"{self.name}+{self.key_id.hex()}+{encode_base64(bytes([self.type]) + self.public_key)}"


def parse_vkey(text: str) -> VerifierKey:
    """Parse one vkey, without newline. Raises FormatError, and KeyIdMismatch when the key ID is not the key's own."""
    if len(text) > MAX_VKEY_CHARACTERS:
        raise FormatError(f"a vkey is longer than {MAX_VKEY_CHARACTERS} characters")
    parts = text.split("+", 2)  # base64 has plus signs of its own
    if len(parts) != 3:
        raise FormatError("a vkey has three parts joined by plus signs: name, key ID, key")
    name, key_id, encoded = parts
    if not _HEX_KEY_ID.fullmatch(key_id):
        raise FormatError("the key ID of a vkey is not 8 lowercase hex digits")
    material = decode_base64(encoded, what="the key of a vkey")
    if not material:
        raise FormatError("the key of a vkey is empty")
    key = VerifierKey(name=name, type=material[0], public_key=material[1:])
    if key.key_id.hex() != key_id:
        raise KeyIdMismatch(f"vkey {name} says key ID {key_id}, its key has {key.key_id.hex()}")
    return key


@lru_cache(maxsize=1024)
def _key_id(key: VerifierKey) -> bytes:
    return _KEY_ID_RULES.get(key.type, _named_key_id)(key)


def _named_key_id(key: VerifierKey) -> bytes:
    # signed-note: SHA-256(key name || 0x0A || signature type || public key)[:4]
    return sha256(key.name.encode() + b"\n" + bytes([key.type]) + key.public_key).digest()[:4]


def _ecdsa_key_id(key: VerifierKey) -> bytes:
    # signed-note, type 0x02: SHA-256 of the SPKI alone. The name does not enter.
    return sha256(key.public_key).digest()[:4]


def _rfc6962_key_id(key: VerifierKey) -> bytes:
    # static-ct-api: the key material in the hash is the RFC 6962 log ID, itself SHA-256 of the SPKI.
    log_id = sha256(key.public_key).digest()
    return sha256(key.name.encode() + b"\n" + bytes([key.type]) + log_id).digest()[:4]


_KEY_ID_RULES: dict[int, Callable[[VerifierKey], bytes]] = {
    KeyType.ECDSA: _ecdsa_key_id,
    KeyType.RFC6962_TREE_HEAD: _rfc6962_key_id,
}
