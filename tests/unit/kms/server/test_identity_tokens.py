"""Tokens as issuers sign them, and as attackers make them (RFC 8725)."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kms.core.errors import Reason, ServiceError
from kms.core.identity import Role
from kms.server.identity_jose import read_key_set
from kms.server.identity_jwks import IssuerKeys
from kms.server.identity_mapping import IssuerRules, token_name
from kms.server.identity_tokens import KNOWN_MAX, Issuer, Tokens, bearer_of
from support.clock import START, FakeClock
from support.oidc_issuer import AUDIENCE, OidcIssuer, new_key

ALGORITHMS = frozenset({"RS256", "PS256", "ES256", "ES384", "EdDSA"})


class World:
    """One issuer with a key for each algorithm, and a service that trusts it."""

    def __init__(self, **rules: Any) -> None:
        self.issuer = OidcIssuer()
        for algorithm in sorted(ALGORITHMS):
            self.issuer.add_key(algorithm.lower(), algorithm)
        self.issuer.keys["k1"] = self.issuer.keys["es256"]
        self.clock = FakeClock()
        given = {"tenant": "acme", "role": Role.BACKEND, **rules}
        self.rules = IssuerRules(
            name="corp", issuer=self.issuer.url, audiences=frozenset({AUDIENCE}), algorithms=ALGORITHMS, **given
        )
        self.keys = IssuerKeys("corp", lambda: read_key_set(self.issuer.key_set()), self.clock)
        self.tokens = Tokens([Issuer(self.rules, self.keys)], trust_domain="hallmark.test", operator_tenant="default")

    def refused(self, text: str, *, now=START) -> ServiceError:
        with pytest.raises(ServiceError) as refused:
            self.tokens.verify(text, now)
        assert text == "" or text not in str(refused.value)
        return refused.value

    def token(self, **claims: Any) -> str:
        return self.issuer.token(now=START, **claims)


@pytest.fixture
async def world() -> World:
    return await _ready(World())


async def _ready(world: World) -> World:
    assert await world.keys.refresh()
    return world


def _part(content: object) -> str:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


_HEAD = b'{"alg":"ES256","kid":"k1"}'


def _unsigned(header: bytes, payload: bytes) -> str:
    return f"{_part(header)}.{_part(payload)}.AA"


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
async def test_a_token_says_who_calls(world: World, algorithm: str) -> None:
    caller = world.tokens.verify(world.token(key_id=algorithm.lower()), START).caller
    assert (caller.tenant, caller.role, caller.authentication) == ("acme", Role.BACKEND, "oidc")
    assert caller.spiffe_id == f"spiffe://hallmark.test/tenants/acme/backend/{caller.name}"
    assert caller.name == token_name("corp", world.issuer.url, "alice")
    assert caller.expires == START + timedelta(seconds=630)
    assert caller.certificate == ""


async def test_a_token_holds_to_the_second(world: World) -> None:
    text, late = world.token(), START + timedelta(seconds=630)
    assert world.tokens.verify(text, late - timedelta(seconds=1))
    assert world.refused(text, now=late).reason is Reason.TOKEN_EXPIRED
    assert (await _ready(World())).refused(world.token(), now=START).reason is Reason.TOKEN_INVALID  # another key


async def test_what_is_known_is_forgotten_with_the_token(world: World) -> None:
    text = world.token(lifetime=10)
    assert world.tokens.verify(text, START)
    assert world.refused(text, now=START + timedelta(seconds=41)).reason is Reason.TOKEN_EXPIRED


async def test_a_known_token_costs_no_key(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    text = world.token()
    first = world.tokens.verify(text, START)
    monkeypatch.setattr(world.keys, "find", lambda _: pytest.fail("looked for the key again"))
    assert world.tokens.verify(text, START + timedelta(seconds=59)) is first
    with pytest.raises(pytest.fail.Exception):
        world.tokens.verify(text, START + timedelta(seconds=60))
    assert KNOWN_MAX <= 10_000


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "somebody else"},
        {"aud": None},
        {"aud": []},
        {"aud": {"hallmark": 1}},
        {"exp": None},
        {"iat": None},
        {"exp": "tomorrow"},
        {"exp": True},
        {"exp": 1e300},
        {"exp": 10**400},
        {"exp": -1},
        {"nbf": START.timestamp() + 31},
        {"nbf": "soon"},
        {"iat": START.timestamp() + 31},
        {"exp": START.timestamp() + 86401},
        {"iss": "https://evil.example"},
        {"iss": ["https://issuer.example"]},
        {"iss": "https://issuer.example/"},
        {"iss": None},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "a" * 1025},
        {"cnf": {"jkt": "x"}},
        {"cnf": {"x5t#S256": "short"}},
        {"cnf": "x"},
        {"cnf": {}},
        {"cnf": None, "aud": ["x", 1, None]},
    ],
    ids=str,
)
async def test_claims_that_are_wrong_or_missing(world: World, claims: dict[str, Any]) -> None:
    assert world.refused(world.token(**claims)).reason is Reason.TOKEN_INVALID


@pytest.mark.parametrize(
    "headers",
    [
        {"crit": ["b64"], "b64": True},
        {"crit": ["exp"]},
        {"crit": []},
        {"typ": "dpop+jwt"},
        {"typ": "logout+jwt"},
        {"typ": "secevent+jwt"},
        {"cty": "JWT"},
        {"kid": "../../etc/passwd"},
        {"kid": "http://127.0.0.1/keys"},
        {"kid": "' OR 1=1"},
        {"kid": "k" * 257},
        {"kid": "rs256"},
    ],
    ids=str,
)
async def test_headers_that_are_not_taken(world: World, headers: dict[str, Any]) -> None:
    """By hand: PyJWT does not make some of them."""
    header = {"alg": "ES256", "kid": "k1", "typ": "JWT", **headers}
    signed = f"{_part(header)}.{_part(world.issuer.claims(now=START))}"
    _, key = world.issuer.keys["k1"]
    signature = _es256(key, signed)
    assert world.refused(f"{signed}.{signature}").reason in {Reason.TOKEN_INVALID, Reason.ISSUER_UNAVAILABLE}


def _es256(key: Any, signed: str) -> str:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    return _part(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


@pytest.mark.parametrize("header", ["jku", "x5u", "jwk", "x5c"])
async def test_a_token_does_not_bring_its_own_key(world: World, header: str) -> None:
    """What these say is never looked at: with the issuer's signature they do no harm, with another no good."""
    mine = new_key("ES256")
    head = {"alg": "ES256", "kid": "k1", header: "https://evil.example/keys"}
    signed = f"{_part(head)}.{_part(world.issuer.claims(now=START))}"
    assert world.refused(f"{signed}.{_es256(mine, signed)}").reason is Reason.TOKEN_INVALID
    assert world.tokens.verify(f"{signed}.{_es256(world.issuer.keys['k1'][1], signed)}", START)


