from datetime import timedelta

import pytest

from hallmark_events.canonical import canonical_json
from hallmark_events.errors import Stale, StatusListInvalid, TokenInvalid
from hallmark_events.jws import build_compact
from hallmark_events.status_list import StatusList
from hallmark_events.status_list_cwt import STATUS_LIST_CWT, build_status_list_cwt, verify_status_list_cwt
from hallmark_events.status_list_jwt import (
    STATUS_LIST_JWT,
    build_status_list_jwt,
    encode_jwt_claims,
    verify_status_list_jwt,
)
from hallmark_tlog.cose import CoseKey, decode_cbor, encode_cbor, encode_sign1, parse_sign1, signed_bytes
from unit.hallmark_events.events_world import START
from unit.hallmark_events.soft_signer import Es256, key_set

SIGNER = Es256()
KEYS = key_set(SIGNER)
COSE_KEYS = [CoseKey(SIGNER.private.public_key(), b"1")]
URI = "https://example.com/statuslists/1"
MORE = "https://example.com/statuslists"
STATUSES = StatusList.from_values([0, 1, 2, 0], 2)
UNTIL = START + timedelta(hours=2)


def claims(**change) -> dict:
    made = encode_jwt_claims(
        STATUSES, uri=URI, issued_at=START, expires_at=UNTIL, ttl_seconds=600, aggregation_uri=MORE
    )
    return {**made, **change}


def jwt(**change) -> str:
    return build_status_list_jwt(claims(**change), kid=SIGNER.kid, signer=SIGNER)


def cwt(protected: dict | None = None, **change) -> bytes:
    """A token as it is built, then with other protected headers or claims and a good signature over them."""
    token = build_status_list_cwt(
        STATUSES,
        uri=URI,
        issued_at=START,
        kid=b"1",
        signer=SIGNER,
        expires_at=UNTIL,
        ttl_seconds=600,
        aggregation_uri=MORE,
    )
    if protected is None and not change:
        return token
    message = parse_sign1(token)
    found = decode_cbor(message.payload or b"")
    head = encode_cbor({**message.headers, **(protected or {})})
    payload = encode_cbor({**found, **{int(label.removeprefix("c")): value for label, value in change.items()}})
    return encode_sign1(head, {}, payload, SIGNER(signed_bytes(head, payload)))


def verify_jwt(token: str, **others):
    return verify_status_list_jwt(token, KEYS, **{"uri": URI, "now": START, **others})


def verify_cwt(token: bytes, **others):
    return verify_status_list_cwt(token, COSE_KEYS, **{"uri": URI, "now": START, **others})


@pytest.mark.parametrize(("verify", "token"), [(verify_jwt, jwt()), (verify_cwt, cwt())], ids=["jwt", "cwt"])
def test_a_token_tells_its_list(verify, token) -> None:
    fact = verify(token)
    assert fact.statuses == STATUSES
    assert (fact.uri, fact.issued_at, fact.expires_at, fact.ttl_seconds) == (URI, START, UNTIL, 600)
    assert fact.aggregation_uri == MORE
    with pytest.raises(Stale):
        verify(token, now=UNTIL)
    assert verify(token, now=None) == fact
    with pytest.raises(TokenInvalid):
        verify(token, uri=URI + "0")


def test_a_cwt_is_tagged_and_typed() -> None:
    token = cwt()
    assert token[:1] == b"\xd2"
    message = parse_sign1(token)
    assert message.headers == {1: -7, 4: b"1", 16: STATUS_LIST_CWT}
    found = decode_cbor(message.payload or b"")
    assert set(found) == {2, 4, 6, 65533, 65534}
    assert found[65533]["bits"] == 2


@pytest.mark.parametrize(
    "change", [{"iat": None}, {"iat": -1}, {"iat": 2**53}, {"exp": "1"}, {"ttl": 0}, {"ttl": True}], ids=str
)
def test_claims_of_another_type_are_refused(change) -> None:
    with pytest.raises(StatusListInvalid):
        verify_jwt(jwt(**change))


@pytest.mark.parametrize(
    "change", [{"status_list": None}, {"status_list": {"bits": 2}}, {"status_list": {"bits": 2, "lst": "AA"}}], ids=str
)
def test_a_jwt_without_a_list_is_refused(change) -> None:
    with pytest.raises(StatusListInvalid):
        verify_jwt(jwt(**change))


def test_a_jwt_of_another_type_or_key_is_refused() -> None:
    for token in (
        build_compact(canonical_json(claims()), kid=SIGNER.kid, typ="JWT", signer=SIGNER),
        build_compact(canonical_json(claims()), kid=SIGNER.kid, typ=STATUS_LIST_JWT, signer=Es256()),
        build_compact(b"[]", kid=SIGNER.kid, typ=STATUS_LIST_JWT, signer=SIGNER),
    ):
        with pytest.raises(TokenInvalid):
            verify_jwt(token)


@pytest.mark.parametrize(
    ("protected", "change", "error"),
    [
        ({16: "application/cwt"}, {}, TokenInvalid),
        ({1: -35}, {}, TokenInvalid),
        ({1: -9}, {}, TokenInvalid),  # ESP256 fits the key and verifies, but is not what was asked for
        ({4: b"2"}, {}, TokenInvalid),
        ({}, {"c65533": {"bits": 2}}, StatusListInvalid),
        ({}, {"c65533": {"bits": 2, "lst": "text"}}, StatusListInvalid),
        ({}, {"c6": "now"}, StatusListInvalid),
        ({}, {"c65534": -1}, StatusListInvalid),
    ],
)
def test_a_cwt_that_says_something_else_is_refused(protected, change, error) -> None:
    with pytest.raises(error):
        verify_cwt(cwt(protected, **change))


def test_a_cwt_that_was_touched_is_refused() -> None:
    token = cwt()
    for touched in (token[:-1] + bytes([token[-1] ^ 1]), token + b"\0", token[:-1], b"", b"\xd2\xf6"):
        with pytest.raises(TokenInvalid):
            verify_cwt(touched)
