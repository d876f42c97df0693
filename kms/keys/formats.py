"""Signatures as JWS and COSE_Sign1, for the algorithms whose registrations are settled.

JWS compact serialization (RFC 7515) and COSE_Sign1 (RFC 9052) with the payload inside. Algorithms: ES256 and ES384 (RFC
7518, RFC 9053), EdDSA (RFC 8037, RFC 9053), ML-DSA (RFC 9964, always under an empty context). Composites are not
settled: draft-ietf-jose-pq-composite-sigs has no assigned numbers.
"""

import base64
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, assert_never

import cbor2

from hallmark_composite.encoding import decode_ecdsa_der
from kms.core.canonical import canonical_json
from kms.core.errors import InvalidArgument, Reason
from kms.keys.algorithms import KeyAlgorithm
from kms.keys.inputs import SignInput
from kms.keys.model import KeyVersion


class SignatureFormat(StrEnum):
    """The value is what the log entry holds; RAW is the algorithm's own bytes."""

    RAW = "raw"
    COSE_SIGN1 = "cose-sign1"
    JWS = "jws"


@dataclass(frozen=True, slots=True)
class _Names:
    jose: str
    cose: int


_NAMES: Final[dict[str, _Names]] = {
    "ECDSA_P256_SHA256": _Names("ES256", -7),
    "ECDSA_P384_SHA384": _Names("ES384", -35),
    "ED25519": _Names("EdDSA", -8),
    "ML_DSA_44": _Names("ML-DSA-44", -48),
    "ML_DSA_65": _Names("ML-DSA-65", -49),
    "ML_DSA_87": _Names("ML-DSA-87", -50),
}
_COSE_ALG: Final = 1
_COSE_KID: Final = 4
_COSE_SIGN1_TAG: Final = 18


@dataclass(frozen=True, slots=True)
class Envelope:
    """A payload that is to be signed in one of the formats. `to_be_signed` is what the key signs."""

    algorithm: KeyAlgorithm
    format: SignatureFormat
    protected: bytes
    payload: bytes
    to_be_signed: bytes

    def close(self, signature: bytes) -> bytes:
        """The whole object: tagged CBOR, or ASCII of three parts. `signature`: the algorithm's own bytes."""
        settled = _joined(self.algorithm, signature)
        match self.format:
            case SignatureFormat.COSE_SIGN1:
                content: list[Any] = [self.protected, {}, self.payload, settled]
                return cbor2.dumps(cbor2.CBORTag(_COSE_SIGN1_TAG, content), canonical=True)
            case SignatureFormat.JWS:
                return b".".join((self.to_be_signed, _base64url(settled)))
            case SignatureFormat.RAW:
                raise ValueError("raw signatures have no envelope")
            case _:
                assert_never(self.format)


def open_envelope(version: KeyVersion, wanted: SignatureFormat, given: SignInput) -> Envelope | None:
    """None for RAW. Raises InvalidArgument/FORMAT_UNSUPPORTED. The key is named by its version (kid)."""
    if wanted is SignatureFormat.RAW:
        return None
    algorithm = version.algorithm
    names = _NAMES.get(algorithm.name)
    if names is None:
        raise _unsupported(f"{wanted} of {algorithm} is not settled yet; take the raw signature")
    if given.data is None:
        raise _unsupported(f"{wanted} holds the payload; send data")
    if given.context:
        raise _unsupported(f"{wanted} is signed without a context (RFC 9964); leave it out")
    key_id = str(version.name)
    if wanted is SignatureFormat.JWS:
        protected = _base64url(canonical_json({"alg": names.jose, "kid": key_id}))
        signed = b".".join((protected, _base64url(given.data)))
        return Envelope(algorithm, wanted, protected, given.data, signed)
    protected = cbor2.dumps({_COSE_ALG: names.cose, _COSE_KID: key_id.encode()}, canonical=True)
    signed = cbor2.dumps(["Signature1", protected, b"", given.data], canonical=True)
    return Envelope(algorithm, wanted, protected, given.data, signed)


def _joined(algorithm: KeyAlgorithm, signature: bytes) -> bytes:
    """ECDSA as r || s (RFC 7518 section 3.4, RFC 9053 section 2.1); others as they are."""
    if algorithm.curve is None:
        return signature
    size = algorithm.curve.coordinate_size
    return b"".join(part.to_bytes(size, "big") for part in decode_ecdsa_der(algorithm.curve, signature))


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _unsupported(sentence: str) -> InvalidArgument:
    return InvalidArgument(Reason.FORMAT_UNSUPPORTED, sentence, field="format")
