"""JWTs and JWK sets as bytes of strangers: strict, bounded, one error each (RFC 7515, 7517, 7519; RFC 8725).

PyJWT verifies signatures. What a token says of its own keys (jku, x5u, jwk, x5c) is never looked at.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from kms.core.errors import Reason, Unauthenticated

TOKEN_BYTES_MAX: Final = 16 * 1024
KEY_SET_BYTES_MAX: Final = 256 * 1024
KEYS_MAX: Final = 100
ALGORITHMS: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
"""All that could ever be allowed: no "none", no HMAC (RFC 8725, section 3.2)."""
_COMPACT: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_KEY_ID_MAX: Final = 256
_RSA_BITS: Final = range(2048, 8193)
_RSA_EXPONENT_MAX: Final = 2**32
_CURVES: Final = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}
_JWS: Final = jwt.PyJWS(algorithms=sorted(ALGORITHMS))

PublicKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


class KeySetInvalid(Exception):
    """These bytes are no JWK set that can be used; the text says why."""


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """What a token says; nothing of it is known to be true. `text` is the compact form (RFC 7515, section 3.1)."""

    text: str
    algorithm: str
    key_id: str | None
    type: str | None
    claims: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """One public key of a set. `algorithm` where the set binds it to one."""

    key_id: str | None
    algorithm: str | None
    key: PublicKey


def invalid(sentence: str) -> Unauthenticated:
    """The refusal of a token. The sentence never quotes the token."""
    return Unauthenticated(Reason.TOKEN_INVALID, sentence)


def read_token(text: str) -> UnverifiedToken:
    """At most 16 KiB. Raises Unauthenticated/TOKEN_INVALID."""
    if len(text) > TOKEN_BYTES_MAX:
        raise invalid(f"the bearer token is larger than {TOKEN_BYTES_MAX} bytes; ask the issuer for fewer claims")
    if not _COMPACT.fullmatch(text):
        raise invalid("the bearer token is no JWT: three parts of base64url, with a dot between them")
    first, second, _ = text.split(".")
    header, claims = _object(first, "header"), _object(second, "payload")
    if "crit" in header or "b64" in header:
        raise invalid("the token's header has critical extensions (crit, b64), and this service knows none")
    if str(header.get("cty", "")).upper() == "JWT":
        raise invalid("the token holds another token; send that one")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise invalid("the token is not signed with an algorithm that this service takes")
    key_id, kind = header.get("kid"), header.get("typ")
    if key_id is not None and (not isinstance(key_id, str) or len(key_id) > _KEY_ID_MAX):
        raise invalid(f"the token's kid must be a text of at most {_KEY_ID_MAX} characters")
    if kind is not None and not isinstance(kind, str):
        raise invalid("the token's typ must be a text")
    return UnverifiedToken(text, algorithm, key_id, kind, claims)


def verify_signature(token: UnverifiedToken, key: IssuerKey) -> None:
    """Raises Unauthenticated/TOKEN_INVALID."""
    if not fits(key, token.algorithm):
        raise invalid("the token's algorithm is not that of the issuer's key")
    try:
        _JWS.decode_complete(token.text, key=key.key, algorithms=[token.algorithm])
    except (jwt.PyJWTError, ValueError, TypeError):
        raise invalid("the token's signature is not that of its issuer") from None


def fits(key: IssuerKey, algorithm: str) -> bool:
    """A key is for one family of algorithms; the token does not choose (RFC 8725, section 3.1)."""
    if key.algorithm not in {None, algorithm}:
        return False
    match key.key:
        case rsa.RSAPublicKey():
            return algorithm[:2] in {"RS", "PS"}
        case ec.EllipticCurvePublicKey():
            return _CURVES.get(algorithm) == key.key.curve.name
        case _:
            return algorithm == "EdDSA"


def read_key_set(data: bytes) -> tuple[IssuerKey, ...]:
    """The keys that can verify; others in the set are passed over (RFC 7517, section 5). Raises KeySetInvalid."""
    if len(data) > KEY_SET_BYTES_MAX:
        raise KeySetInvalid(f"it is larger than {KEY_SET_BYTES_MAX} bytes")
    found = strict_json(data)
    entries = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(entries, list) or len(entries) > KEYS_MAX:
        raise KeySetInvalid(f'it must be an object with a list "keys" of at most {KEYS_MAX}')
    keys = tuple(key for key in map(_key_of, entries) if key is not None)
    if not keys:
        raise KeySetInvalid("it holds no public key that verifies signatures")
    return keys


def strict_json(data: bytes) -> Any:
    """UTF-8 JSON without twice-named members, NaN or bottomless nesting; None for anything else."""
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_members, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None


def _object(part: str, what: str) -> dict[str, Any]:
    try:
        found = strict_json(jwt.utils.base64url_decode(part))
    except ValueError:  # binascii.Error too
        found = None
    if not isinstance(found, dict):
        raise invalid(f"the token's {what} is not a JSON object")
    return found


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member twice")
    return members


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _key_of(entry: Any) -> IssuerKey | None:
    """None for what can not verify: private or symmetric keys, keys for encryption, kinds that are not known here."""
    if not isinstance(entry, dict) or entry.get("kty") not in {"RSA", "EC", "OKP"} or "d" in entry:
        return None
    operations = entry.get("key_ops", ["verify"])
    if entry.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return None
    key_id, algorithm = entry.get("kid"), entry.get("alg")
    if not isinstance(key_id, str | None) or not isinstance(algorithm, str | None):
        return None
    try:
        key = jwt.PyJWK.from_dict(entry).key
    except Exception:  # whatever the driver makes of foreign numbers: this key is not used
        return None
    return IssuerKey(key_id, algorithm, key) if _is_strong(key) else None


def _is_strong(key: object) -> bool:
    match key:
        case rsa.RSAPublicKey():
            return key.key_size in _RSA_BITS and key.public_numbers().e < _RSA_EXPONENT_MAX
        case ec.EllipticCurvePublicKey():
            return key.curve.name in _CURVES.values()
        case _:
            return isinstance(key, ed25519.Ed25519PublicKey)
