"""Status List Tokens, JWT and CWT, for whoever knows the IETF's format and nothing of manifests."""

import asyncio
import base64
import json
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy.engine import Connection

from hallmark_events.canonical import Json, canonical_json
from hallmark_events.jws import jwk_of
from hallmark_events.status_list import StatusList, aggregation
from hallmark_events.status_list_cwt import build_status_list_cwt
from hallmark_events.status_list_jwt import build_status_list_jwt, encode_jwt_claims
from hallmark_tlog.cose import decode_cbor, parse_sign1
from hallmark_tlog.errors import TlogError
from kms.core.names import KeyName
from kms.keys import store as key_store
from kms.keys.model import SYSTEM_TENANT, Key, KeyVersion, KeyVersionState
from kms.keys.public_keys import load_public_key
from kms.keys.service_jws import Es256Signer
from kms.keys.signing import SigningService
from kms.public.files import PublicFile
from kms.status.model import TOKEN_KEY_ID, aggregation_uri, folder, list_uri

_IAT = 6
_NAME = KeyName(SYSTEM_TENANT, TOKEN_KEY_ID)
_VERIFIES = {KeyVersionState.PRE_ACTIVE, KeyVersionState.ACTIVE, KeyVersionState.SUSPENDED, KeyVersionState.DEACTIVATED}


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenTimes:
    """`ttl_seconds`: how long a copy may be used before it is looked for again (section 13.7)."""

    issued_at: datetime
    expires_at: datetime
    ttl_seconds: int


@dataclass(frozen=True, slots=True)
class TokenSigner:
    """By tenants/system/keys/status-lists-es256; its kid is the thumbprint (RFC 7638) that the JWK Set has too."""

    signing: SigningService

    async def files(
        self, base: str, tenant: str, statuses: Mapping[int, StatusList], times: TokenTimes
    ) -> list[PublicFile]:
        """Two for each list; then what names all lists, and the keys. Raises ServiceError."""
        signer = await Es256Signer.open(self.signing, TOKEN_KEY_ID, times.issued_at)
        key = await self.signing.database.read(_find_key)
        kid = str(_jwk(signer.key.version)["kid"])
        loop = asyncio.get_running_loop()

        def sign(data: bytes) -> bytes:
            waited: Coroutine[Any, Any, bytes] = signer.sign(data)
            return asyncio.run_coroutine_threadsafe(waited, loop).result()

        made: list[PublicFile] = []
        for number, each in sorted(statuses.items()):
            build = _builder(each, list_uri(base, tenant, number), aggregation_uri(base, tenant), times, kid, sign)
            jwt, cwt = await asyncio.to_thread(build)  # compresses: milliseconds that the event loop has not
            stem = f"{folder(tenant)}lists/{number}"
            made += [PublicFile(f"{stem}.jwt", jwt), PublicFile(f"{stem}.cwt", cwt)]
        named = canonical_json(aggregation(list_uri(base, tenant, number) for number in sorted(statuses)))
        keys: list[Json] = [_jwk(version) for version in key.versions if version.state in _VERIFIES]
        return [
            *made,
            PublicFile(f"{folder(tenant)}lists.json", named),
            PublicFile(f"{folder(tenant)}jwks.json", canonical_json({"keys": keys})),
        ]


def token_time(path: str, content: bytes) -> int:
    """Iat of a token of ours in seconds; 0 for other bytes. Nothing is verified."""
    try:
        if path.endswith(".cwt"):
            return int(decode_cbor(parse_sign1(content).payload or b"")[_IAT])
        payload = content.split(b".")[1]
        return int(json.loads(base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))["iat"])
    except (TlogError, ValueError, KeyError, IndexError, TypeError):
        return 0


def _builder(
    statuses: StatusList, uri: str, all_lists: str, times: TokenTimes, kid: str, sign: Callable[[bytes], bytes]
) -> Callable[[], tuple[bytes, bytes]]:
    common: dict[str, Any] = {
        "uri": uri,
        "issued_at": times.issued_at,
        "expires_at": times.expires_at,
        "ttl_seconds": times.ttl_seconds,
        "aggregation_uri": all_lists,
    }

    def build() -> tuple[bytes, bytes]:
        jwt = build_status_list_jwt(encode_jwt_claims(statuses, **common), kid=kid, signer=sign)
        return jwt.encode(), build_status_list_cwt(statuses, **common, kid=kid.encode(), signer=sign)

    return build


def _find_key(tx: Connection) -> Key:
    key = key_store.find_key(tx, _NAME)
    assert key is not None, "Es256Signer.open found it"
    return key


def _jwk(version: KeyVersion) -> dict[str, Json]:
    public_key = load_public_key(version.algorithm, version.public_bytes)
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    return jwk_of(public_key)
