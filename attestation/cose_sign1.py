"""COSE_Sign1 (RFC 9052, 4.2): a payload, headers and one signature, read strictly and verified with a key given by the
caller.

The message is an array of four, with or without tag 18: protected headers (a byte string that holds a map), other
headers (a map), payload, signature. Refused: detached payloads, a header in both maps, headers marked critical, and any
algorithm the caller did not name. Nothing in the headers is trusted to find the key.
"""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from attestation import cbor
from attestation.cbor import CborKey, CborValue, Tagged
from attestation.errors import EvidenceError
from attestation.reasons import Reason
from attestation.signatures import load_key

TAG: Final = 18
MAX_MESSAGE_BYTES: Final = 64 * 1024

HEADER_ALGORITHM: Final = 1  # RFC 9052, 3.1
HEADER_CRITICAL: Final = 2


class CoseAlgorithm(IntEnum):
    """Signature algorithms (RFC 9053, 2; ML-DSA as in draft-ietf-cose-dilithium)."""

    ES256 = -7
    EDDSA = -8
    ES384 = -35
    ES512 = -36
    ML_DSA_44 = -48
    ML_DSA_65 = -49
    ML_DSA_87 = -50


@dataclass(frozen=True, slots=True)
class CoseSign1:
    """A parsed message. `protected` are the bytes that were signed, `headers` the map inside them."""

    tagged: bool
    protected: bytes
    headers: dict[CborKey, CborValue]
    unprotected: dict[CborKey, CborValue]
    payload: bytes
    signature: bytes

    def algorithm(self) -> CoseAlgorithm:
        """The algorithm in the protected headers; EvidenceError (UNSUPPORTED_ALGORITHM) when it is none of ours."""
        found = self.headers.get(HEADER_ALGORITHM)
        if not isinstance(found, int) or found not in _VERIFIERS:
            raise EvidenceError("COSE names no algorithm that counts", reason=Reason.UNSUPPORTED_ALGORITHM)
        return CoseAlgorithm(found)

    def verify(self, spki: bytes, *, algorithms: AbstractSet[CoseAlgorithm], external_aad: bytes = b"") -> None:
        """Check the signature with a key (DER SubjectPublicKeyInfo) by one of the allowed algorithms.

        Raises EvidenceError with BAD_SIGNATURE, or UNSUPPORTED_ALGORITHM when the algorithm is not allowed or does not
        fit the key. ES256, ES384 and ES512 go with P-256, P-384 and P-521 only.
        """
        algorithm = self.algorithm()
        if algorithm not in algorithms:
            raise EvidenceError(f"COSE algorithm {algorithm.name}", reason=Reason.UNSUPPORTED_ALGORITHM)
        try:
            _VERIFIERS[algorithm](load_key(spki), self.signature, self.signed_bytes(external_aad))
        except InvalidSignature as error:
            raise EvidenceError("COSE signature does not verify", reason=Reason.BAD_SIGNATURE) from error

    def signed_bytes(self, external_aad: bytes = b"") -> bytes:
        """The Sig_structure (RFC 9052, 4.4)."""
        return sig_structure(self.protected, self.payload, external_aad=external_aad)


def parse_cose_sign1(data: bytes) -> CoseSign1:
    """Read one message of at most 64 KiB that fills `data`; EvidenceError otherwise."""
    if len(data) > MAX_MESSAGE_BYTES:
        raise EvidenceError(f"COSE message of {len(data)} bytes, at most {MAX_MESSAGE_BYTES}")
    message = cbor.decode(data)
    tagged = isinstance(message, Tagged)
    if isinstance(message, Tagged):
        if message.tag != TAG:
            raise EvidenceError(f"CBOR tag {message.tag} where COSE_Sign1 (18) belongs")
        message = message.value
    if not isinstance(message, tuple) or len(message) != 4:
        raise EvidenceError("COSE_Sign1 is not an array of four")
    protected, unprotected, payload, signature = message
    if not isinstance(protected, bytes) or not isinstance(unprotected, dict) or not isinstance(signature, bytes):
        raise EvidenceError("COSE_Sign1 has fields of wrong types")
    if not isinstance(payload, bytes):
        raise EvidenceError("COSE_Sign1 does not carry its payload")
    headers = cbor.decode(protected) if protected else {}
    if not isinstance(headers, dict):
        raise EvidenceError("protected headers are not a map")
    if headers.keys() & unprotected.keys():
        raise EvidenceError("COSE header is both protected and not")
    if HEADER_CRITICAL in headers or HEADER_CRITICAL in unprotected:
        raise EvidenceError("COSE has critical headers that this verifier does not know")
    return CoseSign1(tagged, protected, headers, unprotected, payload, signature)


def sig_structure(protected: bytes, payload: bytes, *, external_aad: bytes = b"") -> bytes:
    """What COSE_Sign1 signs: the array ["Signature1", protected, external_aad, payload] (RFC 9052, 4.4)."""
    context = b"\x6aSignature1"  # a text of ten octets
    return b"\x84" + context + _byte_string(protected) + _byte_string(external_aad) + _byte_string(payload)


def _byte_string(value: bytes) -> bytes:
    size = len(value)
    if size < 24:
        return bytes([0x40 | size]) + value
    if size < 0x100:
        return b"\x58" + size.to_bytes(1) + value
    if size < 0x10000:
        return b"\x59" + size.to_bytes(2) + value
    return b"\x5a" + size.to_bytes(4) + value


_Verifier = Callable[[PublicKeyTypes, bytes, bytes], None]


def _ecdsa(curve: type[ec.EllipticCurve], digest: hashes.HashAlgorithm) -> _Verifier:
    """The numbers r and s as two numbers of the curve's size, big endian (RFC 9053, 2.1)."""

    def verify(key: PublicKeyTypes, signature: bytes, message: bytes) -> None:
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, curve):
            raise _unfit()
        size = (key.key_size + 7) // 8
        if len(signature) != 2 * size:
            raise InvalidSignature
        r, s = int.from_bytes(signature[:size]), int.from_bytes(signature[size:])
        key.verify(encode_dss_signature(r, s), message, ec.ECDSA(digest))

    return verify


def _eddsa(key: PublicKeyTypes, signature: bytes, message: bytes) -> None:
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise _unfit()
    key.verify(signature, message)


def _mldsa(kind: type[mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey]) -> _Verifier:
    def verify(key: PublicKeyTypes, signature: bytes, message: bytes) -> None:
        if not isinstance(key, kind):
            raise _unfit()
        key.verify(signature, message)

    return verify


def _unfit() -> EvidenceError:
    return EvidenceError("COSE algorithm does not fit the key", reason=Reason.UNSUPPORTED_ALGORITHM)


_VERIFIERS: Final[dict[CoseAlgorithm, _Verifier]] = {
    CoseAlgorithm.ES256: _ecdsa(ec.SECP256R1, hashes.SHA256()),
    CoseAlgorithm.EDDSA: _eddsa,
    CoseAlgorithm.ES384: _ecdsa(ec.SECP384R1, hashes.SHA384()),
    CoseAlgorithm.ES512: _ecdsa(ec.SECP521R1, hashes.SHA512()),
    CoseAlgorithm.ML_DSA_44: _mldsa(mldsa.MLDSA44PublicKey),
    CoseAlgorithm.ML_DSA_65: _mldsa(mldsa.MLDSA65PublicKey),
    CoseAlgorithm.ML_DSA_87: _mldsa(mldsa.MLDSA87PublicKey),
}
