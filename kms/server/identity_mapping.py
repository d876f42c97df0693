"""From what an issuer or another trust domain says of a caller to tenant, role and name here."""

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from kms.core.identity import Caller, Role
from kms.core.names import ID_PATTERN
from kms.keys.model import SYSTEM_TENANT
from kms.server.identity import spiffe_id
from kms.server.identity_jose import invalid

ClaimPath: TypeAlias = tuple[str, ...]
TOKEN_NAME_MARK: Final = "--"  # noqa: S105
"""In the name of every caller who came with a token, and in no certificate's (kms.server.identity_certificates)."""
_NAME_MAX: Final = 63
_VALUE_MAX: Final = 1024
_ID: Final = re.compile(ID_PATTERN)
_MISSING: Final = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerRules:
    """Whom an issuer may name. Of `tenant` and `tenant_claim` one is given, of `role` and `role_claim` too.

    `tenants`: that the claim may name; empty: any but `operator_tenant`. `roles`: in the order in which they count.
    """

    name: str
    issuer: str
    audiences: frozenset[str]
    algorithms: frozenset[str]
    types: frozenset[str] = frozenset({"jwt", "at+jwt"})
    tenant: str | None = None
    tenant_claim: ClaimPath = ()
    tenants: frozenset[str] = frozenset()
    role: Role | None = None
    role_claim: ClaimPath = ()
    roles: Mapping[str, Role] = field(default_factory=dict)
    name_claim: ClaimPath = ("sub",)
    required: Mapping[str, tuple[str | bool | int, ...]] = field(default_factory=dict)
    lifetime_seconds_max: int = 86400
    leeway_seconds: int = 30


def caller_of_claims(
    claims: Mapping[str, Any], rules: IssuerRules, *, trust_domain: str, operator_tenant: str
) -> Caller:
    """Of a token that was verified. Raises Unauthenticated/TOKEN_INVALID."""
    for claim, wanted in rules.required.items():
        if not _holds(claims.get(claim, _MISSING), wanted):
            raise invalid(f"the token's claim {claim} is not what this service asks of issuer {rules.name}")
    tenant = rules.tenant or _tenant(claims, rules, operator_tenant)
    role = rules.role or _role(claims, rules)
    subject = _text(claims, rules.name_claim)
    if tenant == SYSTEM_TENANT:
        raise invalid("nobody comes in as the service's own tenant")
    name = token_name(rules.name, rules.issuer, subject)
    return Caller(spiffe_id(trust_domain, tenant, role, name), tenant, role, name, authentication="oidc")


def token_name(issuer_name: str, issuer: str, subject: str) -> str:
    """{issuer}--{slug}-{hash}: at most 63 characters; 128 bits of SHA-256 over issuer URL and subject tell them apart,
    the slug is for people.
    """
    digest = hashlib.sha256(issuer.encode() + b"\0" + subject.encode("utf-8", "surrogatepass")).digest()[:16]
    unique = base64.b32encode(digest).decode().rstrip("=").lower()
    room = _NAME_MAX - len(issuer_name) - len(TOKEN_NAME_MARK) - len(unique) - 1
    slug = re.sub(r"[^a-z0-9]+", "-", subject.lower())[:room].strip("-")
    return f"{issuer_name}{TOKEN_NAME_MARK}{slug}-{unique}" if slug else f"{issuer_name}{TOKEN_NAME_MARK}{unique}"


def _tenant(claims: Mapping[str, Any], rules: IssuerRules, operator_tenant: str) -> str:
    tenant = _text(claims, rules.tenant_claim)
    if not _ID.fullmatch(tenant):
        raise invalid("the token's tenant is no name of a tenant: 1 to 63 lower-case letters, digits or hyphens")
    if tenant not in rules.tenants if rules.tenants else tenant == operator_tenant:
        raise invalid(f"issuer {rules.name} may not name this tenant; identity.issuers.tenants lists those it may")
    return tenant


def _role(claims: Mapping[str, Any], rules: IssuerRules) -> Role:
    found = _claim(claims, rules.role_claim)
    values = found if isinstance(found, list) else [found]
    for value, role in rules.roles.items():
        if value in values:
            return role
    raise invalid(f"the token's claim {'.'.join(rules.role_claim)} gives no role here")


def _holds(found: object, wanted: tuple[str | bool | int, ...]) -> bool:
    """One of the values, of the same type: 1 is not true. A list holds when one of its members does."""
    values = found if isinstance(found, list) else [found]
    return any(type(value) is type(each) and value == each for value in values for each in wanted)


def _text(claims: Mapping[str, Any], path: ClaimPath) -> str:
    value = _claim(claims, path)
    if not isinstance(value, str) or not 0 < len(value) <= _VALUE_MAX:
        raise invalid(f"the token's claim {'.'.join(path)} must be a text of 1 to {_VALUE_MAX} characters")
    return value


def _claim(claims: Any, path: ClaimPath) -> Any:
    for part in path:
        claims = claims.get(part) if isinstance(claims, Mapping) else None
    return claims


@dataclass(frozen=True, slots=True)
class PathRule:
    """`pattern`: path of a SPIFFE ID, where * is one whole segment; `name`: {1} is what the first star stands for.

    Raises ValueError for a name that asks for stars there are not.
    """

    pattern: str
    tenant: str
    role: Role
    name: str

    def __post_init__(self) -> None:
        stars = self.pattern.split("/").count("*")
        asked = [int(number) for number in re.findall(r"\{(\d+)\}", self.name)]
        left = re.sub(r"\{\d+\}", "", self.name)
        if "{" in left or "}" in left or any(not 1 <= number <= stars for number in asked):
            raise ValueError(f"name {self.name!r} must use {{1}} to {{{stars}}}, the stars of {self.pattern}")

    def name_of(self, path: str) -> str | None:
        """None for a path of another shape."""
        wanted, segments = self.pattern.split("/"), path.split("/")
        if len(wanted) != len(segments):
            return None
        stars: list[str] = []
        for want, segment in zip(wanted, segments, strict=True):
            if want == "*" and segment:
                stars.append(segment)
            elif want != segment:
                return None
        return re.sub(r"\{(\d+)\}", lambda found: stars[int(found[1]) - 1], self.name)
