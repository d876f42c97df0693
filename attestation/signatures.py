"""Signatures of certificates and CRLs: which algorithms count, how large keys may be, and the check itself."""

from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_der_public_key

from attestation import der
from attestation.der import Element
from attestation.errors import EvidenceError
from attestation.reasons import Reason
from attestation.rsa_pss import RSASSA_PSS, pss_hash
from attestation.x509 import Certificate

MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 8192
MAX_RSA_EXPONENT_BITS: Final = 33
MAX_SPKI_BYTES: Final = 4096  # ML-DSA-87 needs 2614
CURVES: Final = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)

_MLDSA_KEYS: Final = (mldsa.MLDSA44PublicKey, mldsa.MLDSA65PublicKey, mldsa.MLDSA87PublicKey)

# RFC 8017 A.2.4 and RFC 5758, 3.2. SHA-1 is not here on purpose.
_RSA_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "1.2.840.113549.1.1.11": hashes.SHA256(),
    "1.2.840.113549.1.1.12": hashes.SHA384(),
    "1.2.840.113549.1.1.13": hashes.SHA512(),
}
_ECDSA_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "1.2.840.10045.4.3.2": hashes.SHA256(),
    "1.2.840.10045.4.3.3": hashes.SHA384(),
    "1.2.840.10045.4.3.4": hashes.SHA512(),
}
# RFC 9881: the algorithm of the key and of the signature share one identifier.
_MLDSA_OIDS: Final = dict(
    zip(("2.16.840.1.101.3.4.3.17", "2.16.840.1.101.3.4.3.18", "2.16.840.1.101.3.4.3.19"), _MLDSA_KEYS, strict=True)
)


def check_signature(certificate: Certificate, issuer_spki: bytes) -> None:
    """Verify a certificate with its issuer's key.

    Raises EvidenceError with BAD_SIGNATURE, or UNSUPPORTED_ALGORITHM when key or algorithm are not in the tables.
    The strength of the key is a separate question: see `weakness`.
    """
    if certificate.inner_algorithm != certificate.outer_algorithm:
        raise EvidenceError("the two signature algorithm fields differ", reason=Reason.BAD_SIGNATURE)
    verify_signature(
        certificate.tbs, certificate.signature, algorithm=certificate.inner_algorithm, signer_spki=issuer_spki
    )


def verify_signature(message: bytes, signature: bytes, *, algorithm: bytes, signer_spki: bytes) -> None:
    """Verify a signature made with a DER AlgorithmIdentifier, such as that of a certificate or CRL.

    Raises EvidenceError with BAD_SIGNATURE, or UNSUPPORTED_ALGORITHM when key or algorithm are not in the tables.
    """
    identifier = _algorithm(algorithm)
    key = load_key(signer_spki)
    try:
        _verify(key, identifier, signature, message)
    except InvalidSignature as error:
        raise EvidenceError("signature does not verify with the issuer's key", reason=Reason.BAD_SIGNATURE) from error


def _verify(key: PublicKeyTypes, identifier: tuple[Element, ...], signature: bytes, message: bytes) -> None:
    algorithm = identifier[0].oid()
    if isinstance(key, rsa.RSAPublicKey) and algorithm in _RSA_HASHES:
        key.verify(signature, message, padding.PKCS1v15(), _RSA_HASHES[algorithm])
    elif isinstance(key, rsa.RSAPublicKey) and algorithm == RSASSA_PSS:
        digest = pss_hash(identifier[1:])
        key.verify(signature, message, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
    elif isinstance(key, ec.EllipticCurvePublicKey) and algorithm in _ECDSA_HASHES:
        key.verify(signature, message, ec.ECDSA(_ECDSA_HASHES[algorithm]))
    elif isinstance(key, _MLDSA_KEYS) and isinstance(key, _MLDSA_OIDS.get(algorithm, ())):
        key.verify(signature, message)
    else:
        detail = f"signature algorithm {algorithm} is unknown or does not fit the issuer's key"
        raise EvidenceError(detail, reason=Reason.UNSUPPORTED_ALGORITHM)


def load_key(spki: bytes) -> PublicKeyTypes:
    """The key of a SubjectPublicKeyInfo, sizes capped before any arithmetic."""
    if len(spki) > MAX_SPKI_BYTES:
        raise EvidenceError(f"public key of {len(spki)} bytes", reason=Reason.UNSUPPORTED_ALGORITHM)
    try:
        key = load_der_public_key(spki)
    except UnsupportedAlgorithm as error:
        raise EvidenceError("public key of an unknown algorithm", reason=Reason.UNSUPPORTED_ALGORITHM) from error
    except ValueError as error:  # such as a point that is not on its curve: nothing can verify with it
        raise EvidenceError("public key cannot be read", reason=Reason.BAD_SIGNATURE) from error
    if isinstance(key, rsa.RSAPublicKey):
        exponent_bits = key.public_numbers().e.bit_length()
        if key.key_size > MAX_RSA_BITS or exponent_bits > MAX_RSA_EXPONENT_BITS:
            detail = f"RSA key of {key.key_size} bits with an exponent of {exponent_bits} bits"
            raise EvidenceError(detail, reason=Reason.UNSUPPORTED_ALGORITHM)
    return key


def weakness(spki: bytes) -> str | None:
    """Why a key that issues certificates is too weak to be believed, or None."""
    try:
        key = load_key(spki)
    except EvidenceError as error:
        return error.detail
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < MIN_RSA_BITS:
        return f"RSA key of {key.key_size} bits, at least {MIN_RSA_BITS}"
    if isinstance(key, ec.EllipticCurvePublicKey) and not isinstance(key.curve, CURVES):
        return f"curve {key.curve.name} is not one of P-256, P-384 and P-521"
    return None


def _algorithm(algorithm_identifier: bytes) -> tuple[Element, ...]:
    """The OID and, where there are any, the parameters."""
    fields = der.parse(algorithm_identifier, relaxed=True).sequence()
    if not fields:
        raise EvidenceError("algorithm identifier is empty")
    return fields
