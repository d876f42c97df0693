"""The keys of an issuer: what is taken from a set, when it is fetched, and what happens while the issuer is away."""

import json
from pathlib import Path
from typing import Any

import pytest

from kms.collateral.fetch import FetchFailed
from kms.core.errors import Reason, ServiceError
from kms.server.identity_jose import (
    KEY_SET_BYTES_MAX,
    IssuerKey,
    KeySetInvalid,
    UnverifiedToken,
    read_key_set,
)
from kms.server.identity_jwks import LEAST_SECONDS, IssuerKeys, KeyLocation
from support.clock import FakeClock
from support.oidc_issuer import OidcIssuer, jwk_of, new_key, running_issuer

KEY = new_key("ES256")
JWK = jwk_of(KEY, "ES256", "k1")


def _token(key_id: str | None = "k1", algorithm: str = "ES256") -> UnverifiedToken:
    return UnverifiedToken("", algorithm, key_id, None, {})


class Shelf:
    """What `read` gives, and how often it was asked."""

    def __init__(self) -> None:
        self.keys = read_key_set(json.dumps({"keys": [JWK]}).encode())
        self.reads = 0
        self.is_away = False
        self.clock = FakeClock()
        self.issuer = IssuerKeys("corp", self._read, self.clock, stale_seconds=3600)

    def _read(self) -> tuple[IssuerKey, ...]:
        self.reads += 1
        if self.is_away:
            raise FetchFailed("nobody there")
        return self.keys

    def reason(self, token: UnverifiedToken) -> Reason:
        with pytest.raises(ServiceError) as refused:
            self.issuer.find(token)
        return refused.value.reason


async def test_a_key_is_found_by_its_name() -> None:
    shelf = Shelf()
    assert await shelf.issuer.refresh()
    assert shelf.issuer.find(_token()).key == KEY.public_key()
    assert shelf.reason(_token(algorithm="ES384")) is Reason.TOKEN_INVALID


async def test_kids_of_strangers_cost_the_issuer_nothing() -> None:
    shelf = Shelf()
    await shelf.issuer.refresh()
    for number in range(1000):
        assert shelf.reason(_token(f"random-{number}")) is Reason.TOKEN_INVALID
    shelf.clock.advance(LEAST_SECONDS)
    reasons = {shelf.reason(_token(f"random-{number}")) for number in range(1000)}
    assert reasons == {Reason.ISSUER_UNAVAILABLE}, "told to come back while one fetch is on its way"
    await shelf.issuer.refresh()
    shelf.issuer._wanted.clear()  # what `keep` does
    assert {shelf.reason(_token(f"random-{number}")) for number in range(1000)} == {Reason.TOKEN_INVALID}
    assert shelf.reads == 2


async def test_a_new_key_is_found_after_one_fetch() -> None:
    shelf = Shelf()
    await shelf.issuer.refresh()
    shelf.clock.advance(LEAST_SECONDS)
    new = new_key("ES256")
    shelf.keys = read_key_set(json.dumps({"keys": [JWK, jwk_of(new, "ES256", "k2")]}).encode())
    assert shelf.reason(_token("k2")) is Reason.ISSUER_UNAVAILABLE
    await shelf.issuer.refresh()
    assert shelf.issuer.find(_token("k2")).key == new.public_key()


async def test_while_the_issuer_is_away_its_keys_stay_for_a_time() -> None:
    shelf = Shelf()
    await shelf.issuer.refresh()
    shelf.is_away = True
    shelf.clock.advance(3600)
    assert not await shelf.issuer.refresh()
    assert shelf.issuer.find(_token())
    shelf.clock.advance(1)
    assert shelf.reason(_token()) is Reason.ISSUER_UNAVAILABLE
    shelf.is_away = False
    await shelf.issuer.refresh()
    assert shelf.issuer.find(_token())


async def test_before_the_first_answer_nobody_is_let_in() -> None:
    assert Shelf().reason(_token()) is Reason.ISSUER_UNAVAILABLE


@pytest.mark.parametrize(
    "change",
    [
        {"kty": "oct", "k": "AAAA"},
        {"use": "enc"},
        {"key_ops": ["sign"]},
        {"key_ops": "verify"},
        {"crv": "secp256k1"},
        {"crv": "P-384"},
        {"x": "!"},
        {"x": 7},
        {"y": ""},
        {"d": "AAAA"},
        {"kid": 7},
        {"alg": ["ES256"]},
    ],
    ids=str,
)
def test_keys_that_can_not_verify_are_passed_over(change: dict[str, Any]) -> None:
    good = jwk_of(new_key("EdDSA"), "EdDSA", "good")
    assert [key.key_id for key in read_key_set(json.dumps({"keys": [JWK | change, good]}).encode())] == ["good"]
    with pytest.raises(KeySetInvalid):
        read_key_set(json.dumps({"keys": [JWK | change]}).encode())


def test_short_rsa_keys_are_passed_over() -> None:
    from cryptography.hazmat.primitives.asymmetric import rsa

    short = jwk_of(rsa.generate_private_key(65537, 1024), "RS256", "short")
    with pytest.raises(KeySetInvalid):
        read_key_set(json.dumps({"keys": [short]}).encode())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys":{}}',
        b'{"keys":[]}',
        b'{"keys":[],"keys":[]}',
        b"\xff",
        b" " * (KEY_SET_BYTES_MAX + 1),
        b'{"keys":' * 9000,
        json.dumps({"keys": [JWK] * 101}).encode(),
    ],
    ids=range(10),
)
def test_what_is_no_key_set(data: bytes) -> None:
    with pytest.raises(KeySetInvalid):
        read_key_set(data)


@pytest.fixture(scope="module")
def issuer():
    with running_issuer() as running:
        yield running


def test_discovery_leads_to_the_keys(issuer: OidcIssuer) -> None:
    (key,) = KeyLocation(issuer.url, None).read()
    assert key.key == issuer.keys["k1"][1].public_key()
    assert KeyLocation(issuer.url, f"{issuer.url}/keys").read() == (key,)


@pytest.mark.parametrize(
    "discovery",
    [
        {"issuer": "https://other.example"},
        {"jwks_uri": "http://evil.example/keys"},
        {"jwks_uri": 7},
        {"jwks_uri": "/etc/hostname"},
    ],
)
def test_discovery_that_leads_elsewhere(issuer: OidcIssuer, discovery: dict[str, Any]) -> None:
    issuer.discovery = discovery
    try:
        with pytest.raises(KeySetInvalid):
            KeyLocation(issuer.url, None).read()
    finally:
        issuer.discovery = {}


def test_an_issuer_that_is_away(issuer: OidcIssuer) -> None:
    issuer.is_away = True
    try:
        with pytest.raises(FetchFailed):
            KeyLocation(issuer.url, None).read()
    finally:
        issuer.is_away = False


def test_keys_may_lie_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [JWK]}))
    (key,) = KeyLocation("https://issuer.example", str(file)).read()
    assert key.key_id == "k1"
    with pytest.raises(FetchFailed):
        KeyLocation("https://issuer.example", str(tmp_path / "none")).read()


@pytest.mark.parametrize(("issuer_url", "jwks"), [("http://issuer.example", None), ("corp", None)])
def test_where_keys_may_come_from(issuer_url: str, jwks: str | None) -> None:
    with pytest.raises(ValueError):
        KeyLocation(issuer_url, jwks)
    with pytest.raises(ValueError):
        KeyLocation("https://issuer.example", "http://issuer.example/keys")