async def test_algorithms_are_not_the_tokens_to_choose(world: World) -> None:
    payload = _part(world.issuer.claims(now=START))
    public = world.issuer.keys["rs256"][1].public_key()
    for algorithm in ("none", "None", "NONE", "", None, "HS256", "HS512", "RS1", "ES256K", ["ES256"]):
        signed = f"{_part({'alg': algorithm, 'kid': 'rs256'})}.{payload}"
        secrets = [
            public.public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
            for encoding in (Encoding.PEM, Encoding.DER)
        ]
        for secret in secrets:
            mac = _part(hmac.digest(secret, signed.encode(), hashlib.sha256))
            assert world.refused(f"{signed}.{mac}").reason is Reason.TOKEN_INVALID
        assert world.refused(f"{signed}.").reason is Reason.TOKEN_INVALID
    for algorithm in ("RS256", "PS256", "ES384", "EdDSA"):  # allowed, but not this key's
        signed = f"{_part({'alg': algorithm, 'kid': 'k1'})}.{payload}"
        assert world.refused(f"{signed}.{_part(b'x' * 64)}").reason is Reason.TOKEN_INVALID


async def test_an_issuer_may_not_use_what_its_settings_leave_out() -> None:
    world = World()
    world.rules = IssuerRules(
        name="corp",
        issuer=world.issuer.url,
        audiences=frozenset({AUDIENCE}),
        algorithms=frozenset({"ES256"}),
        tenant="acme",
        role=Role.BACKEND,
    )
    world.tokens = Tokens([Issuer(world.rules, world.keys)], trust_domain="hallmark.test", operator_tenant="default")
    await _ready(world)
    assert world.tokens.verify(world.token(), START)
    assert world.refused(world.token(key_id="rs256")).reason is Reason.TOKEN_INVALID


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "a.b.c.d",
        "a" * 20_000,
        _unsigned(_HEAD, b"[" * 4000),
        _unsigned(_HEAD, b'{"a":' * 3000),
        _unsigned(b"[" * 8000, b"{}"),
        _unsigned(b'{"alg":"ES256","alg":"RS256"}', b"{}"),
        _unsigned(b'{"alg":NaN}', b"{}"),
        _unsigned(_HEAD, b'{"exp":' + b"9" * 5000 + b"}"),
        _unsigned(_HEAD, bytes([0xFF, 0xFE])),
        "\ud800.\ud800.\ud800",
        f"{_part({'alg': 'ES256', 'kid': 7})}.{_part({})}.AA",
        f"{_part({'alg': 'ES256', 'typ': 7})}.{_part({})}.AA",
    ],
    ids=range(16),
)
async def test_what_is_no_token(world: World, text: str) -> None:
    assert world.refused(text).reason is Reason.TOKEN_INVALID


