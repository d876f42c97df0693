"""Seeds under the token's key-encryption keys: sealed, opened with their public key checked, and moved to the newest.

Runs where secrets may be in the clear: in the signer processes of hsm.pkcs11, and in the provider in memory.
"""

import hmac
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar, assert_never

from hallmark_composite import CompositeAlgorithm, MlDsaParameterSet
from hallmark_envelope import EnvelopeError, EnvelopePrivateKey, HpkeKem

from .engine import EngineFault, PostQuantumEngine
from .errors import SealBroken
from .halves import EXPORTABLE_SEAL_VERSION, SEAL_VERSION
from .key_targets import SeedTarget, seal_name, seed_public_key_size
from .material import (
    CompositeKeyMaterial,
    EcdsaKeyMaterial,
    Ed25519KeyMaterial,
    HpkeKeyMaterial,
    KeyMaterial,
    MlDsaKeyMaterial,
    SealedSeed,
    TokenKey,
)
from .sealing import associated_data

Material = TypeVar("Material", bound=KeyMaterial)
SealedMaterial = CompositeKeyMaterial | MlDsaKeyMaterial | HpkeKeyMaterial


class SealingToken(Protocol):
    """AES-256-GCM under key-encryption keys that never leave. Errors are hsm errors."""

    @property
    def kek_id(self) -> bytes:
        """The newest key-encryption key; `seal` uses it."""

    def seal(self, seed: bytes, aad: bytes) -> SealedSeed: ...

    def unseal(self, seal: SealedSeed, aad: bytes) -> bytes:
        """Raises SealBroken, KeyNotFound."""


@dataclass(frozen=True, slots=True)
class SeedVault:
    token: SealingToken
    engine: PostQuantumEngine

    def seal(
        self, seed: bytes, *, target: SeedTarget, public_key: bytes, key_binding: bytes, exportable: bool = False
    ) -> SealedSeed:
        version = EXPORTABLE_SEAL_VERSION if exportable else SEAL_VERSION
        kek_id = self.token.kek_id
        sealed = self.token.seal(seed, _aad(target, public_key, key_binding, kek_id=kek_id, version=version))
        return replace(sealed, aad_version=version)

    def open(self, material: SealedMaterial, key_binding: bytes) -> bytes:
        """The seed, after its public key was derived and compared. Raises SealBroken, KeyNotFound."""
        seal, target = material.post_quantum, _target_of(material)
        assert isinstance(seal, SealedSeed), "this half lives in the token"
        public_key = material.public_key
        aad = _aad(target, public_key, key_binding, kek_id=seal.kek_id, version=seal.aad_version)
        seed = self.token.unseal(seal, aad)
        if not hmac.compare_digest(self.public_key(target, seed), public_key[: seed_public_key_size(target)]):
            raise SealBroken("a sealed seed opened to another key than its public key")
        return seed

    def rewrap(self, material: Material, key_binding: bytes) -> Material:
        """Under the newest key-encryption key; unchanged when it is already, or has no seal. Raises SealBroken."""
        if isinstance(material, EcdsaKeyMaterial | Ed25519KeyMaterial):
            return material
        half = material.post_quantum
        if isinstance(half, TokenKey) or half.kek_id == self.token.kek_id:
            return material
        seed = self.open(material, key_binding)
        fresh = self.seal(
            seed,
            target=_target_of(material),
            public_key=material.public_key,
            key_binding=key_binding,
            exportable=half.exportable,
        )
        moved = replace(material, post_quantum=fresh)
        if not hmac.compare_digest(self.open(moved, key_binding), seed):
            raise SealBroken("a seed came back changed from its new seal; keep the old one")
        return moved

    def public_key(self, target: SeedTarget, seed: bytes) -> bytes:
        """What the seed gives of the public key. Raises SealBroken when it is no seed."""
        try:
            match target:
                case CompositeAlgorithm():
                    return self.engine.load(target.ml_dsa, seed).public_key
                case MlDsaParameterSet():
                    return self.engine.load(target, seed).public_key
                case HpkeKem():
                    return EnvelopePrivateKey.from_seed(target, seed).public_key
                case _:
                    assert_never(target)
        except (EngineFault, EnvelopeError):
            raise SealBroken("a sealed seed opened to something that is not a seed") from None


def _target_of(material: SealedMaterial) -> SeedTarget:
    match material:
        case CompositeKeyMaterial():
            return material.algorithm
        case MlDsaKeyMaterial():
            return material.parameter_set
        case HpkeKeyMaterial():
            return material.kem
        case _:
            assert_never(material)


def _aad(target: SeedTarget, public_key: bytes, key_binding: bytes, *, kek_id: bytes, version: str) -> bytes:
    return associated_data(
        kek_id=kek_id, algorithm=seal_name(target), public_key=public_key, key_binding=key_binding, version=version
    )
