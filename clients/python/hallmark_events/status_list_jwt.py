"""Status List Tokens as JWT (draft-ietf-oauth-status-list-21, section 5.1): typ statuslist+jwt, ES256."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from hallmark_events.canonical import INTEGER_MAX, Json, canonical_json
from hallmark_events.errors import Stale, StatusListInvalid, TokenInvalid
from hallmark_events.jws import Jwk, Signer, build_compact, verify_compact
from hallmark_events.status_list import StatusList, check_uri

STATUS_LIST_JWT: Final = "statuslist+jwt"

_SECONDS_MAX: Final = 253_402_300_799
"""The end of the year 9999, the last that `datetime` knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusListToken:
    """A verified list and what its token says of it. `expires_at` and `ttl_seconds` are None where it says nothing."""

    uri: str
    issued_at: datetime
    expires_at: datetime | None
    ttl_seconds: int | None
    statuses: StatusList
    aggregation_uri: str | None = None


def encode_jwt_claims(
    statuses: StatusList,
    *,
    uri: str,
    issued_at: datetime,
    expires_at: datetime | None = None,
    ttl_seconds: int | None = None,
    aggregation_uri: str | None = None,
) -> dict[str, Json]:
    """Claims of a token. Times are rounded down to seconds."""
    claims: dict[str, Json] = {
        "sub": check_uri(uri),
        "iat": int(issued_at.timestamp()),
        "status_list": statuses.to_json(aggregation_uri=aggregation_uri),
    }
    if expires_at is not None:
        claims["exp"] = int(expires_at.timestamp())
    if ttl_seconds is not None:
        claims["ttl"] = ttl_seconds
    return claims


def build_status_list_jwt(claims: Mapping[str, Json], *, kid: str, signer: Signer) -> str:
    """signer: ES256 over the signing input, r || s."""
    return build_compact(canonical_json(claims), kid=kid, typ=STATUS_LIST_JWT, signer=signer)


def verify_status_list_jwt(
    token: str | bytes, keys: Sequence[Jwk], *, uri: str, now: datetime | None
) -> StatusListToken:
    """The rules of section 8.3. uri: where it was fetched, or what a reference names. now: None leaves out `exp`.

    Raises TokenInvalid, StatusListInvalid, Stale (past its exp).
    """
    claims = verify_compact(token, keys, typ=STATUS_LIST_JWT).claims()
    aggregation_uri = None
    listed = claims.get("status_list")
    if isinstance(listed, dict) and "aggregation_uri" in listed:
        aggregation_uri = check_uri(listed["aggregation_uri"])
    return checked_token(
        uri=uri,
        now=now,
        statuses=StatusList.from_json(listed),
        claims={name: claims.get(name) for name in ("sub", "iat", "exp", "ttl")},
        aggregation_uri=aggregation_uri,
    )


def checked_token(
    *,
    uri: str,
    now: datetime | None,
    statuses: StatusList,
    claims: Mapping[str, Any],
    aggregation_uri: str | None,
) -> StatusListToken:
    """What JWT and CWT have in common: claims sub, iat, exp and ttl by these names, None where they are absent."""
    if claims["sub"] != uri:
        raise TokenInvalid(f"the status list is of {str(claims['sub'])[:200]!r}, not of {uri!r}")
    expires_at = None if claims["exp"] is None else _moment(claims["exp"], "exp")
    if now is not None and expires_at is not None and now >= expires_at:
        raise Stale("the status list token has expired: fetch a newer one")
    ttl = claims["ttl"]
    if ttl is not None and (type(ttl) is not int or not 0 < ttl <= INTEGER_MAX):
        raise StatusListInvalid("ttl is a number of seconds, 1 or more")
    return StatusListToken(
        uri=uri,
        issued_at=_moment(claims["iat"], "iat"),
        expires_at=expires_at,
        ttl_seconds=ttl,
        statuses=statuses,
        aggregation_uri=aggregation_uri,
    )


def _moment(value: object, what: str) -> datetime:
    if type(value) is not int or not 0 <= value <= _SECONDS_MAX:
        raise StatusListInvalid(f"{what} is not a time in whole seconds")
    return datetime.fromtimestamp(value, UTC)
