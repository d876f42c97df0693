"""Envelopes that carry a private key into or out of the service: what is in them, and their info.

The info ties such an envelope to its direction, algorithm and key, so that one never passes for another:

info = "hallmark-key-import-v1" or "hallmark-key-export-v1" || for each field: 4-byte big-endian length || bytes
fields: the algorithm's value below, the key's resource name (UTF-8)

The plaintext is DER:
    composite   PKCS#8 (RFC 5958) with the composite's OID around seed || ECPrivateKey without public key
                (draft-ietf-lamps-pq-composite-sigs-19, sections 4.2 and 5.1)
    ML-DSA      PKCS#8 with the seed, or with seed and expanded key (RFC 9881, section 6); never the expanded key alone
    ECDSA       PKCS#8 (RFC 5915), or a bare ECPrivateKey (SEC 1, C.4) when importing
    Ed25519     PKCS#8 (RFC 8410)
and for HPKE, which has no such format for its KEMs, the 32-byte seed alone.
"""

import enum
from typing import Final

from .errors import MalformedInput
from .kem import MAX_INFO_SIZE

_IMPORT: Final = b"hallmark-key-import-v1"
_EXPORT: Final = b"hallmark-key-export-v1"


class TransferAlgorithm(enum.StrEnum):
    """What a private key that travels is for."""

    MLDSA44_ECDSA_P256_SHA256 = "id-MLDSA44-ECDSA-P256-SHA256"
    MLDSA65_ECDSA_P256_SHA512 = "id-MLDSA65-ECDSA-P256-SHA512"
    MLDSA87_ECDSA_P384_SHA512 = "id-MLDSA87-ECDSA-P384-SHA512"
    ML_DSA_44 = "ML-DSA-44"
    ML_DSA_65 = "ML-DSA-65"
    ML_DSA_87 = "ML-DSA-87"
    ECDSA_P256 = "ECDSA-P-256"
    ECDSA_P384 = "ECDSA-P-384"
    ED25519 = "Ed25519"
    HPKE_MLKEM768_X25519 = "HPKE-MLKEM768-X25519"
    HPKE_MLKEM1024_P384 = "HPKE-MLKEM1024-P384"


def import_info(*, algorithm: TransferAlgorithm, key_name: str) -> bytes:
    """For the key that is brought into the service under `key_name`. Raises MalformedInput."""
    return _info(_IMPORT, algorithm, key_name)


def export_info(*, algorithm: TransferAlgorithm, key_name: str) -> bytes:
    """For the key that `key_name` (see `exported_name`) lets go. Raises MalformedInput."""
    return _info(_EXPORT, algorithm, key_name)


def exported_name(version: str, purpose: str) -> str:
    """What a service's key travels as: its version, and its purpose in capitals, which it keeps wherever it goes."""
    return f"{version}#{purpose.upper()}"


def _info(domain: bytes, *fields: str) -> bytes:
    encoded = [field.encode() for field in fields]
    info = domain + b"".join(len(field).to_bytes(4, "big") + field for field in encoded)
    if len(info) > MAX_INFO_SIZE:
        raise MalformedInput("the key name is too long")
    return info
