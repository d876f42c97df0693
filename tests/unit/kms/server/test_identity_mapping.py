"""Who is who: claims and SPIFFE paths of others to tenant, role and name here."""

import re
from typing import Any

import pytest

from kms.core.errors import Reason, ServiceError
from kms.core.identity import Caller, Role
from kms.core.names import ID_PATTERN
from kms.server.identity_mapping import IssuerRules, PathRule, caller_of_claims, token_name

CLAIMS = {"sub": "alice", "org": "acme", "groups": ["staff", "kms-admins"], "realm": {"roles": ["auditor"]}}


def _caller(claims: dict[str, Any] | None = None, **rules: Any) -> Caller:
    given: dict[str, Any] = {"tenant": "acme", "role": Role.BACKEND, **rules}
    made = IssuerRules(
        name="corp",
        issuer="https://issuer.example",
        audiences=frozenset({"hallmark"}),
        algorithms=frozenset({"ES256"}),
        **given,
    )
    return caller_of_claims({**CLAIMS, **(claims or {})}, made, trust_domain="hallmark.test", operator_tenant="default")


def _refused(claims: dict[str, Any] | None = None, **rules: Any) -> str:
    with pytest.raises(ServiceError) as refused:
        _caller(claims, **rules)
    assert refused.value.reason is Reason.TOKEN_INVALID
    return str(refused.value)


def test_the_first_role_that_is_written_counts() -> None:
    roles = {"kms-admins": Role.ADMIN, "staff": Role.BACKEND}
    assert _caller(role=None, role_claim=("groups",), roles=roles).role is Role.ADMIN
    backwards = dict(reversed(roles.items()))
    assert _caller(role=None, role_claim=("groups",), roles=backwards).role is Role.BACKEND
    assert _caller(role=None, role_claim=("realm", "roles"), roles={"auditor": Role.AUDITOR}).role is Role.AUDITOR
    assert "no role" in _refused(role=None, role_claim=("groups",), roles={"root": Role.ADMIN})
    assert "no role" in _refused(role=None, role_claim=("none", "there"), roles={"root": Role.ADMIN})


def test_a_claim_may_name_the_tenant_but_neither_the_operators_nor_the_services_own() -> None:
    by_claim: dict[str, Any] = {"tenant": None, "tenant_claim": ("org",)}
    assert _caller(**by_claim).tenant == "acme"
    for tenant in ("default", "system", "Acme", "a/b", "", 7, None, "x" * 64):
        assert _refused({"org": tenant}, **by_claim)
    only = {**by_claim, "tenants": frozenset({"default", "umbrella"})}
    assert _caller({"org": "default"}, **only).tenant == "default"
    assert _refused(**only)


@pytest.mark.parametrize(
    ("required", "holds"),
    [
        ({"org": ("acme",)}, True),
        ({"org": ("other", "acme")}, True),
        ({"org": ("other",)}, False),
        ({"groups": ("staff",)}, True),
        ({"email_verified": (True,)}, True),
        ({"one": (True,)}, False),
        ({"missing": ("",)}, False),
        ({"org": ("acme",), "missing": ("x",)}, False),
    ],
    ids=str,
)
def test_required_claims(required: dict[str, Any], holds: bool) -> None:
    claims = {"email_verified": True, "one": 1}
    if holds:
        assert _caller(claims, required=required)
    else:
        assert _refused(claims, required=required)


@pytest.mark.parametrize(
    "subject", ["alice", "Alice", "a" * 1000, "auth0|5f7c8ec7", "日本", "--", "\ud800", "a@b.example"]
)
def test_names_are_stable_distinct_and_fit(subject: str) -> None:
    name = token_name("corp", "https://issuer.example", subject)
    assert re.fullmatch(ID_PATTERN, name)
    assert name.startswith("corp--")
    assert name == token_name("corp", "https://issuer.example", subject)
    assert name != token_name("corp", "https://other.example", subject)
    assert name != token_name("corp", "https://issuer.example", subject + "x")
    assert re.fullmatch(ID_PATTERN, token_name("a" * 20, "https://issuer.example", subject))


RULE = PathRule("/ns/payments/sa/*", "acme", Role.BACKEND, "payments-{1}")


def test_a_star_is_one_whole_segment() -> None:
    assert RULE.name_of("/ns/payments/sa/api") == "payments-api"
    for path in (
        "/ns/payments/sa",
        "/ns/payments/sa/",
        "/ns/payments/sa/a/b",
        "/ns/other/sa/api",
        "ns/payments/sa/api",
    ):
        assert RULE.name_of(path) is None


@pytest.mark.parametrize("name", ["x-{2}", "x-{0}", "x-{}", "x-{a}", "x-{1", "{1}}"])
def test_names_use_the_stars_there_are(name: str) -> None:
    with pytest.raises(ValueError, match="stars of"):
        PathRule("/ns/*", "acme", Role.BACKEND, name)
