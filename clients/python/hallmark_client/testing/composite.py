"""A composite key pair in memory: real ML-DSA and ECDSA from `cryptography`."""

from dataclasses import dataclass
from typing import Final, Self, TypeAlias

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, mldsa

from hallmark_client.testing import der
from hallmark_composite import (
    CompositeAlgorithm,
    CompositePublicKey,
    EcCurve,
    MlDsaParameterSet,
    message_representative,
)

_MlDsaPrivateKey: TypeAlias = mldsa.MLDSA44PrivateKey | mldsa.MLDSA65PrivateKey | mldsa.MLDSA87PrivateKey

_CURVES: Final[dict[EcCurve, ec.EllipticCurve]] = {EcCurve.P256: ec.SECP256R1(), EcCurve.P384: ec.SECP384R1()}
_SEED_BYTES: Final = 32
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

    @classmethod
    def from_private_bytes(cls, algorithm: CompositeAlgorithm, encoded: bytes) -> Self:
        """PKCS#8 around seed || ECPrivateKey (draft -19, sections 4.2 and 5.1). Raises ValueError, TypeError."""
        ((_, info),) = der.decode(encoded)
        _, (_, identifier), (_, private) = der.decode(info)
        ec_key = serialization.load_der_private_key(private[_SEED_BYTES:], None)
        if not isinstance(ec_key, ec.EllipticCurvePrivateKey) or ec_key.curve.name != _CURVES[algorithm.curve].name:
            raise ValueError("another curve")
        pair = cls(algorithm, _ml_dsa_from_seed(algorithm.ml_dsa, private[:_SEED_BYTES]), ec_key)
        if identifier != _algorithm_of(pair.public_key.to_spki_der()):
            raise ValueError("another algorithm")
        return pair

    def to_private_bytes(self) -> bytes:
        """The same, for a recipient."""
        curve = der.decode(_algorithm_of(_spki(self._ec)))[1]
        scalar = self._ec.private_numbers().private_value.to_bytes(self.algorithm.curve.coordinate_size, "big")
        ec_key = der.encode(
            der.SEQUENCE,
            der.encode(der.INTEGER, b"\x01"),
            der.encode(der.OCTET_STRING, scalar),
            der.encode(b"\xa0", der.encode(*curve)),
        )
        return der.encode(
            der.SEQUENCE,
            der.encode(der.INTEGER, b"\x00"),
            der.encode(der.SEQUENCE, _algorithm_of(self.public_key.to_spki_der())),
            der.encode(der.OCTET_STRING, self._ml_dsa.private_bytes_raw(), ec_key),
        )

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


def _ml_dsa_from_seed(parameters: MlDsaParameterSet, seed: bytes) -> _MlDsaPrivateKey:
    match parameters:
        case MlDsaParameterSet.ML_DSA_44:
            return mldsa.MLDSA44PrivateKey.from_seed_bytes(seed)
        case MlDsaParameterSet.ML_DSA_65:
            return mldsa.MLDSA65PrivateKey.from_seed_bytes(seed)
        case MlDsaParameterSet.ML_DSA_87:
            return mldsa.MLDSA87PrivateKey.from_seed_bytes(seed)


def _spki(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _algorithm_of(spki: bytes) -> bytes:
    """Content of the AlgorithmIdentifier in a SubjectPublicKeyInfo."""
    ((_, info),) = der.decode(spki)
    return der.decode(info)[0][1]
