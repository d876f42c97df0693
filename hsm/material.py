"""What is known of a key outside the token: public bytes, where its halves live, and its sealed seed.

None of it is secret: a sealed seed opens only inside the token that holds its key-encryption key. The service stores
`to_bytes()` as one opaque column and gives the material back with every call; `material_from_bytes` reads any kind.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import cbor2

from hallmark_composite import CompositeAlgorithm, EcCurve, MlDsaParameterSet, UnknownAlgorithm, algorithm_by_name
from hallmark_envelope import HpkeKem

from .errors import InvalidRequest
from .halves import (
    CKA_ID_SIZE,
    NONCE_SIZE,
    SEAL_FIELDS,
    SEAL_MECHANISM,
    SEAL_VERSION,
    TOKEN_KEY_FIELDS,
    MlDsaHalf,
    ProtectionLevel,
    SealedSeed,
    TokenKey,
    check_size,
    half_fields,
    half_from,
    protection_of,
    token_key_from,
)

__all__ = [
    "CKA_ID_SIZE",
    "ED25519_PUBLIC_KEY_SIZE",
    "NONCE_SIZE",
    "SEAL_MECHANISM",
    "SEAL_VERSION",
    "CompositeKeyMaterial",
    "EcdsaKeyMaterial",
    "Ed25519KeyMaterial",
    "HpkeKeyMaterial",
    "KeyMaterial",
    "MlDsaHalf",
    "MlDsaKeyMaterial",
    "ProtectionLevel",
    "SealedSeed",
    "TokenKey",
    "material_from_bytes",
    "token_keys",
]

ED25519_PUBLIC_KEY_SIZE: Final = 32
MAX_MATERIAL_SIZE: Final = 16_384
_UNCOMPRESSED_POINT: Final = 0x04


@dataclass(frozen=True, slots=True, kw_only=True)
class CompositeKeyMaterial:
    """A composite key: ECDSA half in the token, ML-DSA half in it or sealed. `public_key` is mldsaPK || ecPoint."""

    algorithm: CompositeAlgorithm
    public_key: bytes
    classical: TokenKey
    post_quantum: MlDsaHalf

    @property
    def classical_protection(self) -> ProtectionLevel:
        return ProtectionLevel.HSM

    @property
    def post_quantum_protection(self) -> ProtectionLevel:
        return protection_of(self.post_quantum)

    @property
    def protection(self) -> ProtectionLevel:
        return ProtectionLevel.weaker(self.classical_protection, self.post_quantum_protection)

    def to_bytes(self) -> bytes:
        kind = "composite-native" if isinstance(self.post_quantum, TokenKey) else "composite"
        half = half_fields(self.post_quantum)
        return _dump([kind, self.algorithm.name, self.public_key, *half, self.classical.cka_id])

    @classmethod
    def from_bytes(cls, encoded: bytes) -> Self:
        """Raises InvalidRequest."""
        name, public_key, *half, cka_id = _load(
            encoded, {"composite": 3 + SEAL_FIELDS, "composite-native": 3 + TOKEN_KEY_FIELDS}
        )
        try:
            algorithm = algorithm_by_name(name)
        except UnknownAlgorithm as error:
            raise InvalidRequest(f"stored key material: {error}") from None
        check_size(public_key, algorithm.public_key_size)
        return cls(
            algorithm=algorithm, public_key=public_key, classical=token_key_from(cka_id), post_quantum=half_from(half)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MlDsaKeyMaterial:
    """A pure ML-DSA key (FIPS 204), its private half in the token or sealed."""

    parameter_set: MlDsaParameterSet
    public_key: bytes
    post_quantum: MlDsaHalf

    @property
    def protection(self) -> ProtectionLevel:
        return protection_of(self.post_quantum)

    def to_bytes(self) -> bytes:
        kind = "ml-dsa-native" if isinstance(self.post_quantum, TokenKey) else "ml-dsa"
        return _dump([kind, self.parameter_set.value, self.public_key, *half_fields(self.post_quantum)])

    @classmethod
    def from_bytes(cls, encoded: bytes) -> Self:
        """Raises InvalidRequest."""
        name, public_key, *half = _load(encoded, {"ml-dsa": 2 + SEAL_FIELDS, "ml-dsa-native": 2 + TOKEN_KEY_FIELDS})
        try:
            parameter_set = MlDsaParameterSet(name)
        except ValueError:
            raise InvalidRequest("stored key material names an unknown ML-DSA parameter set") from None
        check_size(public_key, parameter_set.public_key_size)
        return cls(parameter_set=parameter_set, public_key=public_key, post_quantum=half_from(half))


@dataclass(frozen=True, slots=True, kw_only=True)
class EcdsaKeyMaterial:
    """A plain ECDSA key in the token. `public_key` is the X9.62 uncompressed point (65 or 97 bytes)."""

    curve: EcCurve
    public_key: bytes
    classical: TokenKey

    @property
    def protection(self) -> ProtectionLevel:
        return ProtectionLevel.HSM

    def to_bytes(self) -> bytes:
        return _dump(["ecdsa", self.curve.value, self.public_key, self.classical.cka_id])

    @classmethod
    def from_bytes(cls, encoded: bytes) -> Self:
        """Raises InvalidRequest."""
        name, public_key, cka_id = _load(encoded, {"ecdsa": 3})
        try:
            curve = EcCurve(name)
        except ValueError:
            raise InvalidRequest("stored key material names an unknown curve") from None
        check_size(public_key, curve.point_size)
        if public_key[0] != _UNCOMPRESSED_POINT:
            raise InvalidRequest("stored key material has a public key that is not an uncompressed point")
        return cls(curve=curve, public_key=public_key, classical=token_key_from(cka_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ed25519KeyMaterial:
    """An Ed25519 key in the token. `public_key` is 32 bytes (RFC 8032)."""

    public_key: bytes
    classical: TokenKey

    @property
    def protection(self) -> ProtectionLevel:
        return ProtectionLevel.HSM

    def to_bytes(self) -> bytes:
        return _dump(["ed25519", self.public_key, self.classical.cka_id])

    @classmethod
    def from_bytes(cls, encoded: bytes) -> Self:
        """Raises InvalidRequest."""
        public_key, cka_id = _load(encoded, {"ed25519": 2})
        check_size(public_key, ED25519_PUBLIC_KEY_SIZE)
        return cls(public_key=public_key, classical=token_key_from(cka_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class HpkeKeyMaterial:
    """A key that envelopes are sealed to. `public_key` as HPKE serialises it; the 32-byte seed is sealed."""

    kem: HpkeKem
    public_key: bytes
    post_quantum: SealedSeed

    @property
    def protection(self) -> ProtectionLevel:
        return ProtectionLevel.HSM_WRAPPED

    def to_bytes(self) -> bytes:
        return _dump(["hpke", self.kem.standard_name, self.public_key, *half_fields(self.post_quantum)])

    @classmethod
    def from_bytes(cls, encoded: bytes) -> Self:
        """Raises InvalidRequest."""
        name, public_key, *half = _load(encoded, {"hpke": 2 + SEAL_FIELDS})
        kem = next((kem for kem in HpkeKem if kem.standard_name == name), None)
        if kem is None:
            raise InvalidRequest("stored key material names an unknown KEM")
        check_size(public_key, kem.public_key_size)
        seal = half_from(half)
        assert isinstance(seal, SealedSeed)
        return cls(kem=kem, public_key=public_key, post_quantum=seal)


KeyMaterial = CompositeKeyMaterial | MlDsaKeyMaterial | EcdsaKeyMaterial | Ed25519KeyMaterial | HpkeKeyMaterial

_KINDS: Final[dict[str, type[KeyMaterial]]] = {
    "composite": CompositeKeyMaterial,
    "composite-native": CompositeKeyMaterial,
    "ml-dsa": MlDsaKeyMaterial,
    "ml-dsa-native": MlDsaKeyMaterial,
    "ecdsa": EcdsaKeyMaterial,
    "ed25519": Ed25519KeyMaterial,
    "hpke": HpkeKeyMaterial,
}


def material_from_bytes(encoded: bytes) -> KeyMaterial:
    """Material of whatever kind the bytes say. Raises InvalidRequest."""
    kind = _parse(encoded)[0]
    if kind not in _KINDS:
        raise InvalidRequest("stored key material is of a kind this version does not know")
    return _KINDS[kind].from_bytes(encoded)


def token_keys(material: KeyMaterial) -> tuple[TokenKey, ...]:
    """Every private key the token holds of it, the post-quantum one first."""
    halves: tuple[MlDsaHalf, ...]
    match material:
        case CompositeKeyMaterial():
            halves = (material.post_quantum, material.classical)
        case MlDsaKeyMaterial() | HpkeKeyMaterial():
            halves = (material.post_quantum,)
        case EcdsaKeyMaterial() | Ed25519KeyMaterial():
            halves = (material.classical,)
    return tuple(half for half in halves if isinstance(half, TokenKey))


def _dump(fields: list[str | bytes]) -> bytes:
    return cbor2.dumps(fields)


def _parse(encoded: bytes) -> list[Any]:
    """A CBOR array [kind, ...text or byte strings], and nothing after it."""
    if len(encoded) > MAX_MATERIAL_SIZE:
        raise InvalidRequest("stored key material is too long")
    stream = io.BytesIO(encoded)
    try:
        fields = cbor2.CBORDecoder(stream).decode()
    except Exception:  # whatever the decoder raises on foreign bytes, here it means one thing
        raise InvalidRequest("stored key material is not CBOR") from None
    if not isinstance(fields, list) or not fields or stream.read(1):
        raise InvalidRequest("stored key material is not an array, so of no kind known here")
    if not all(type(field) in {bytes, str} for field in fields):
        raise InvalidRequest("stored key material has a part of the wrong type, or is not of a kind known here")
    return fields


def _load(encoded: bytes, counts: Mapping[str, int]) -> list[Any]:
    """The fields after the kind, which must be one of `counts` and have that many."""
    kind, *fields = _parse(encoded)
    if counts.get(kind) != len(fields):
        raise InvalidRequest(f"stored key material is not of kind {' or '.join(counts)}")
    return fields
