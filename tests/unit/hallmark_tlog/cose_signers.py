"""Signing keys for COSE tests: one for each kind, with what it signs as."""

from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from hallmark_tlog.cose import Algorithm, CoseKey


@dataclass(frozen=True)
class CoseSigner:
    algorithm: Algorithm
    key: CoseKey
    sign: Callable[[bytes], bytes]


def ecdsa(algorithm: Algorithm, curve: ec.EllipticCurve, digest: hashes.HashAlgorithm) -> CoseSigner:
    private = ec.derive_private_key(12345, curve)

    def sign(message: bytes) -> bytes:
        pair = decode_dss_signature(private.sign(message, ec.ECDSA(digest)))
        return b"".join(number.to_bytes(curve.key_size // 8, "big") for number in pair)

    return CoseSigner(algorithm, CoseKey(private.public_key()), sign)


ED25519 = Ed25519PrivateKey.from_private_bytes(bytes(32))
ML_DSA = MLDSA44PrivateKey.from_seed_bytes(bytes(32))

SIGNERS = (
    CoseSigner(Algorithm.EDDSA, CoseKey(ED25519.public_key()), ED25519.sign),
    CoseSigner(Algorithm.ED25519, CoseKey(ED25519.public_key()), ED25519.sign),
    ecdsa(Algorithm.ES256, ec.SECP256R1(), hashes.SHA256()),
    ecdsa(Algorithm.ESP256, ec.SECP256R1(), hashes.SHA256()),
    ecdsa(Algorithm.ES384, ec.SECP384R1(), hashes.SHA384()),
    ecdsa(Algorithm.ESP384, ec.SECP384R1(), hashes.SHA384()),
    CoseSigner(Algorithm.ML_DSA_44, CoseKey(ML_DSA.public_key()), ML_DSA.sign),
)
