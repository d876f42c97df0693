"""Status List Tokens held against the lists of a manifest."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric import ec

from hallmark_events.errors import StatusListInvalid
from hallmark_events.jws import Jwk, parse_jwks
from hallmark_events.manifest import Manifest
from hallmark_events.status_list import StatusList
from hallmark_events.status_list_cwt import verify_status_list_cwt
from hallmark_events.status_list_jwt import StatusListToken, verify_status_list_jwt
from hallmark_tlog.cose import CoseKey
from kms.cli.status.reading import Read


def check_tokens(read: Read, manifest: Manifest, lists: Mapping[int, StatusList], now: datetime) -> int:
    """Both forms of every list say what the list says; gives how many. Raises EventsError.

    Tokens are replaced a moment before the manifest: they may be those of the next one, which is no fault.
    """
    keys = parse_jwks(read("jwks.json"))
    for ref in manifest.lists:
        for ending in ("jwt", "cwt"):
            token = verify_token(read(f"lists/{ref.number}.{ending}"), keys, uri=ref.uri, now=now)
            if token.statuses != lists[ref.number] and token.issued_at <= manifest.issued_at:
                raise StatusListInvalid(f"the token lists/{ref.number}.{ending} is not the list of the manifest")
    return 2 * len(manifest.lists)


def verify_token(data: bytes, keys: Sequence[Jwk], *, uri: str, now: datetime) -> StatusListToken:
    """JWT or CWT, by its first byte: base64url never begins with a CBOR tag. Raises EventsError."""
    if data[:1].isalnum():
        return verify_status_list_jwt(data, keys, uri=uri, now=now)
    trusted = [
        CoseKey(key.public_key, key.kid.encode())
        for key in keys
        if isinstance(key.public_key, ec.EllipticCurvePublicKey)
    ]
    return verify_status_list_cwt(data, trusted, uri=uri, now=now)


def fingerprint(statuses: StatusList) -> str:
    """SHA-256 of the bytes before zlib, as a manifest has it."""
    return sha256(statuses.raw).hexdigest()
