"""A composite key pair in memory: real ML-DSA and ECDSA from `cryptography`."""

from dataclasses import dataclass
from typing import Final, Self, TypeAlias

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, mldsa

from hallmark_composite import (
    CompositeAlgorithm,
    CompositePublicKey,
    EcCurve,
    MlDsaParameterSet,
    message_representative,
)

_MlDsaPrivateKey: TypeAlias = mldsa.MLDSA44PrivateKey | mldsa.MLDSA65PrivateKey | mldsa.MLDSA87PrivateKey

_CURVES: Final[dict[EcCurve, ec.EllipticCurve]] = {EcCurve.P256: ec.SECP256R1(), EcCurve.P384: ec.SECP384R1()}
_ECDSA_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384()}


@dataclass(frozen=True, slots=True)
class CompositeKeyPair:
    """Both halves of a fresh composite key (draft-ietf-lamps-pq-composite-sigs-19). For tests only: it can be read."""

    algorithm: CompositeAlgorithm
    _ml_dsa: _MlDsaPrivateKey
    _ec: ec.EllipticCurvePrivateKey

    @classmethod
    def generate(cls, algorithm: CompositeAlgorithm) -> Self:
        return cls(algorithm, _generate_ml_dsa(algorithm.ml_dsa), ec.generate_private_key(_CURVES[algorithm.curve]))

    @property
    def public_key(self) -> CompositePublicKey:
        point = self._ec.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        return CompositePublicKey.from_bytes(self.algorithm, self._ml_dsa.public_key().public_bytes_raw() + point)

    def sign(self, digest: bytes, context: bytes) -> bytes:
        """MldsaSig || tradSig over M' (draft -19, section 3.2). digest: PH(M)."""
        representative = message_representative(self.algorithm, digest, context)
        ml_dsa = self._ml_dsa.sign(representative, self.algorithm.label)
        return ml_dsa + self._ec.sign(representative, ec.ECDSA(_ECDSA_HASHES[self.algorithm.ecdsa_hash]))


def _generate_ml_dsa(parameters: MlDsaParameterSet) -> _MlDsaPrivateKey:
    match parameters:
        case MlDsaParameterSet.ML_DSA_44:
            return mldsa.MLDSA44PrivateKey.generate()
        case MlDsaParameterSet.ML_DSA_65:
            return mldsa.MLDSA65PrivateKey.generate()
        case MlDsaParameterSet.ML_DSA_87:
            return mldsa.MLDSA87PrivateKey.generate()
