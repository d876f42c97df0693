"""What is known of a key outside the token: public bytes, where its halves live, and its sealed seed.

None of it is secret: a sealed seed opens only inside the token that holds its key-encryption key. The service stores
`to_bytes()` as one opaque column and gives the material back with every call.
"""

import enum
import io
from dataclasses import dataclass
from typing import Any, Final, Self

import cbor2

from hallmark_composite import CompositeAlgorithm, MlDsaParameterSet, UnknownAlgorithm, algorithm_by_name

from .errors import InvalidRequest

SEAL_VERSION: Final = "hallmark-seal-v1"
SEAL_MECHANISM: Final = "AES-256-GCM"
NONCE_SIZE: Final = 12
SEALED_SEED_SIZE: Final = 48
"""32-byte seed and 16-byte tag."""
CKA_ID_SIZE: Final = 16
MAX_MATERIAL_SIZE: Final = 16_384


class ProtectionLevel(enum.StrEnum):
    """Where a private key lives. HSM: made and used inside the token, never outside.

    HSM_WRAPPED: at rest sealed under a token key that cannot be exported; opened in the signer process for one call.
    """

    HSM = "HSM"
    HSM_WRAPPED = "HSM_WRAPPED"

    @classmethod
    def weaker(cls, *levels: "ProtectionLevel") -> "ProtectionLevel":
        """What may be claimed for a key with several halves: the worst of them."""
        return cls.HSM_WRAPPED if cls.HSM_WRAPPED in levels else cls.HSM


@dataclass(frozen=True, slots=True)
class TokenKey:
    """A private key inside the token, found by its CKA_ID (16 random bytes); protection level HSM."""

    cka_id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedSeed:
    """A 32-byte ML-DSA seed under AES-256-GCM (SP 800-38D, 96-bit nonce, 128-bit tag); protection level HSM_WRAPPED.

    The associated data are not stored but rebuilt at every use (see sealing.py), so a seed moved to another row,
    version, purpose or algorithm does not open.
    """

    kek_id: bytes
    """CKA_ID of the key-encryption key, 16 bytes."""
    nonce: bytes
    ciphertext: bytes
    mechanism: str = SEAL_MECHANISM
    aad_version: str = SEAL_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class CompositeKeyMaterial:
    """A composite key: ECDSA half in the token, ML-DSA half sealed. `public_key` is mldsaPK || ecPoint."""

    algorithm: CompositeAlgorithm
    public_key: bytes
    classical: TokenKey
    post_quantum: SealedSeed
    classical_protection: ProtectionLevel = ProtectionLevel.HSM
    post_quantum_protection: ProtectionLevel = ProtectionLevel.HSM_WRAPPED

    @property
    def protection(self) -> ProtectionLevel:
        return ProtectionLevel.weaker(self.classical_protection, self.post_quantum_protection)

    def to_bytes(self) -> bytes:
        fields = [*_seal_fields(self.post_quantum), self.classical.cka_id]
        return _dump(["composite", self.algorithm.name, self.public_key, *fields])

    @classmethod
    def from_bytes(cls, encoded: bytes) -> Self:
        """Raises InvalidRequest."""
        name, public_key, *seal, cka_id = _load(encoded, "composite", 8)
        try:
            algorithm = algorithm_by_name(name)
        except UnknownAlgorithm as error:
            raise InvalidRequest(f"stored key material: {error}") from None
        if len(public_key) != algorithm.public_key_size or len(cka_id) != CKA_ID_SIZE:
            raise InvalidRequest("stored key material has a part of the wrong size")
        return cls(
            algorithm=algorithm, public_key=public_key, classical=TokenKey(cka_id), post_quantum=_seal_from(seal)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MlDsaKeyMaterial:
    """A plain ML-DSA key (the log's second checkpoint key), its seed sealed."""

    parameter_set: MlDsaParameterSet
    public_key: bytes
    post_quantum: SealedSeed
    protection: ProtectionLevel = ProtectionLevel.HSM_WRAPPED

    def to_bytes(self) -> bytes:
        return _dump(["ml-dsa", self.parameter_set.value, self.public_key, *_seal_fields(self.post_quantum)])

    @classmethod
    def from_bytes(cls, encoded: bytes) -> Self:
        """Raises InvalidRequest."""
        name, public_key, *seal = _load(encoded, "ml-dsa", 7)
        try:
            parameter_set = MlDsaParameterSet(name)
        except ValueError:
            raise InvalidRequest("stored key material names an unknown ML-DSA parameter set") from None
        if len(public_key) != parameter_set.public_key_size:
            raise InvalidRequest("stored key material has a public key of the wrong size")
        return cls(parameter_set=parameter_set, public_key=public_key, post_quantum=_seal_from(seal))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ed25519KeyMaterial:
    """An Ed25519 key in the token (the log's first checkpoint key). `public_key` is 32 bytes (RFC 8032)."""

    public_key: bytes
    classical: TokenKey
    protection: ProtectionLevel = ProtectionLevel.HSM

    def to_bytes(self) -> bytes:
        return _dump(["ed25519", self.public_key, self.classical.cka_id])

    @classmethod
    def from_bytes(cls, encoded: bytes) -> Self:
        """Raises InvalidRequest."""
        public_key, cka_id = _load(encoded, "ed25519", 2)
        if type(public_key) is not bytes or len(public_key) != 32 or len(cka_id) != CKA_ID_SIZE:
            raise InvalidRequest("stored key material has a part of the wrong size")
        return cls(public_key=public_key, classical=TokenKey(cka_id))


KeyMaterial = CompositeKeyMaterial | MlDsaKeyMaterial | Ed25519KeyMaterial


def _dump(fields: list[str | bytes]) -> bytes:
    return cbor2.dumps(fields)


def _load(encoded: bytes, kind: str, count: int) -> list[Any]:
    """A CBOR array [kind, ...count text or byte strings], and nothing after it."""
    if len(encoded) > MAX_MATERIAL_SIZE:
        raise InvalidRequest("stored key material is too long")
    stream = io.BytesIO(encoded)
    try:
        fields = cbor2.CBORDecoder(stream).decode()
    except Exception:  # whatever the decoder raises on foreign bytes, here it means one thing
        raise InvalidRequest("stored key material is not CBOR") from None
    if not isinstance(fields, list) or len(fields) != count + 1 or fields[0] != kind or stream.read(1):
        raise InvalidRequest(f"stored key material is not of kind {kind}")
    if not all(type(field) in {bytes, str} for field in fields):
        raise InvalidRequest("stored key material has a part of the wrong type")
    return fields[1:]


def _seal_fields(seal: SealedSeed) -> list[str | bytes]:
    return [seal.aad_version, seal.mechanism, seal.kek_id, seal.nonce, seal.ciphertext]


def _seal_from(fields: list[Any]) -> SealedSeed:
    aad_version, mechanism, kek_id, nonce, ciphertext = fields
    if aad_version != SEAL_VERSION or mechanism != SEAL_MECHANISM:
        raise InvalidRequest("stored key material is sealed in a way this version does not know")
    for value, size in ((kek_id, CKA_ID_SIZE), (nonce, NONCE_SIZE), (ciphertext, SEALED_SEED_SIZE)):
        if type(value) is not bytes or len(value) != size:
            raise InvalidRequest("stored key material has a sealed seed of the wrong size")
    return SealedSeed(kek_id=kek_id, nonce=nonce, ciphertext=ciphertext)
