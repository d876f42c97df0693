"""Whatever the bytes: a token is verified, or refused with our own error that does not repeat it."""

import base64
import contextlib
import json
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from kms.core.errors import Reason, ServiceError, Unauthenticated, Unavailable
from kms.core.identity import Role
from kms.server.identity_jose import KeySetInvalid, read_key_set, read_token
from kms.server.identity_jwks import IssuerKeys
from kms.server.identity_mapping import IssuerRules
from kms.server.identity_tokens import Issuer, Tokens, bearer_of
from support.clock import START, FakeClock
from support.oidc_issuer import AUDIENCE, OidcIssuer

ISSUER = OidcIssuer()
ISSUER.add_key()
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
_HEADER = st.fixed_dictionaries(
    {},
    optional={
        "alg": st.sampled_from(["ES256", "RS256", "none", "HS256", 7]) | _JSON,
        "kid": st.sampled_from(["k1", "k2"]) | _JSON,
        "typ": st.sampled_from(["JWT", "at+jwt"]) | _JSON,
        "crit": _JSON,
        "b64": _JSON,
        "cty": _JSON,
        "jku": _JSON,
    },
)
_CLAIMS = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("iss", "aud", "sub", "exp", "iat", "nbf", "cnf", "org", "groups"), _JSON),
)


def _tokens() -> Tokens:
    rules = IssuerRules(
        name="corp",
        issuer=ISSUER.url,
        audiences=frozenset({AUDIENCE}),
        algorithms=frozenset({"ES256", "RS256"}),
        tenant_claim=("org",),
        role_claim=("groups",),
        roles={"staff": Role.BACKEND},
    )
    keys = IssuerKeys("corp", lambda: (), FakeClock())
    keys._keys, keys._read_at, keys._tried_at = read_key_set(ISSUER.key_set()), 1000.0, 1000.0
    return Tokens([Issuer(rules, keys)], trust_domain="hallmark.test", operator_tenant="default")


TOKENS = _tokens()


def _part(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def _refusal(act: Callable[..., object], *arguments: object) -> ServiceError | None:
    try:
        act(*arguments)
    except (Unauthenticated, Unavailable) as error:
        return error
    return None


def _verified_or_refused(text: str) -> None:
    refusal = _refusal(TOKENS.verify, text, START)
    if refusal is not None:
        assert refusal.reason in {Reason.TOKEN_INVALID, Reason.TOKEN_EXPIRED}
        assert len(text) < 12 or text not in refusal.message


@given(st.text() | st.from_regex(r"[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*", fullmatch=True))
def test_any_text(text: str) -> None:
    _verified_or_refused(text)


@given(_HEADER, _CLAIMS, st.binary(max_size=70))
def test_any_header_and_claims_without_the_issuers_signature(header: object, claims: object, signature: bytes) -> None:
    tail = base64.urlsafe_b64encode(signature).decode().rstrip("=")
    text = f"{_part(header)}.{_part(claims)}.{tail}"
    assert _refusal(TOKENS.verify, text, START), "nobody signed this"


@given(_CLAIMS)
def test_any_claims_of_the_issuer_itself(claims: dict[str, object]) -> None:
    whole = {"org": "acme", "groups": ["staff"], **{name: value for name, value in claims.items() if name != "iss"}}
    _verified_or_refused(ISSUER.token(now=START, **whole))


@given(st.integers(0, 400), st.integers(1, 255))
@settings(max_examples=60)
def test_one_changed_byte_of_a_good_token(place: int, change: int) -> None:
    text = ISSUER.token(now=START, org="acme", groups=["staff"])
    TOKENS.verify(text, START)
    data = bytearray(text.encode())
    data[place % len(data)] ^= change
    assert _refusal(TOKENS.verify, data.decode("latin-1"), START), "another token with the same signature"


@given(st.binary(max_size=300) | _JSON.map(lambda found: json.dumps({"keys": [found]}).encode()))
def test_any_key_set(data: bytes) -> None:
    with contextlib.suppress(KeySetInvalid):
        assert read_key_set(data)


@given(st.dictionaries(st.sampled_from(["kty", "crv", "x", "y", "n", "e", "use", "key_ops", "alg", "kid"]), _JSON))
def test_any_key(entry: dict[str, object]) -> None:
    for kind in ("RSA", "EC", "OKP"):
        with contextlib.suppress(KeySetInvalid):
            assert read_key_set(json.dumps({"keys": [entry | {"kty": kind}]}).encode())


@given(st.lists(st.tuples(st.sampled_from(["authorization", "x"]), st.text() | st.binary()), max_size=4))
def test_any_metadata(metadata: list[tuple[str, str | bytes]]) -> None:
    refusal = _refusal(bearer_of, metadata)
    assert refusal is None or refusal.reason is Reason.TOKEN_INVALID


@given(st.text(max_size=200))
def test_reading_tells_only_its_own_error(text: str) -> None:
    refusal = _refusal(read_token, text)
    assert refusal is None or refusal.reason is Reason.TOKEN_INVALID
