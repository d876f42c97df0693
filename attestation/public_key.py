"""What kind of key a SubjectPublicKeyInfo holds, read without loading it: attested keys may be of any algorithm."""

from hashlib import sha256
from typing import Final

from attestation import der
from attestation.claims import KeyClaim
from attestation.der import Element, Type
from attestation.errors import EvidenceError

UNKNOWN: Final = "UNKNOWN"

_RSA: Final = "1.2.840.113549.1.1.1"
_EC: Final = "1.2.840.10045.2.1"
_CURVES: Final = {
    "1.3.132.0.33": ("P-224", 224),
    "1.2.840.10045.3.1.7": ("P-256", 256),
    "1.3.132.0.34": ("P-384", 384),
    "1.3.132.0.35": ("P-521", 521),
}
_NAMED: Final = {
    "1.3.101.110": "X25519",
    "1.3.101.112": "Ed25519",
    "2.16.840.1.101.3.4.3.17": "ML-DSA-44",
    "2.16.840.1.101.3.4.3.18": "ML-DSA-65",
    "2.16.840.1.101.3.4.3.19": "ML-DSA-87",
}


def describe_key(spki: bytes, *, origin: str | None = None, purposes: tuple[str, ...] = ()) -> KeyClaim:
    """The key claim of a DER SubjectPublicKeyInfo (RFC 5280, 4.1.2.7). Keys that cannot be read are UNKNOWN."""
    try:
        algorithm, size_bits, curve = _describe(spki)
    except EvidenceError:
        algorithm, size_bits, curve = UNKNOWN, None, None
    return KeyClaim(spki, sha256(spki).hexdigest(), algorithm, size_bits, curve, origin, purposes)


def _describe(spki: bytes) -> tuple[str, int | None, str | None]:
    fields = der.parse(spki, relaxed=True).sequence()
    if len(fields) != 2:
        raise EvidenceError("key is not algorithm and bits")
    identifier = fields[0].sequence()
    if not identifier:
        raise EvidenceError("algorithm identifier is empty")
    algorithm = identifier[0].oid()
    if algorithm == _RSA:
        return "RSA", _modulus_bits(fields[1]), None
    if algorithm == _EC:
        named = identifier[1].oid() if len(identifier) == 2 and identifier[1].is_a(Type.OBJECT_IDENTIFIER) else ""
        curve, size_bits = _CURVES.get(named, (UNKNOWN, None))
        return "EC", size_bits, curve
    return _NAMED.get(algorithm, UNKNOWN), None, None


def _modulus_bits(bits: Element) -> int:
    numbers = der.parse(bits.bits(), relaxed=True).sequence()
    if not numbers:
        raise EvidenceError("RSA key has no modulus")
    return numbers[0].integer().bit_length()
