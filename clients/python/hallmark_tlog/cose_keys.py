"""Public keys of receipts as COSE_Key and COSE_KeySet (RFC 9052, section 7): Ed25519 and ML-DSA-44 (RFC 9964).

The key ID is the key's thumbprint (RFC 9679): SHA-256 over the deterministic CBOR of its required members.
"""

import hashlib
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from hallmark_tlog.cose import Algorithm, CoseKey, decode_cbor, encode_cbor
from hallmark_tlog.errors import FormatError

MAX_KEYS = 64

_KTY, _KID, _ALG = 1, 2, 3
_OKP, _AKP = 1, 7
_CRV, _ED25519, _X = -1, 6, -2
_PUB = -1
_ED25519_BYTES, _ML_DSA_44_BYTES = 32, 1312


def thumbprint(algorithm: Algorithm, public_key: bytes) -> bytes:
    """32 bytes. `public_key`: raw, of 32 bytes for EDDSA, of 1312 for ML_DSA_44."""
    return hashlib.sha256(encode_cbor(_required(algorithm, public_key))).digest()


def encode_key(algorithm: Algorithm, public_key: bytes) -> bytes:
    """A COSE_Key with its key ID and the one algorithm it is for."""
    return encode_cbor(_members(algorithm, public_key))


def encode_key_set(keys: "list[tuple[Algorithm, bytes]]") -> bytes:
    return encode_cbor([_members(algorithm, public_key) for algorithm, public_key in keys])


def parse_key(data: bytes) -> CoseKey:
    """Strict: only what `encode_key` writes. Raises FormatError, also for a key ID that is not the thumbprint."""
    algorithm, public_key = _read(decode_cbor(data))
    if encode_key(algorithm, public_key) != data:
        raise FormatError("the COSE_Key is not in deterministic CBOR, or its key ID is not its thumbprint")
    return _key(algorithm, public_key)


def parse_key_set(data: bytes) -> list[CoseKey]:
    """1 to 64 keys, as strict. Raises FormatError."""
    found = decode_cbor(data)
    if not isinstance(found, list) or not 1 <= len(found) <= MAX_KEYS:
        raise FormatError(f"a COSE_KeySet is an array of 1 to {MAX_KEYS} keys")
    keys = [_read(members) for members in found]
    if encode_key_set(keys) != data:
        raise FormatError("the COSE_KeySet is not in deterministic CBOR, or a key ID is not the key's thumbprint")
    return [_key(algorithm, public_key) for algorithm, public_key in keys]


def _members(algorithm: Algorithm, public_key: bytes) -> dict[int, Any]:
    kid = thumbprint(algorithm, public_key)
    return {**_required(algorithm, public_key), _KID: kid, _ALG: int(algorithm)}


def _required(algorithm: Algorithm, public_key: bytes) -> dict[int, Any]:
    match algorithm:
        case Algorithm.EDDSA if len(public_key) == _ED25519_BYTES:
            return {_KTY: _OKP, _CRV: _ED25519, _X: public_key}
        case Algorithm.ML_DSA_44 if len(public_key) == _ML_DSA_44_BYTES:
            return {_KTY: _AKP, _ALG: int(algorithm), _PUB: public_key}
        case _:
            raise FormatError("a key of receipts is Ed25519 (32 bytes) or ML-DSA-44 (1312 bytes)")


def _read(members: Any) -> tuple[Algorithm, bytes]:
    match members:
        case {1: 1, -2: bytes(public_key)} if len(public_key) == _ED25519_BYTES:
            return Algorithm.EDDSA, public_key
        case {1: 7, -1: bytes(public_key)} if len(public_key) == _ML_DSA_44_BYTES:
            return Algorithm.ML_DSA_44, public_key
        case _:
            raise FormatError("not a COSE_Key of Ed25519 or ML-DSA-44")


def _key(algorithm: Algorithm, public_key: bytes) -> CoseKey:
    kid = thumbprint(algorithm, public_key)
    try:
        if algorithm is Algorithm.EDDSA:
            return CoseKey(Ed25519PublicKey.from_public_bytes(public_key), kid)
        return CoseKey(MLDSA44PublicKey.from_public_bytes(public_key), kid)
    except ValueError as error:
        raise FormatError("the public key is not one") from error
