"""Throw-away keys and certificates for the evidence factory.

Certificates are put together by hand, because the factory must also make what no certificate library will write: two
extensions of one kind, CAs that are none, signatures of algorithms nobody should use.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from attestation.testing import asn1
from attestation.testing.pss import Pss
from attestation.x509 import BASIC_CONSTRAINTS, COMMON_NAME, KEY_USAGE, ORGANIZATION, SERIAL_NUMBER, TITLE

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | mldsa.MLDSA65PrivateKey

DIGITAL_SIGNATURE: Final = 0
KEY_CERT_SIGN: Final = 5
CRL_SIGN: Final = 6


class KeyKind(StrEnum):
    """Kinds of keys a virtual device can make."""

    EC_P256 = "EC-P256"
    EC_P384 = "EC-P384"
    RSA_2048 = "RSA-2048"
    ML_DSA_65 = "ML-DSA-65"


_GENERATORS: Final[dict[KeyKind, Callable[[], PrivateKey]]] = {
    KeyKind.EC_P256: lambda: ec.generate_private_key(ec.SECP256R1()),
    KeyKind.EC_P384: lambda: ec.generate_private_key(ec.SECP384R1()),
    KeyKind.RSA_2048: lambda: rsa.generate_private_key(65537, 2048),
    KeyKind.ML_DSA_65: mldsa.MLDSA65PrivateKey.generate,
}


def new_key(kind: KeyKind) -> PrivateKey:
    return _GENERATORS[kind]()


def spki_of(key: PrivateKey) -> bytes:
    """DER SubjectPublicKeyInfo of a private key's public half."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def name(
    *, common: str | None = None, organization: str | None = None, serial: str | None = None, title: str | None = None
) -> bytes:
    """Distinguished name with one attribute in each relative name."""
    given = ((SERIAL_NUMBER, serial), (TITLE, title), (COMMON_NAME, common), (ORGANIZATION, organization))
    return asn1.sequence(
        *(asn1.set_of(asn1.sequence(asn1.oid(kind), asn1.utf8(text))) for kind, text in given if text is not None)
    )


def extension(oid: str, value: bytes, *, critical: bool = False) -> bytes:
    flag = (asn1.boolean(True),) if critical else ()
    return asn1.sequence(asn1.oid(oid), *flag, asn1.octets(value))


def key_usage(*bits: int) -> bytes:
    """KeyUsage with these bits, each from 0 to 7 (RFC 5280, 4.2.1.3)."""
    octet = sum(0x80 >> bit for bit in bits)
    return extension(KEY_USAGE, asn1.bits(bytes([octet]), unused=7 - max(bits)), critical=True)


def ca_extensions(*, path_length: int | None = None) -> tuple[bytes, ...]:
    """What makes a certificate one of a CA."""
    limit = () if path_length is None else (asn1.integer(path_length),)
    constraints = extension(BASIC_CONSTRAINTS, asn1.sequence(asn1.boolean(True), *limit), critical=True)
    return constraints, key_usage(KEY_CERT_SIGN, CRL_SIGN)


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateRequest:
    """The fields of a certificate before it is signed."""

    subject: bytes
    spki: bytes
    not_before: datetime
    not_after: datetime
    extensions: tuple[bytes, ...]
    serial: int | None = None  # None: 16 random octets


def issue(
    request: CertificateRequest,
    *,
    issuer: bytes,
    signer: PrivateKey,
    algorithm: bytes | None = None,
    pss: Pss | None = None,
) -> bytes:
    """Sign a request; `algorithm` writes another AlgorithmIdentifier than the one that was used. With `pss` an RSA key
    signs by RSASSA-PSS.
    """
    identifier = algorithm or (pss.identifier() if pss else signature_algorithm(signer))
    serial = secrets.randbits(127) | 1 << 126 if request.serial is None else request.serial
    tbs = asn1.sequence(
        asn1.explicit(0, asn1.integer(2)),
        asn1.integer(serial),
        identifier,
        issuer,
        asn1.sequence(asn1.time(request.not_before), asn1.time(request.not_after)),
        request.subject,
        request.spki,
        asn1.explicit(3, asn1.sequence(*request.extensions)),
    )
    signature = pss.sign(signer, tbs) if pss and isinstance(signer, rsa.RSAPrivateKey) else sign(signer, tbs)
    return asn1.sequence(tbs, identifier, asn1.bits(signature))


def _hash(key: ec.EllipticCurvePrivateKey) -> hashes.HashAlgorithm:
    return hashes.SHA384() if key.key_size > 256 else hashes.SHA256()


def signature_algorithm(key: PrivateKey) -> bytes:
    """DER AlgorithmIdentifier of the signatures that `sign` makes with this key."""
    match key:
        case ec.EllipticCurvePrivateKey():
            suffix = 3 if isinstance(_hash(key), hashes.SHA384) else 2
            return asn1.sequence(asn1.oid(f"1.2.840.10045.4.3.{suffix}"))
        case rsa.RSAPrivateKey():
            return asn1.sequence(asn1.oid("1.2.840.113549.1.1.11"), asn1.null())
        case _:
            return asn1.sequence(asn1.oid("2.16.840.1.101.3.4.3.18"))


def sign(key: PrivateKey, message: bytes) -> bytes:
    """Sign as X.509 does: ECDSA and RSA with SHA-256 (P-384: SHA-384), ML-DSA as it is."""
    match key:
        case ec.EllipticCurvePrivateKey():
            return key.sign(message, ec.ECDSA(_hash(key)))
        case rsa.RSAPrivateKey():
            return key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        case _:
            return key.sign(message)
