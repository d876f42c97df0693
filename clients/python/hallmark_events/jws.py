"""JSON Web Signatures (RFC 7515): General JSON with two signatures that both count, and compact ES256.

Two signatures, ES256 (RFC 7518) and ML-DSA-65 (RFC 9964, key type AKP), over one payload: until composite signatures
have JOSE names, this is how a hybrid token is written. A verifier here wants both, and never takes its algorithm from
the token: the key says what it is for.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, mldsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from hallmark_events.base64url import decode_base64url, encode_base64url
from hallmark_events.canonical import Json, canonical_json
from hallmark_events.errors import TokenInvalid

SECEVENT_JWT: Final = "secevent+jwt"
TOKEN_BYTES_MAX: Final = 8 * 2**20
KEYS_MAX: Final = 64

Signer: TypeAlias = Callable[[bytes], bytes]
"""From the signing input to the signature: r || s of 64 bytes for ES256, 3,309 bytes for ML-DSA-65."""
PublicKey: TypeAlias = ec.EllipticCurvePublicKey | mldsa.MLDSA65PublicKey

_ES256_BYTES: Final = 64
_COORDINATE_BYTES: Final = 32


class Algorithm(StrEnum):
    """Registered JOSE names."""

    ES256 = "ES256"
    ML_DSA_65 = "ML-DSA-65"


@dataclass(frozen=True, slots=True)
class Jwk:
    """A public key that is trusted, for one algorithm."""

    kid: str
    algorithm: Algorithm
    public_key: PublicKey


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """`payload` was signed under `header` by the keys of `kids`. Nothing in the payload was looked at."""

    header: Mapping[str, Any]
    payload: bytes
    kids: tuple[str, ...]

    def claims(self) -> dict[str, Any]:
        """The payload as a JSON object. Raises TokenInvalid."""
        return _object(self.payload, "the payload")


def jwk_of(public_key: PublicKey) -> dict[str, Json]:
    """As it stands in a JWKS; its kid is the thumbprint (RFC 7638; for AKP: RFC 9964, section 6)."""
    required: dict[str, Json]
    if isinstance(public_key, mldsa.MLDSA65PublicKey):
        algorithm = Algorithm.ML_DSA_65
        required = {"alg": algorithm.value, "kty": "AKP", "pub": encode_base64url(public_key.public_bytes_raw())}
    else:
        algorithm = Algorithm.ES256
        numbers = public_key.public_numbers()
        x, y = (encode_base64url(n.to_bytes(_COORDINATE_BYTES, "big")) for n in (numbers.x, numbers.y))
        required = {"crv": "P-256", "kty": "EC", "x": x, "y": y}
    kid = encode_base64url(hashlib.sha256(canonical_json(required)).digest())
    return {**required, "alg": algorithm.value, "kid": kid, "use": "sig"}


def parse_jwks(data: bytes) -> tuple[Jwk, ...]:
    """Keys of a JWK Set (RFC 7517, section 5) for ES256 and ML-DSA-65; others are passed over. Raises TokenInvalid."""
    keys = _object(data, "a JWK Set").get("keys")
    if not isinstance(keys, list) or len(keys) > KEYS_MAX:
        raise TokenInvalid(f"a JWK Set has the array keys of at most {KEYS_MAX}")
    found = [parsed for parsed in map(_parse_jwk, keys) if parsed is not None]
    if len({key.kid for key in found}) != len(found):
        raise TokenInvalid("two keys of a JWK Set have the same kid")
    return tuple(found)


def build_compact(payload: bytes, *, kid: str, typ: str, signer: Signer) -> str:
    """ES256, compact serialization. Header {"alg", "kid", "typ"}."""
    head = encode_base64url(canonical_json({"alg": Algorithm.ES256.value, "kid": kid, "typ": typ}))
    signed = f"{head}.{encode_base64url(payload)}"
    return f"{signed}.{encode_base64url(signer(signed.encode()))}"


def verify_compact(token: str | bytes, keys: Sequence[Jwk], *, typ: str) -> VerifiedToken:
    """ES256 by the key that the token's kid names, and the type that was asked for. Raises TokenInvalid."""
    parts = _text(token).split(".")
    if len(parts) != 3:
        raise TokenInvalid("a compact token has three parts")
    head, payload, signature = parts
    header = _header(head, typ)
    content = decode_base64url(payload, what="the payload", refuse=TokenInvalid)
    key = _key_for(header, keys, Algorithm.ES256)
    _verify(key, signature, f"{head}.{payload}".encode())
    return VerifiedToken(header, content, (key.kid,))


def build_general(payload: bytes, *, typ: str, signers: Mapping[str, tuple[Algorithm, Signer]]) -> bytes:
    """General JSON serialization (RFC 7515, section 7.2.1), canonical. signers: by kid."""
    encoded = encode_base64url(payload)
    signatures: list[Json] = []
    for kid, (algorithm, signer) in signers.items():
        head = encode_base64url(canonical_json({"alg": algorithm.value, "kid": kid, "typ": typ}))
        signatures.append({"protected": head, "signature": encode_base64url(signer(f"{head}.{encoded}".encode()))})
    return canonical_json({"payload": encoded, "signatures": signatures})


