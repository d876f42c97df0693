"""What the kinds of keys have in common, as facts: names, parts, labels. `Target` is any kind of key."""

from typing import Final, assert_never

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hallmark_composite import CompositeAlgorithm, EcCurve, MlDsaParameterSet, algorithm_by_name
from hallmark_envelope import HpkeKem, TransferAlgorithm

from .material import (
    CompositeKeyMaterial,
    EcdsaKeyMaterial,
    Ed25519KeyMaterial,
    HpkeKeyMaterial,
    KeyMaterial,
    MlDsaKeyMaterial,
)
from .sealing import COMPONENT_LABEL, ECDSA_LABEL, ED25519_LABEL
from .secret import Secret

ED25519: Final = "Ed25519"
ClassicalKind = EcCurve | str
"""Of a half in the token: a curve, or ED25519."""
SeedTarget = CompositeAlgorithm | MlDsaParameterSet | HpkeKem
"""Kinds with a 32-byte seed."""
Target = SeedTarget | ClassicalKind
CURVES: Final[dict[EcCurve, ec.EllipticCurve]] = {EcCurve.P256: ec.SECP256R1(), EcCurve.P384: ec.SECP384R1()}
_TARGETS: Final[dict[TransferAlgorithm, Target]] = {
    TransferAlgorithm.ML_DSA_44: MlDsaParameterSet.ML_DSA_44,
    TransferAlgorithm.ML_DSA_65: MlDsaParameterSet.ML_DSA_65,
    TransferAlgorithm.ML_DSA_87: MlDsaParameterSet.ML_DSA_87,
    TransferAlgorithm.ECDSA_P256: EcCurve.P256,
    TransferAlgorithm.ECDSA_P384: EcCurve.P384,
    TransferAlgorithm.ED25519: ED25519,
    TransferAlgorithm.HPKE_MLKEM768_X25519: HpkeKem.MLKEM768_X25519,
    TransferAlgorithm.HPKE_MLKEM1024_P384: HpkeKem.MLKEM1024_P384,
}
_ALGORITHMS: Final = {target: algorithm for algorithm, target in _TARGETS.items()}


def target_of(algorithm: TransferAlgorithm) -> Target:
    return _TARGETS[algorithm] if algorithm in _TARGETS else algorithm_by_name(algorithm)


def transfer_algorithm(target: Target) -> TransferAlgorithm:
    return TransferAlgorithm(target.name) if isinstance(target, CompositeAlgorithm) else _ALGORITHMS[target]


def target_of_material(material: KeyMaterial) -> Target:
    match material:
        case CompositeKeyMaterial():
            return material.algorithm
        case MlDsaKeyMaterial():
            return material.parameter_set
        case HpkeKeyMaterial():
            return material.kem
        case EcdsaKeyMaterial():
            return material.curve
        case Ed25519KeyMaterial():
            return ED25519
        case _:
            assert_never(material)


def seal_name(target: SeedTarget) -> str:
    """The algorithm name in the associated data of a sealed seed (see sealing.py)."""
    match target:
        case CompositeAlgorithm():
            return target.name
        case MlDsaParameterSet():
            return target.value
        case HpkeKem():
            return f"HPKE-{target.standard_name}"
        case _:
            assert_never(target)


def seed_public_key_size(target: SeedTarget) -> int:
    """How many bytes, from the start of the key's public key, its seed gives."""
    match target:
        case CompositeAlgorithm():
            return target.ml_dsa.public_key_size
        case MlDsaParameterSet() | HpkeKem():
            return target.public_key_size
        case _:
            assert_never(target)


def classical_kind(target: Target) -> ClassicalKind | None:
    """What the token holds of it; None: nothing."""
    match target:
        case CompositeAlgorithm():
            return target.curve
        case MlDsaParameterSet() | HpkeKem():
            return None
        case _:
            return target


def classical_label(target: Target) -> str:
    """CKA_LABEL of that half (see sealing.py)."""
    match target:
        case CompositeAlgorithm():
            return COMPONENT_LABEL
        case EcCurve():
            return ECDSA_LABEL
        case _:
            return ED25519_LABEL


def classical_public_key(kind: ClassicalKind, secret: Secret) -> bytes:
    """The uncompressed point, or the 32 bytes of Ed25519."""
    if isinstance(kind, EcCurve):
        private_key = ec.derive_private_key(int.from_bytes(secret.reveal(), "big"), CURVES[kind])
        return private_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return ed25519.Ed25519PrivateKey.from_private_bytes(secret.reveal()).public_key().public_bytes_raw()
