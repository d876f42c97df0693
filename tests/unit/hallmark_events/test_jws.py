import hashlib
import json

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from hallmark_events.base64url import decode_base64url, encode_base64url
from hallmark_events.canonical import canonical_json
from hallmark_events.errors import TokenInvalid
from hallmark_events.jws import (
    SECEVENT_JWT,
    Algorithm,
    Jwk,
    build_compact,
    build_general,
    parse_jwks,
    verify_compact,
    verify_general,
)
from unit.hallmark_events.soft_signer import Es256, MlDsa65, key_set

ES = Es256()
ML = MlDsa65()
KEYS = key_set(ES, ML)
PAYLOAD = b'{"iss":"x"}'
SIGNERS = {ES.kid: (Algorithm.ES256, ES), ML.kid: (Algorithm.ML_DSA_65, ML)}


def compact(**header) -> str:
    head = encode_base64url(canonical_json({"alg": "ES256", "kid": ES.kid, "typ": SECEVENT_JWT, **header}))
    signed = f"{head}.{encode_base64url(PAYLOAD)}"
    return f"{signed}.{encode_base64url(ES(signed.encode()))}"


def test_compact_es256() -> None:
    token = build_compact(PAYLOAD, kid=ES.kid, typ=SECEVENT_JWT, signer=ES)
    for form in (token, token.encode()):
        fact = verify_compact(form, KEYS, typ=SECEVENT_JWT)
        assert fact.payload == PAYLOAD
        assert fact.claims() == {"iss": "x"}
        assert fact.kids == (ES.kid,)


@pytest.mark.parametrize(
    "header",
    [{"alg": "none"}, {"alg": "ML-DSA-65"}, {"alg": ["ES256"]}, {"kid": "other"}, {"typ": "JWT"},
     {"typ": None}, {"crit": ["exp"]}, {"b64": False}],
    ids=str,
)  # fmt: skip
def test_a_header_that_was_not_asked_for_is_refused(header) -> None:
    with pytest.raises(TokenInvalid):
        verify_compact(compact(**header), KEYS, typ=SECEVENT_JWT)


def test_a_key_for_another_algorithm_is_not_tried() -> None:
    with pytest.raises(TokenInvalid):
        verify_compact(compact(kid=ML.kid), KEYS, typ=SECEVENT_JWT)


def test_a_kid_that_two_algorithms_share() -> None:
    shared = (Jwk(ES.kid, Algorithm.ML_DSA_65, ML.private.public_key()), *KEYS)
    assert verify_compact(compact(), shared, typ=SECEVENT_JWT).kids == (ES.kid,)


def test_a_signature_has_one_length() -> None:
    def longer(data: bytes) -> bytes:
        signature = ES(data)
        return signature[:32] + b"\0" + signature[32:]

    token = build_compact(PAYLOAD, kid=ES.kid, typ=SECEVENT_JWT, signer=longer)
    with pytest.raises(TokenInvalid):
        verify_compact(token, KEYS, typ=SECEVENT_JWT)


def test_a_token_that_was_touched_is_refused() -> None:
    head, payload, signature = compact().split(".")
    other = encode_base64url(b'{"iss":"y"}')
    zeros = encode_base64url(bytes(64))
    for token in (
        f"{head}.{other}.{signature}",
        f"{head}.{payload}.",
        f"{head}.{payload}.{zeros}",
        f"{head}.{payload}.{signature}=",
        f"{head}.{payload}",
        f"{head}.{payload}.{signature}.",
        f"{head}.{payload}\n.{signature}",
        "\ud800." + payload + "." + signature,
        "",
    ):
        with pytest.raises(TokenInvalid):
            verify_compact(token, KEYS, typ=SECEVENT_JWT)


def test_der_is_not_how_jose_writes_signatures() -> None:
    token = build_compact(
        PAYLOAD, kid=ES.kid, typ=SECEVENT_JWT, signer=lambda data: ES.private.sign(data, ec.ECDSA(hashes.SHA256()))
    )
    with pytest.raises(TokenInvalid):
        verify_compact(token, KEYS, typ=SECEVENT_JWT)


def test_both_signatures_count() -> None:
    token = build_general(PAYLOAD, typ=SECEVENT_JWT, signers=SIGNERS)
    fact = verify_general(token, KEYS, typ=SECEVENT_JWT)
    assert fact.payload == PAYLOAD
    assert fact.kids == (ES.kid, ML.kid)
    turned = json.loads(token)
    turned["signatures"].reverse()
    assert verify_general(json.dumps(turned).encode(), KEYS, typ=SECEVENT_JWT) == fact


def test_one_signature_is_not_enough() -> None:
    token = json.loads(build_general(PAYLOAD, typ=SECEVENT_JWT, signers=SIGNERS))
    first, second = token["signatures"]
    broken = {**second, "signature": first["signature"]}
    for signatures in ([first], [second], [first, first], [second, second], [first, broken], [first, second, second]):
        with pytest.raises(TokenInvalid):
            verify_general(json.dumps({**token, "signatures": signatures}).encode(), KEYS, typ=SECEVENT_JWT)


@pytest.mark.parametrize(
    "change",
    [{"payload": encode_base64url(b"other")}, {"payload": "\ud800"}, {"payload": 1}, {"header": {}}, {"signatures": {}},
     {"signatures": [1, 2]}, {"signatures": [{"protected": "e30"}, {"protected": "e30"}]}],
    ids=str,
)  # fmt: skip
def test_another_structure_is_refused(change) -> None:
    token = json.loads(build_general(PAYLOAD, typ=SECEVENT_JWT, signers=SIGNERS))
    with pytest.raises(TokenInvalid):
        verify_general(json.dumps({**token, **change}).encode(), KEYS, typ=SECEVENT_JWT)


def test_a_member_twice_is_refused() -> None:
    with pytest.raises(TokenInvalid):
        parse_jwks(b'{"keys":[],"keys":[]}')


def test_keys_that_are_not_ours_are_passed_over() -> None:
    rsa = {"kty": "RSA", "kid": "r", "n": "AQAB", "e": "AQAB"}
    keys = parse_jwks(canonical_json({"keys": [rsa, ES.jwk]}))
    assert [(key.kid, key.algorithm) for key in keys] == [(ES.kid, Algorithm.ES256)]


@pytest.mark.parametrize(
    "keys",
    [
        None,
        [ES.jwk, ES.jwk],
        [{**ES.jwk, "x": "AA"}],
        [{**ES.jwk, "x": encode_base64url(bytes(32))}],
        [{**ML.jwk, "pub": "AA"}],
        [{**ES.jwk, "x": "*"}],
        [{}] * 65,
    ],
    ids=["none", "twice", "short", "no point", "short pub", "no base64", "many"],
)
def test_a_key_set_that_is_none_is_refused(keys) -> None:
    with pytest.raises(TokenInvalid):
        parse_jwks(canonical_json({"keys": keys}))


def test_the_thumbprint_is_that_of_rfc_7638() -> None:
    # The required members of an EC key in lexicographic order: crv, kty, x, y (section 3.2).
    text = f'{{"crv":"P-256","kty":"EC","x":"{ES.jwk["x"]}","y":"{ES.jwk["y"]}"}}'
    assert encode_base64url(hashlib.sha256(text.encode()).digest()) == ES.kid


@pytest.mark.parametrize("text", ["A", "AB", "AA==", "A A", "é", "AB-+"])
def test_base64url_has_one_spelling(text) -> None:
    with pytest.raises(TokenInvalid):
        decode_base64url(text, what="it", refuse=TokenInvalid)