def verify_general(data: bytes, keys: Sequence[Jwk], *, typ: str) -> VerifiedToken:
    """Exactly one signature of each algorithm, both valid, both by given keys. Raises TokenInvalid."""
    match _object(data, "the token"):
        case {"payload": str(payload), "signatures": list(signatures), **rest} if not rest and len(signatures) == 2:
            content = decode_base64url(payload, what="the payload", refuse=TokenInvalid)
        case _:
            raise TokenInvalid("a hybrid token has a payload and exactly two signatures")
    parts = sorted(map(_signature_parts, signatures), key=_algorithm_of)
    headers, kids = [], []
    for algorithm, (head, signature) in zip(Algorithm, parts, strict=True):
        header = _header(head, typ)
        key = _key_for(header, keys, algorithm)
        _verify(key, signature, f"{head}.{payload}".encode())
        headers.append(header)
        kids.append(key.kid)
    return VerifiedToken(headers[0], content, tuple(kids))


def _signature_parts(value: Any) -> tuple[str, str]:
    match value:
        case {"protected": str(head), "signature": str(signature)} if len(value) == 2:
            return head, signature
        case _:
            raise TokenInvalid("a signature has exactly the members protected and signature")


def _algorithm_of(parts: tuple[str, str]) -> str:
    return str(_decoded(parts[0]).get("alg"))


def _header(head: str, typ: str) -> dict[str, Any]:
    header = _decoded(head)
    if "crit" in header or "b64" in header:
        raise TokenInvalid("the header has extensions that are not known here")
    if header.get("typ") != typ:
        raise TokenInvalid(f"the token is of type {str(header.get('typ'))[:80]!r}, not {typ!r}")
    return header


def _decoded(head: str) -> dict[str, Any]:
    return _object(decode_base64url(head, what="the header", refuse=TokenInvalid), "the header")


def _key_for(header: Mapping[str, Any], keys: Sequence[Jwk], algorithm: Algorithm) -> Jwk:
    if header.get("alg") != algorithm.value:
        raise TokenInvalid(f"the token is signed with {str(header.get('alg'))[:40]!r}, not {algorithm.value}")
    for key in keys:
        if key.kid == header.get("kid") and key.algorithm is algorithm:
            return key
    raise TokenInvalid(f"no trusted {algorithm.value} key has the kid of the token: fetch the JWK Set and try again")


def _verify(key: Jwk, encoded: str, signed: bytes) -> None:
    signature = decode_base64url(encoded, what="the signature", refuse=TokenInvalid)
    try:
        if isinstance(key.public_key, mldsa.MLDSA65PublicKey):
            key.public_key.verify(signature, signed)
            return
        if len(signature) != _ES256_BYTES:
            raise InvalidSignature
        pair = (
            int.from_bytes(signature[:_COORDINATE_BYTES], "big"),
            int.from_bytes(signature[_COORDINATE_BYTES:], "big"),
        )
        key.public_key.verify(encode_dss_signature(*pair), signed, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError) as error:
        raise TokenInvalid(f"the {key.algorithm.value} signature does not verify") from error


def _parse_jwk(value: object) -> Jwk | None:
    what = "a member of a JWK"
    try:
        match value:
            case {"kty": "EC", "crv": "P-256", "kid": str(kid), "x": str(x), "y": str(y)}:
                parts = [decode_base64url(part, what=what, refuse=TokenInvalid) for part in (x, y)]
                if any(len(part) != _COORDINATE_BYTES for part in parts):
                    raise TokenInvalid("a coordinate of P-256 has 32 bytes")
                point = b"\x04" + b"".join(parts)
                key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
                return Jwk(kid, Algorithm.ES256, key)
            case {"kty": "AKP", "alg": "ML-DSA-65", "kid": str(kid), "pub": str(pub)}:
                raw = decode_base64url(pub, what=what, refuse=TokenInvalid)
                return Jwk(kid, Algorithm.ML_DSA_65, mldsa.MLDSA65PublicKey.from_public_bytes(raw))
            case _:
                return None
    except ValueError as error:
        raise TokenInvalid("a key of a JWK Set is not one") from error


def _text(token: str | bytes) -> str:
    if len(token) > TOKEN_BYTES_MAX:
        raise TokenInvalid(f"a token has at most {TOKEN_BYTES_MAX} bytes")
    if not token.isascii():
        raise TokenInvalid("a token is ASCII")
    return token.decode("ascii") if isinstance(token, bytes) else token


def _object(data: bytes, what: str) -> dict[str, Any]:
    """JSON as others write it, without a member twice (RFC 7515, section 4)."""
    if len(data) > TOKEN_BYTES_MAX:
        raise TokenInvalid(f"{what} has at most {TOKEN_BYTES_MAX} bytes")
    try:
        value = json.loads(data.decode(), object_pairs_hook=_once, parse_constant=_refused, parse_float=_refused)
    except (ValueError, RecursionError) as error:
        raise TokenInvalid(f"{what} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise TokenInvalid(f"{what} is not a JSON object")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member stands there twice")
    return found


def _refused(text: str) -> Any:
    raise ValueError(f"{text[:20]} is not a number that is used here")
