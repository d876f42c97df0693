"""A composite public key: parsed once, both halves checked."""

import hashlib
from dataclasses import dataclass, field
from typing import Self

from cryptography.hazmat.primitives.asymmetric import ec, mldsa

from . import encoding
from .algorithms import CompositeAlgorithm, EcCurve, MlDsaParameterSet
from .errors import MalformedPublicKey

MlDsaPublicKey = mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey

_ML_DSA_KEYS: dict[
    MlDsaParameterSet, type[mldsa.MLDSA44PublicKey] | type[mldsa.MLDSA65PublicKey] | type[mldsa.MLDSA87PublicKey]
] = {
    MlDsaParameterSet.ML_DSA_44: mldsa.MLDSA44PublicKey,
    MlDsaParameterSet.ML_DSA_65: mldsa.MLDSA65PublicKey,
    MlDsaParameterSet.ML_DSA_87: mldsa.MLDSA87PublicKey,
}
_CURVES: dict[EcCurve, ec.EllipticCurve] = {EcCurve.P256: ec.SECP256R1(), EcCurve.P384: ec.SECP384R1()}


@dataclass(frozen=True, slots=True)
class CompositePublicKey:
    """Both halves of a composite public key; make one with `from_bytes`, `from_spki_der` or `from_spki_pem`."""

    algorithm: CompositeAlgorithm
    raw: bytes
    """mldsaPK || X9.62 uncompressed point, `algorithm.public_key_size` bytes."""
    ml_dsa_key: MlDsaPublicKey = field(repr=False, compare=False)
    ec_key: ec.EllipticCurvePublicKey = field(repr=False, compare=False)

    @classmethod
    def from_bytes(cls, algorithm: CompositeAlgorithm, raw: bytes) -> Self:
        """Raises MalformedPublicKey, also for a point that is not on the curve."""
        ml_dsa, ec_point = encoding.split_public_key(algorithm, raw)
        try:
            ml_dsa_key = _ML_DSA_KEYS[algorithm.ml_dsa].from_public_bytes(ml_dsa)
            ec_key = ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[algorithm.curve], ec_point)
        except ValueError:
            raise MalformedPublicKey(f"a half of this {algorithm} public key is not valid") from None
        return cls(algorithm, bytes(raw), ml_dsa_key, ec_key)

    @classmethod
    def from_spki_der(cls, der: bytes) -> Self:
        """Raises MalformedPublicKey."""
        return cls.from_bytes(*encoding.decode_spki(der))

    @classmethod
    def from_spki_pem(cls, pem: str | bytes) -> Self:
        """Exactly one PUBLIC KEY block. Raises MalformedPublicKey."""
        data = pem.encode("utf-8", "replace") if isinstance(pem, str) else pem
        return cls.from_spki_der(encoding.decode_pem(data))

    @property
    def ml_dsa_bytes(self) -> bytes:
        return self.raw[: self.algorithm.ml_dsa.public_key_size]

    @property
    def ec_point(self) -> bytes:
        return self.raw[self.algorithm.ml_dsa.public_key_size :]

    def to_spki_der(self) -> bytes:
        return encoding.encode_spki(self.algorithm, self.raw)

    def to_spki_pem(self) -> str:
        return encoding.encode_pem(self.to_spki_der())

    def fingerprint(self) -> bytes:
        """SHA-256 of the DER SubjectPublicKeyInfo, 32 bytes."""
        return hashlib.sha256(self.to_spki_der()).digest()
