"""Signatures in WebAuthn statements: a COSE algorithm (IANA), a key, and for ECDSA a DER signature (6.5.5)."""

from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from attestation import cose_key as cose
from attestation import der
from attestation.errors import EvidenceError
from attestation.reasons import Reason
from attestation.signatures import load_key

_ECDSA: Final[dict[int, hashes.HashAlgorithm]] = {
    cose.ES256: hashes.SHA256(), cose.ESP256: hashes.SHA256(),
    cose.ES384: hashes.SHA384(), cose.ESP384: hashes.SHA384(),
    cose.ES512: hashes.SHA512(), cose.ESP512: hashes.SHA512(),
}  # fmt: skip
_RSA: Final[dict[int, hashes.HashAlgorithm]] = {
    cose.RS256: hashes.SHA256(), cose.RS384: hashes.SHA384(), cose.RS512: hashes.SHA512(),
}  # fmt: skip
_PSS: Final[dict[int, hashes.HashAlgorithm]] = {
    cose.PS256: hashes.SHA256(), cose.PS384: hashes.SHA384(), cose.PS512: hashes.SHA512(),
}  # fmt: skip
_RSA_WITH_SHA1: Final[dict[int, hashes.HashAlgorithm]] = {cose.RS1: hashes.SHA1()}  # noqa: S303
# Algorithms that bring their own hash, and the types of key they are for.
_SELF_CONTAINED: Final[dict[int, tuple[type, ...]]] = {
    cose.EDDSA: (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey),
    cose.ED25519: (ed25519.Ed25519PublicKey,),
    cose.ED448: (ed448.Ed448PublicKey,),
    cose.ML_DSA_44: (mldsa.MLDSA44PublicKey,),
    cose.ML_DSA_65: (mldsa.MLDSA65PublicKey,),
    cose.ML_DSA_87: (mldsa.MLDSA87PublicKey,),
}
_Verifier = (
    ed25519.Ed25519PublicKey
    | ed448.Ed448PublicKey
    | mldsa.MLDSA44PublicKey
    | mldsa.MLDSA65PublicKey
    | mldsa.MLDSA87PublicKey
)


def check_statement_signature(
    algorithm: int, *, spki: bytes, signature: bytes, message: bytes, allow_sha1: bool = False
) -> None:
    """Verify; EvidenceError with BAD_SIGNATURE, or UNSUPPORTED_ALGORITHM when algorithm and key do not fit.

    `allow_sha1` lets RS1 through, for TPM statements only.
    """
    key = load_key(spki)
    try:
        _verify(key, algorithm, signature, message, rsa_hashes=_RSA | _RSA_WITH_SHA1 if allow_sha1 else _RSA)
    except InvalidSignature as error:
        raise EvidenceError("the statement's signature does not verify", reason=Reason.BAD_SIGNATURE) from error


def hash_of(algorithm: int) -> hashes.HashAlgorithm:
    """The hash inside a signature algorithm, by which a TPM statement names what it certifies (8.3)."""
    known = _ECDSA | _RSA | _PSS | _RSA_WITH_SHA1
    if algorithm not in known:
        raise EvidenceError(f"COSE algorithm {algorithm} has no hash to use", reason=Reason.UNSUPPORTED_ALGORITHM)
    return known[algorithm]


def _verify(
    key: PublicKeyTypes,
    algorithm: int,
    signature: bytes,
    message: bytes,
    *,
    rsa_hashes: dict[int, hashes.HashAlgorithm],
) -> None:
    if isinstance(key, ec.EllipticCurvePublicKey) and algorithm in _ECDSA:
        key.verify(_strict_der(signature), message, ec.ECDSA(_ECDSA[algorithm]))
    elif isinstance(key, rsa.RSAPublicKey) and algorithm in rsa_hashes:
        key.verify(signature, message, padding.PKCS1v15(), rsa_hashes[algorithm])
    elif isinstance(key, rsa.RSAPublicKey) and algorithm in _PSS:
        name = _PSS[algorithm]
        key.verify(signature, message, padding.PSS(padding.MGF1(name), name.digest_size), name)
    elif isinstance(key, _Verifier) and isinstance(key, _SELF_CONTAINED.get(algorithm, ())):
        key.verify(signature, message)
    else:
        detail = f"COSE algorithm {algorithm} is not in use or does not fit the key"
        raise EvidenceError(detail, reason=Reason.UNSUPPORTED_ALGORITHM)


def _strict_der(signature: bytes) -> bytes:
    """The same two numbers in DER: some authenticators write them longer than needed (YubiKey firmware 5.8)."""
    try:
        numbers = [item.integer() for item in der.parse(signature, relaxed=True).sequence()]
    except EvidenceError as error:
        raise EvidenceError(f"ECDSA signature: {error.detail}", reason=Reason.BAD_SIGNATURE) from error
    if len(numbers) != 2 or min(numbers) < 1:
        raise EvidenceError("ECDSA signature is not two positive numbers", reason=Reason.BAD_SIGNATURE)
    return encode_dss_signature(numbers[0], numbers[1])
