"""COSE_Sign1 (RFC 9052 section 4.2), as far as receipts and signed statements need it.

Read strictly: one CBOR item, definite lengths, no duplicate labels, no tag but 18, nothing behind the end, no header
that is marked critical, no label in both headers. Of a header only the protected part is believed.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import cbor2
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from hallmark_tlog.errors import BadSignature, FormatError, NotSigned

MAX_MESSAGE_BYTES = 1_000_000

TAG_SIGN1 = b"\xd2"
_MAX_DEPTH = 16
_ALG, _CRIT, _KID, _CWT_CLAIMS = 1, 2, 4, 15
_ISSUER, _SUBJECT = 1, 2


class Algorithm(IntEnum):
    """Signature algorithms (RFC 9053, RFC 9864, RFC 9964). Each goes with one kind of key here, also -7, -8 and -35."""

    ES256 = -7
    EDDSA = -8
    ESP256 = -9
    ED25519 = -19
    ES384 = -35
    ML_DSA_44 = -48
    ESP384 = -51


PublicKey = Ed25519PublicKey | ec.EllipticCurvePublicKey | MLDSA44PublicKey


@dataclass(frozen=True, slots=True)
class CoseKey:
    """A key that is trusted. With `kid`, it is not tried on messages that name another one."""

    public_key: PublicKey
    kid: bytes | None = None

    def __post_init__(self) -> None:
        if not self.algorithms:
            raise FormatError("the public key is none of Ed25519, P-256, P-384 and ML-DSA-44")

    @property
    def algorithms(self) -> frozenset[Algorithm]:
        match self.public_key:
            case Ed25519PublicKey():
                return frozenset({Algorithm.EDDSA, Algorithm.ED25519})
            case MLDSA44PublicKey():
                return frozenset({Algorithm.ML_DSA_44})
            case ec.EllipticCurvePublicKey(curve=ec.SECP256R1()):
                return frozenset({Algorithm.ES256, Algorithm.ESP256})
            case ec.EllipticCurvePublicKey(curve=ec.SECP384R1()):
                return frozenset({Algorithm.ES384, Algorithm.ESP384})
            case _:
                return frozenset()


@dataclass(frozen=True, slots=True)
class Sign1:
    """A parsed message, not verified. `protected` are the bytes that are signed, `headers` the map in them."""

    protected: bytes
    headers: Mapping[Any, Any]
    unprotected: Mapping[Any, Any]
    payload: bytes | None
    signature: bytes

    @property
    def kid(self) -> bytes | None:
        kid = self.headers.get(_KID)
        return kid if isinstance(kid, bytes) else None

    @property
    def issuer(self) -> str | None:
        """The `iss` claim of the CWT claims header (RFC 9597)."""
        return self._claim(_ISSUER)

    @property
    def subject(self) -> str | None:
        """The `sub` claim of the CWT claims header (RFC 9597)."""
        return self._claim(_SUBJECT)

    def _claim(self, label: int) -> str | None:
        claims = self.headers.get(_CWT_CLAIMS)
        value = claims.get(label) if isinstance(claims, dict) else None
        return value if isinstance(value, str) else None


def load_key(pem: bytes, *, kid: bytes | None = None) -> CoseKey:
    """A public key in PEM (SubjectPublicKeyInfo). Raises FormatError."""
    try:
        public_key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise FormatError("not a public key in PEM") from error
    if not isinstance(public_key, Ed25519PublicKey | ec.EllipticCurvePublicKey | MLDSA44PublicKey):
        raise FormatError("the public key is none of Ed25519, P-256, P-384 and ML-DSA-44")
    return CoseKey(public_key, kid)


def protected_header(
    *, algorithm: Algorithm, kid: bytes, issuer: str, subject: str, more: Mapping[int, int] | None = None
) -> bytes:
    """The protected header: algorithm, key ID, CWT claims issuer and subject (RFC 9597), and `more` labels."""
    claims = {_ISSUER: issuer, _SUBJECT: subject}
    return encode_cbor({_ALG: int(algorithm), _KID: kid, _CWT_CLAIMS: claims, **(more or {})})


def signed_bytes(protected: bytes, payload: bytes) -> bytes:
    """The Sig_structure (RFC 9052 section 4.4): what is signed, with pure Ed25519 or ML-DSA-44, or ECDSA."""
    return encode_cbor(["Signature1", protected, b"", payload])


def encode_sign1(protected: bytes, unprotected: Mapping[int, Any], payload: bytes | None, signature: bytes) -> bytes:
    """The tagged message. ECDSA signatures are r || s, each as long as the curve's order."""
    return TAG_SIGN1 + encode_cbor([protected, dict(unprotected), payload, signature])


