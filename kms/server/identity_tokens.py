"""Bearer tokens: whose, for whom, until when (RFC 6750, 7519, 8705, 8725; OpenID Connect Core 1.0, section 3.1.3.7).

A token is verified once, then known by its SHA-256 for a minute at most: each further call costs a look-up.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from kms.core.errors import Reason, Unauthenticated
from kms.core.identity import Caller
from kms.server.identity_jose import UnverifiedToken, invalid, read_token, verify_signature
from kms.server.identity_jwks import IssuerKeys
from kms.server.identity_mapping import IssuerRules, caller_of_claims

KNOWN_SECONDS: Final = 60
KNOWN_MAX: Final = 10_000
_THUMBPRINT_CHARACTERS: Final = 43
_SECONDS_MAX: Final = 2**40
_SCHEME: Final = "bearer "


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """`bound_to`: SHA-256 of the certificate that must come with it, base64url (RFC 8705, section 3.1); None: any
    bearer may use it. `caller.expires` is the end of the token.
    """

    caller: Caller
    bound_to: str | None


@dataclass(frozen=True, slots=True)
class Issuer:
    rules: IssuerRules
    keys: IssuerKeys


class Tokens:
    """All issuers of this service."""

    def __init__(self, issuers: Iterable[Issuer], *, trust_domain: str, operator_tenant: str) -> None:
        self._issuers = {issuer.rules.issuer: issuer for issuer in issuers}
        self._trust_domain = trust_domain
        self._operator_tenant = operator_tenant
        self._known: dict[bytes, tuple[VerifiedToken, datetime]] = {}

    def verify(self, text: str, now: datetime) -> VerifiedToken:
        """Raises Unauthenticated/TOKEN_INVALID or TOKEN_EXPIRED, Unavailable/ISSUER_UNAVAILABLE."""
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        known = self._known.get(digest)
        if known is not None and now < known[1]:
            return known[0]
        verified = self._verify(text, now)
        while len(self._known) >= KNOWN_MAX:
            del self._known[next(iter(self._known))]
        assert verified.caller.expires is not None
        self._known[digest] = (verified, min(verified.caller.expires, now + timedelta(seconds=KNOWN_SECONDS)))
        return verified

    def _verify(self, text: str, now: datetime) -> VerifiedToken:
        """Steps of RFC 8725, section 3: shape and algorithm > issuer > its key > signature > type > claims > caller."""
        token = read_token(text)
        issuer = token.claims.get("iss")
        trusted = self._issuers.get(issuer) if isinstance(issuer, str) else None
        if trusted is None:
            raise invalid("the token is of an issuer that this service does not know (iss)")
        rules = trusted.rules
        if token.algorithm not in rules.algorithms:
            raise invalid(f"issuer {rules.name} may not sign with the token's algorithm; identity.issuers.algorithms")
        verify_signature(token, trusted.keys.find(token))
        _check_type(token, rules)
        _check_audience(token.claims, rules)
        expires = _check_times(token.claims, rules, now)
        caller = caller_of_claims(
            token.claims, rules, trust_domain=self._trust_domain, operator_tenant=self._operator_tenant
        )
        return VerifiedToken(caller.until(expires), _binding(token.claims))


def bearer_of(metadata: Iterable[tuple[str, str | bytes]] | None) -> str | None:
    """The token of the authorization metadata; None when there is none (RFC 6750, section 2.1). Raises
    Unauthenticated/TOKEN_INVALID for two of them, and for another scheme.
    """
    found = [value for key, value in metadata or () if key == "authorization"]
    if not found:
        return None
    if len(found) > 1:
        raise invalid("the call has more than one authorization in its metadata; send one")
    value = found[0]
    if not isinstance(value, str) or value[: len(_SCHEME)].lower() != _SCHEME:
        raise invalid("the authorization metadata must be: Bearer, a space, the token")
    return value[len(_SCHEME) :]


def _check_type(token: UnverifiedToken, rules: IssuerRules) -> None:
    kind = token.type
    if kind is not None and kind.lower().removeprefix("application/") not in rules.types:
        raise invalid("the token is of another kind than this service takes (typ); identity.issuers.types")


def _check_audience(claims: Mapping[str, Any], rules: IssuerRules) -> None:
    audience = claims.get("aud")
    values = audience if isinstance(audience, list) else [audience]
    if not any(isinstance(value, str) and value in rules.audiences for value in values):
        wanted = ", ".join(sorted(rules.audiences))
        raise invalid(f"the token is meant for somebody else (aud); ask its issuer for the audience {wanted}")


def _check_times(claims: Mapping[str, Any], rules: IssuerRules, now: datetime) -> datetime:
    """When it ends, leeway included. Section 4.1 of RFC 7519; without exp or iat it might hold for ever."""
    moment, leeway = now.timestamp(), rules.leeway_seconds
    expires, issued = _seconds(claims, "exp"), _seconds(claims, "iat")
    if moment >= expires + leeway:
        raise Unauthenticated(Reason.TOKEN_EXPIRED, "the bearer token has expired; ask its issuer for a new one")
    if issued > moment + leeway:
        raise invalid("the token was issued in the future (iat); compare the clocks of issuer and service")
    if "nbf" in claims and _seconds(claims, "nbf") > moment + leeway:
        raise invalid("the token does not hold yet (nbf); compare the clocks of issuer and service")
    if expires - issued > rules.lifetime_seconds_max:
        raise invalid(
            f"the token holds for longer than {rules.lifetime_seconds_max} s; ask its issuer for shorter ones"
        )
    return datetime.fromtimestamp(expires + leeway, UTC)


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    """A NumericDate (RFC 7519, section 2)."""
    value = claims.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _SECONDS_MAX:  # no NaN either
        return value
    raise invalid(f"the token must say {name}, in seconds since 1970")


def _binding(claims: Mapping[str, Any]) -> str | None:
    """A confirmation that is not understood must not be passed over (RFC 7800, section 3.1)."""
    if "cnf" not in claims:
        return None
    confirmation = claims["cnf"]
    thumbprint = confirmation.get("x5t#S256") if isinstance(confirmation, dict) and len(confirmation) == 1 else None
    if not isinstance(thumbprint, str) or len(thumbprint) != _THUMBPRINT_CHARACTERS:
        raise invalid("the token is bound to a key in a way that this service does not know (cnf); x5t#S256 is known")
    return thumbprint
