"""Public keys of every algorithm: X.509 form, fingerprint, and what a signature verifies with.

SubjectPublicKeyInfo by algorithm: draft-ietf-lamps-pq-composite-sigs-19 section 5 (composites), RFC 9881 (ML-DSA),
RFC 5480 (ECDSA), RFC 8410 (Ed25519). HPKE keys have none that is settled.
"""

import hashlib
from functools import lru_cache
from typing import assert_never

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hallmark_composite import CompositePublicKey, EcCurve, MlDsaParameterSet
from hallmark_composite.encoding import encode_pem
from kms.keys.algorithms import AlgorithmFamily, KeyAlgorithm, composite_of

MlDsaPublicKey = mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey
SigningPublicKey = CompositePublicKey | MlDsaPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

_ML_DSA: dict[MlDsaParameterSet, type[MlDsaPublicKey]] = {
    MlDsaParameterSet.ML_DSA_44: mldsa.MLDSA44PublicKey,
    MlDsaParameterSet.ML_DSA_65: mldsa.MLDSA65PublicKey,
    MlDsaParameterSet.ML_DSA_87: mldsa.MLDSA87PublicKey,
}
_CURVES: dict[EcCurve, ec.EllipticCurve] = {EcCurve.P256: ec.SECP256R1(), EcCurve.P384: ec.SECP384R1()}


@lru_cache(maxsize=256)
def load_public_key(algorithm: KeyAlgorithm, raw: bytes) -> SigningPublicKey:
    """`raw`: composite, FIPS 204, uncompressed point or RFC 8032 bytes. Raises ValueError or CompositeError."""
    match algorithm.family:
        case AlgorithmFamily.COMPOSITE:
            return CompositePublicKey.from_bytes(composite_of(algorithm), raw)
        case AlgorithmFamily.ML_DSA:
            assert algorithm.ml_dsa is not None
            return _ML_DSA[algorithm.ml_dsa].from_public_bytes(raw)
        case AlgorithmFamily.ECDSA:
            assert algorithm.curve is not None
            return ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[algorithm.curve], raw)
        case AlgorithmFamily.ED25519:
            return ed25519.Ed25519PublicKey.from_public_bytes(raw)
        case AlgorithmFamily.HPKE:
            raise ValueError(f"a key of {algorithm} verifies nothing")
        case _:
            assert_never(algorithm.family)


def to_spki_der(algorithm: KeyAlgorithm, raw: bytes) -> bytes | None:
    """DER SubjectPublicKeyInfo; None for HPKE."""
    if not algorithm.signs:
        return None
    key = load_public_key(algorithm, raw)
    if isinstance(key, CompositePublicKey):
        return key.to_spki_der()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def to_spki_pem(algorithm: KeyAlgorithm, raw: bytes) -> str:
    """One PUBLIC KEY block; empty for HPKE."""
    der = to_spki_der(algorithm, raw)
    return "" if der is None else encode_pem(der)


def fingerprint(algorithm: KeyAlgorithm, raw: bytes) -> bytes:
    """SHA-256 of the SubjectPublicKeyInfo (of the raw key for HPKE), 32 bytes."""
    return hashlib.sha256(to_spki_der(algorithm, raw) or raw).digest()