def parse_sign1(data: bytes) -> Sign1:
    """Read one message, tagged or not. Raises FormatError."""
    if len(data) > MAX_MESSAGE_BYTES:
        raise FormatError(f"a COSE message is larger than {MAX_MESSAGE_BYTES} bytes")
    match decode_cbor(data.removeprefix(TAG_SIGN1)):
        case [bytes(protected), dict(unprotected), payload, bytes(signature)] if isinstance(payload, bytes | None):
            headers = decode_cbor(protected) if protected else {}
        case _:
            raise FormatError("not a COSE_Sign1 message: four elements, two headers, payload, signature")
    if not isinstance(headers, dict) or _CRIT in headers or headers.keys() & unprotected.keys():
        raise FormatError("the headers are no map, have critical labels, or the same label twice")
    return Sign1(protected, headers, unprotected, payload, signature)


def verify_sign1(message: Sign1 | bytes, keys: Sequence[CoseKey], *, payload: bytes | None = None) -> CoseKey:
    """Verify a message whose payload is attached, or detached and given; return the key that signed it.

    Raises NotSigned when no key fits its algorithm and key ID, BadSignature when none that fits verifies, FormatError.
    """
    if isinstance(message, bytes):
        message = parse_sign1(message)
    content = message.payload if payload is None else payload
    if content is None or message.payload not in (None, content):
        raise FormatError("the payload is neither attached nor given, or not the one given")
    algorithm = message.headers.get(_ALG)
    if type(algorithm) is not int:
        raise FormatError("the protected header has no algorithm")
    fitting = [key for key in keys if algorithm in key.algorithms and message.kid in (None, key.kid or message.kid)]
    if not fitting:
        raise NotSigned(f"no given key fits the message's algorithm ({algorithm}) and key ID")
    signed = signed_bytes(message.protected, content)
    for key in fitting:
        try:
            _verify(key.public_key, message.signature, signed)
        except (InvalidSignature, ValueError):
            continue
        return key
    raise BadSignature("the signature of the COSE message does not verify")


def encode_cbor(value: object) -> bytes:
    """Deterministic CBOR (RFC 8949 section 4.2)."""
    return cbor2.dumps(value, canonical=True)


def decode_cbor(data: bytes) -> Any:
    """The one item that fills `data`: integers, strings, lists, maps, floats and simple values. Raises FormatError."""
    stream = io.BytesIO(data)
    decoder = cbor2.CBORDecoder(
        stream,
        read_size=1,
        max_depth=_MAX_DEPTH,
        allow_indefinite=False,
        allow_duplicate_keys=False,
        semantic_decoders=_NoTags(),
    )
    try:
        value = decoder.decode()
    except cbor2.CBORDecodeError as error:
        raise FormatError("not CBOR as it is accepted here") from error
    if stream.read(1):
        raise FormatError("bytes follow the CBOR item")
    _check_labels(value)
    return value


class _NoTags(dict[int, Callable[..., object]]):
    """Every tag has a decoder that refuses it."""

    def __missing__(self, tag: int) -> Callable[..., object]:
        def refuse(*_: object) -> object:
            raise ValueError(f"tag {tag}")

        return refuse


def _check_labels(value: object) -> None:
    # To Python, True and 1.0 are the key 1: a label that is a number must be an integer.
    match value:
        case dict():
            if any(type(label) not in (int, str, bytes) for label in value):
                raise FormatError("a label of a CBOR map is not an integer or a string")
            for item in value.values():
                _check_labels(item)
        case list() | tuple():
            for item in value:
                _check_labels(item)


def _verify(public_key: PublicKey, signature: bytes, signed: bytes) -> None:
    if not isinstance(public_key, ec.EllipticCurvePublicKey):
        public_key.verify(signature, signed)
        return
    size = (public_key.curve.key_size + 7) // 8
    if len(signature) != 2 * size:
        raise InvalidSignature
    pair = (int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big"))
    digest = hashes.SHA256() if size == 32 else hashes.SHA384()
    public_key.verify(encode_dss_signature(*pair), signed, ec.ECDSA(digest))
