"""Where one private half of a key lives: in the token, or sealed for it."""

import enum
from dataclasses import dataclass
from typing import Any, Final

from .errors import InvalidRequest

SEAL_VERSION: Final = "hallmark-seal-v1"
EXPORTABLE_SEAL_VERSION: Final = "hallmark-seal-v1-exportable"
"""Begins the associated data of a seed that may leave, so a seed sealed without it never becomes one that may."""
SEAL_MECHANISM: Final = "AES-256-GCM"
NONCE_SIZE: Final = 12
SEALED_SEED_SIZE: Final = 48
"""32-byte seed and 16-byte tag."""
CKA_ID_SIZE: Final = 16
SEAL_FIELDS: Final = 5
TOKEN_KEY_FIELDS: Final = 1


class ProtectionLevel(enum.StrEnum):
    """Where a private key lives. HSM: made and used inside the token, never outside.

    HSM_WRAPPED: at rest sealed under a token key that cannot be exported; opened in the signer process for one call.
    IMPORTED: made elsewhere, however it is kept since. Material does not know that; whoever imported it does.
    """

    HSM = "HSM"
    HSM_WRAPPED = "HSM_WRAPPED"
    IMPORTED = "IMPORTED"

    @classmethod
    def weaker(cls, *levels: "ProtectionLevel") -> "ProtectionLevel":
        """What may be claimed for a key with several halves: the worst of them."""
        return next((level for level in (cls.IMPORTED, cls.HSM_WRAPPED) if level in levels), cls.HSM)


@dataclass(frozen=True, slots=True)
class TokenKey:
    """A private key inside the token, found by its CKA_ID (16 random bytes); protection level HSM."""

    cka_id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedSeed:
    """A 32-byte seed under AES-256-GCM (SP 800-38D, 96-bit nonce, 128-bit tag); protection level HSM_WRAPPED.

    The associated data are not stored but rebuilt at every use (see sealing.py), so a seed moved to another row,
    version, purpose or algorithm does not open.
    """

    kek_id: bytes
    """CKA_ID of the key-encryption key, 16 bytes."""
    nonce: bytes
    ciphertext: bytes
    mechanism: str = SEAL_MECHANISM
    aad_version: str = SEAL_VERSION

    @property
    def exportable(self) -> bool:
        return self.aad_version == EXPORTABLE_SEAL_VERSION


MlDsaHalf = TokenKey | SealedSeed
"""Where an ML-DSA private key is: in a token that signs with it, or sealed for a token that cannot."""


def protection_of(half: MlDsaHalf) -> ProtectionLevel:
    return ProtectionLevel.HSM if isinstance(half, TokenKey) else ProtectionLevel.HSM_WRAPPED


def half_fields(half: MlDsaHalf) -> list[str | bytes]:
    """What is stored of it: TOKEN_KEY_FIELDS or SEAL_FIELDS values."""
    if isinstance(half, TokenKey):
        return [half.cka_id]
    return [half.aad_version, half.mechanism, half.kek_id, half.nonce, half.ciphertext]


def half_from(fields: list[Any]) -> MlDsaHalf:
    """Back from `half_fields`. Raises InvalidRequest."""
    if len(fields) == TOKEN_KEY_FIELDS:
        return token_key_from(fields[0])
    aad_version, mechanism, kek_id, nonce, ciphertext = fields
    if aad_version not in {SEAL_VERSION, EXPORTABLE_SEAL_VERSION} or mechanism != SEAL_MECHANISM:
        raise InvalidRequest("stored key material is sealed in a way this version does not know")
    for value, size in ((kek_id, CKA_ID_SIZE), (nonce, NONCE_SIZE), (ciphertext, SEALED_SEED_SIZE)):
        check_size(value, size)
    return SealedSeed(kek_id=kek_id, nonce=nonce, ciphertext=ciphertext, aad_version=aad_version)


def token_key_from(cka_id: Any) -> TokenKey:
    """Raises InvalidRequest."""
    check_size(cka_id, CKA_ID_SIZE)
    return TokenKey(cka_id)


def check_size(value: Any, size: int) -> None:
    """Raises InvalidRequest unless it is a byte string of that size."""
    if type(value) is not bytes or len(value) != size:
        raise InvalidRequest("stored key material has a part of the wrong size")
