"""Public keys that verify offline: composites (hallmark_composite), and the plain ones here.

Plain: pure ML-DSA (FIPS 204; SubjectPublicKeyInfo of RFC 9881), ECDSA (RFC 5480) and Ed25519 (RFC 8410).
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Self, TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from hallmark_client.errors import SignatureInvalid, VerificationFailed
from hallmark_client.model.enums import Algorithm
from hallmark_client.model.result import Result
from hallmark_composite import CompositeError, CompositePublicKey, EcCurve
from hallmark_composite.encoding import decode_ecdsa_der

_MlDsaKey: TypeAlias = mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey
_PlainKey: TypeAlias = _MlDsaKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

_ML_DSA: Final[dict[type[_MlDsaKey], Algorithm]] = {
    mldsa.MLDSA44PublicKey: Algorithm.ML_DSA_44,
    mldsa.MLDSA65PublicKey: Algorithm.ML_DSA_65,
    mldsa.MLDSA87PublicKey: Algorithm.ML_DSA_87,
}
_ECDSA: Final = {
    "secp256r1": (Algorithm.ECDSA_P256_SHA256, EcCurve.P256, hashes.SHA256()),
    "secp384r1": (Algorithm.ECDSA_P384_SHA384, EcCurve.P384, hashes.SHA384()),
}
MESSAGE_BYTES_MAX: Final = 1 << 24
"""Of a message that is signed as it is (Ed25519), which has to be in memory as a whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedPlain(Result):
    """Proved: the holder of the key signed exactly this message under this context.

    public_key_sha256: hex, of the SubjectPublicKeyInfo in DER.
    """

    algorithm: Algorithm
    public_key_sha256: str
    context: bytes


@dataclass(frozen=True, slots=True)
class PlainPublicKey:
    """Make one with `from_spki_der`."""

    algorithm: Algorithm
    spki: bytes
    _key: _PlainKey = field(repr=False, compare=False)

    @classmethod
    def from_spki_der(cls, der: bytes) -> Self:
        """Raises VerificationFailed (PUBLIC_KEY_INVALID), also for curves and algorithms that Hallmark has not."""
        try:
            algorithm, key = _of_ours(load_der_public_key(der))
            if key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != der:
                raise ValueError("not the one DER of this key")
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            sentence = "no SubjectPublicKeyInfo of an ML-DSA, ECDSA (P-256, P-384) or Ed25519 key"
            raise VerificationFailed("PUBLIC_KEY_INVALID", sentence) from error
        return cls(algorithm, der, key)

    def fingerprint(self) -> bytes:
        """SHA-256 of the SubjectPublicKeyInfo in DER, 32 bytes."""
        return hashlib.sha256(self.spki).digest()

    def verify(self, signature: bytes, message: Iterable[bytes], *, context: bytes = b"") -> VerifiedPlain:
        """Check a raw signature over a message, given in pieces.

        signature: FIPS 204 bytes, DER Ecdsa-Sig-Value, or RFC 8032 bytes. context: of ML-DSA only, at most 255 bytes.
        Raises SignatureInvalid.
        """
        try:
            self._check(signature, self.signed_input(message, context=context))
        except (InvalidSignature, CompositeError) as error:
            raise _invalid(f"the signature does not verify with this {self.algorithm} key") from error
        return VerifiedPlain(algorithm=self.algorithm, public_key_sha256=self.fingerprint().hex(), context=context)

    def signed_input(self, message: Iterable[bytes], *, context: bytes = b"") -> bytes:
        """What the key signs: mu (FIPS 204, algorithm 7, line 6), the hash, or for Ed25519 the message itself.

        Raises SignatureInvalid where the algorithm can not have signed this.
        """
        key = self._key
        if isinstance(key, _MlDsaKey):
            return _mu(key, message, context)
        if context:
            raise _invalid(f"{self.algorithm} signs under no context; leave it out")
        if isinstance(key, ec.EllipticCurvePublicKey):
            digest = hashes.Hash(_ECDSA[key.curve.name][2])
            for piece in message:
                digest.update(piece)
            return digest.finalize()
        return _whole(message)

    def _check(self, signature: bytes, signed: bytes) -> None:
        key = self._key
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, signed)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            _, curve, algorithm = _ECDSA[key.curve.name]
            decode_ecdsa_der(curve, signature)  # strict DER: one spelling for each signature
            key.verify(signature, signed, ec.ECDSA(Prehashed(algorithm)))
        else:
            key.verify_mu(signature, signed)


VerifyingKey: TypeAlias = CompositePublicKey | PlainPublicKey


def verifying_key(der: bytes) -> VerifyingKey:
    """From a SubjectPublicKeyInfo. Raises VerificationFailed (PUBLIC_KEY_INVALID)."""
    try:
        return CompositePublicKey.from_spki_der(der)
    except CompositeError:
        return PlainPublicKey.from_spki_der(der)


def algorithm_of(key: VerifyingKey) -> Algorithm:
    return key.algorithm if isinstance(key, PlainPublicKey) else Algorithm(key.algorithm.name)


def _of_ours(key: object) -> tuple[Algorithm, _PlainKey]:
    """Raises ValueError for an algorithm or curve that Hallmark has not."""
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _ECDSA:
        return _ECDSA[key.curve.name][0], key
    if isinstance(key, ed25519.Ed25519PublicKey):
        return Algorithm.ED25519, key
    for kind, algorithm in _ML_DSA.items():
        if isinstance(key, kind):
            return algorithm, key
    raise ValueError("another algorithm")


def _mu(key: _MlDsaKey, message: Iterable[bytes], context: bytes) -> bytes:
    try:
        hasher = mldsa.MLDSAMuHasher(key, context)
    except ValueError as error:
        raise _invalid("a context has at most 255 bytes") from error
    for piece in message:
        hasher.update(piece)
    return hasher.finalize()


def _whole(message: Iterable[bytes]) -> bytes:
    whole = bytearray()
    for piece in message:
        whole += piece
        if len(whole) > MESSAGE_BYTES_MAX:
            raise _invalid(f"Ed25519 signs messages of at most {MESSAGE_BYTES_MAX} bytes here")
    return bytes(whole)


def _invalid(sentence: str) -> SignatureInvalid:
    return SignatureInvalid("SIGNATURE_INVALID", sentence)
