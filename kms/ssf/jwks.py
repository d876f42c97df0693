"""The keys that sets verify with, as a JWK Set (RFC 7517; RFC 7518, section 6.2)."""

import base64
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from kms.core.canonical import Json
from kms.core.database import Database
from kms.core.errors import not_found
from kms.core.names import KeyName
from kms.keys import store
from kms.keys.model import SYSTEM_TENANT, KeyVersion
from kms.keys.public_keys import load_public_key
from kms.ssf.model import SIGNING_KEY_ID

_COORDINATE_BYTES: Final = 32


async def jwk_set(database: Database) -> dict[str, Json]:
    """Every version that may have signed a set, or soon will; none that is not to be trusted any more."""
    name = KeyName(SYSTEM_TENANT, SIGNING_KEY_ID)
    key = await database.read(lambda tx: store.find_key(tx, name))
    if key is None:
        raise not_found(str(name))
    trusted = [version for version in key.versions if version.compromise_time is None and version.revoke_time is None]
    return {"keys": [_jwk(version) for version in trusted]}


def _jwk(version: KeyVersion) -> Json:
    public = load_public_key(version.algorithm, version.public_bytes)
    assert isinstance(public, ec.EllipticCurvePublicKey)
    numbers = public.public_numbers()
    return {
        "kty": "EC",
        "crv": "P-256",
        "x": _base64url(numbers.x),
        "y": _base64url(numbers.y),
        "kid": str(version.name),
        "use": "sig",
        "alg": "ES256",
    }


def _base64url(coordinate: int) -> str:
    return base64.urlsafe_b64encode(coordinate.to_bytes(_COORDINATE_BYTES, "big")).rstrip(b"=").decode()
