"""Which algorithms a client certificate rests on (RFC 5280, section 4.1), in the words of the report."""

from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from kms.audit.model import NO_CERTIFICATE, UNKNOWN, CertificateFacts

_KNOWN_MAX: Final = 512
_CURVES: Final = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
_KEYS: Final = {
    # FIPS 204 and RFC 9881, section 3
    "2.16.840.1.101.3.4.3.17": "ML-DSA-44",
    "2.16.840.1.101.3.4.3.18": "ML-DSA-65",
    "2.16.840.1.101.3.4.3.19": "ML-DSA-87",
}
_SIGNATURES: Final = {
    # RFC 5758, section 3.2
    "1.2.840.10045.4.3.2": "ECDSA-SHA256",
    "1.2.840.10045.4.3.3": "ECDSA-SHA384",
    "1.2.840.10045.4.3.4": "ECDSA-SHA512",
    # RFC 8017, appendix A.2
    "1.2.840.113549.1.1.10": "RSA-PSS",
    "1.2.840.113549.1.1.11": "RSA-SHA256",
    "1.2.840.113549.1.1.12": "RSA-SHA384",
    "1.2.840.113549.1.1.13": "RSA-SHA512",
    # RFC 8410, section 3
    "1.3.101.112": "Ed25519",
    "1.3.101.113": "Ed448",
    **_KEYS,
}


@lru_cache(maxsize=_KNOWN_MAX)
def read_certificate(pem: bytes) -> CertificateFacts:
    """TLS has verified it; what can not be read all the same is "unknown". Empty: there is none. Takes 10 us once."""
    if not pem:
        return NO_CERTIFICATE
    try:
        return facts_of(x509.load_pem_x509_certificate(pem))
    except (ValueError, UnsupportedAlgorithm):
        return _pair(UNKNOWN, UNKNOWN)


def facts_of(certificate: x509.Certificate) -> CertificateFacts:
    """Raises ValueError, UnsupportedAlgorithm for a key that can not be read."""
    signature = certificate.signature_algorithm_oid.dotted_string
    return _pair(_key_of(certificate), _SIGNATURES.get(signature, signature))


@lru_cache(maxsize=64)
def _pair(key: str, signature: str) -> CertificateFacts:
    """The same few for everybody: kept once."""
    return CertificateFacts(key, signature)


def _key_of(certificate: x509.Certificate) -> str:
    algorithm = certificate.public_key_algorithm_oid.dotted_string
    if algorithm in _KEYS:
        return _KEYS[algorithm]
    match certificate.public_key():
        case ec.EllipticCurvePublicKey() as key:
            return f"ECDSA {_CURVES.get(key.curve.name, key.curve.name)}"
        case rsa.RSAPublicKey() as key:
            return f"RSA-{key.key_size}"
        case ed25519.Ed25519PublicKey():
            return "Ed25519"
        case ed448.Ed448PublicKey():
            return "Ed448"
        case _:
            return algorithm