async def test_one_changed_character_is_another_token(world: World) -> None:
    text = world.token()
    header, payload, signature = text.split(".")
    swapped = payload[:-2] + ("AA" if payload[-2:] != "AA" else "BB")
    for changed in (f"{header}.{swapped}.{signature}", f"{header}.{payload}.{signature[::-1]}", f"{text}=", f" {text}"):
        assert world.refused(changed).reason is Reason.TOKEN_INVALID


async def test_a_token_without_kid_needs_an_issuer_with_one_key(world: World) -> None:
    header = {"alg": "ES256"}
    signed = f"{_part(header)}.{_part(world.issuer.claims(now=START))}"
    text = f"{signed}.{_es256(world.issuer.keys['k1'][1], signed)}"
    assert "several" in str(world.refused(text))
    world.issuer.keys = {"k1": world.issuer.keys["k1"]}
    await _ready(world)
    assert world.tokens.verify(text, START)


async def test_a_bound_token_says_to_what(world: World) -> None:
    thumbprint = "A" * 43
    assert world.tokens.verify(world.token(cnf={"x5t#S256": thumbprint}), START).bound_to == thumbprint
    assert world.tokens.verify(world.token(), START).bound_to is None


@pytest.mark.parametrize(
    "metadata", [(), None, (("user-agent", "x"),), (("Authorization-2", "Bearer x"),), (("cookie", "authorization=1"),)]
)
def test_calls_without_a_token(metadata: Any) -> None:
    assert bearer_of(metadata) is None


def test_the_one_bearer_token() -> None:
    assert bearer_of((("x", "y"), ("authorization", "Bearer a.b.c"))) == "a.b.c"
    assert bearer_of((("authorization", "bearer a.b.c"),)) == "a.b.c"


@pytest.mark.parametrize(
    "metadata",
    [
        (("authorization", "Bearer a"), ("authorization", "Bearer a")),
        (("authorization", "Basic YTpi"),),
        (("authorization", ""),),
        (("authorization", b"Bearer a"),),
        (("authorization", "Bearera"),),
    ],
)
def test_authorization_that_is_no_bearer_token(metadata: Any) -> None:
    with pytest.raises(ServiceError) as refused:
        bearer_of(metadata)
    assert refused.value.reason is Reason.TOKEN_INVALID
