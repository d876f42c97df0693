"""Status List Tokens as CWT (draft-ietf-oauth-status-list-21, section 5.2): a tagged COSE_Sign1 with ES256.

Protected header {1: -7 (ES256), 4: kid, 16: "application/statuslist+cwt"}; claims {2: sub, 6: iat, 4: exp, 65534: ttl,
65533: {"bits", "lst": bytes, "aggregation_uri"?}}.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from hallmark_events.errors import StatusListInvalid, TokenInvalid
from hallmark_events.jws import Signer
from hallmark_events.status_list import StatusList, check_uri
from hallmark_events.status_list_jwt import StatusListToken, checked_token
from hallmark_tlog.cose import Algorithm, CoseKey, decode_cbor, encode_cbor, encode_sign1, signed_bytes, verify_sign1
from hallmark_tlog.cose import parse_sign1 as _parse_sign1
from hallmark_tlog.errors import FormatError, TlogError

STATUS_LIST_CWT: Final = "application/statuslist+cwt"

_ALG, _KID, _TYP = 1, 4, 16
_SUB, _EXP, _IAT, _STATUS_LIST, _TTL = 2, 4, 6, 65533, 65534


def build_status_list_cwt(
    statuses: StatusList,
    *,
    uri: str,
    issued_at: datetime,
    kid: bytes,
    signer: Signer,
    expires_at: datetime | None = None,
    ttl_seconds: int | None = None,
    aggregation_uri: str | None = None,
) -> bytes:
    """signer: ES256 over the Sig_structure, r || s. Times are rounded down to seconds."""
    listed: dict[str, Any] = {"bits": statuses.bits, "lst": statuses.compress()}
    if aggregation_uri is not None:
        listed["aggregation_uri"] = check_uri(aggregation_uri)
    claims: dict[int, Any] = {_SUB: check_uri(uri), _IAT: int(issued_at.timestamp()), _STATUS_LIST: listed}
    if expires_at is not None:
        claims[_EXP] = int(expires_at.timestamp())
    if ttl_seconds is not None:
        claims[_TTL] = ttl_seconds
    protected = encode_cbor({_ALG: int(Algorithm.ES256), _KID: kid, _TYP: STATUS_LIST_CWT})
    payload = encode_cbor(claims)
    return encode_sign1(protected, {}, payload, signer(signed_bytes(protected, payload)))


def verify_status_list_cwt(token: bytes, keys: Sequence[CoseKey], *, uri: str, now: datetime | None) -> StatusListToken:
    """The rules of section 8.3. uri: where it was fetched, or what a reference names. now: None leaves out `exp`.

    Raises TokenInvalid, StatusListInvalid, Stale (past its exp).
    """
    try:
        message = _parse_sign1(token)
        if message.headers.get(_ALG) != Algorithm.ES256 or message.headers.get(_TYP) != STATUS_LIST_CWT:
            raise TokenInvalid(f"the token is not of type {STATUS_LIST_CWT} with ES256")
        verify_sign1(message, keys)
        claims = decode_cbor(message.payload or b"")
    except TlogError as error:
        reason = "is not COSE as it is accepted here" if isinstance(error, FormatError) else "does not verify"
        raise TokenInvalid(f"the status list token {reason}: {error}") from error
    match claims:
        case {65533: {"bits": int(bits), "lst": bytes(lst), **rest}}:
            statuses = StatusList.decompress(lst, bits)
        case _:
            raise StatusListInvalid("the claim 65533 is not a status list with bits and lst")
    aggregation_uri = check_uri(rest["aggregation_uri"]) if "aggregation_uri" in rest else None
    labels = {"sub": _SUB, "iat": _IAT, "exp": _EXP, "ttl": _TTL}
    return checked_token(
        uri=uri,
        now=now,
        statuses=statuses,
        claims={name: claims.get(label) for name, label in labels.items()},
        aggregation_uri=aggregation_uri,
    )
