"""Who calls: by the client certificate, by a bearer token, or by a token that is bound to the certificate.

A port with mutual TLS asks every client for a certificate; gRPC can not make that optional, so callers without one have
a port of their own, where TLS knows the server only. Which of them a call came in by shows in what TLS knows of it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from kms.core.call import Channel
from kms.core.errors import Reason, Unauthenticated
from kms.core.identity import Caller, Role
from kms.server.identity import AuthContext
from kms.server.identity_certificates import Certificates, KnownCertificate
from kms.server.identity_jose import invalid
from kms.server.identity_tokens import Tokens, bearer_of


@dataclass(frozen=True, slots=True)
class Identities:
    """A kms.server.doors.Identifier. Without `tokens` metadata is not even read: that would cost each call 2 us."""

    certificates: Certificates
    tokens: Tokens | None

    async def identify(
        self,
        auth: AuthContext,
        metadata: Callable[[], Any],
        channel: Channel,  # noqa: ARG002
        now: datetime,
    ) -> Caller:
        """Raises Unauthenticated, Unavailable/ISSUER_UNAVAILABLE."""
        known = self.certificates.identify(auth, now) if "x509_pem_cert" in auth else None
        text = bearer_of(metadata()) if self.tokens is not None else None
        if self.tokens is None or text is None:
            if known is None:
                raise invalid("this port takes callers with a bearer token: send authorization: Bearer TOKEN")
            return known.caller
        verified = self.tokens.verify(text, now)
        if known is None:
            if verified.bound_to is not None:
                raise _not_bound("the token is bound to a client certificate; use it on the port with mutual TLS")
            return verified.caller
        return _bound(verified.caller, verified.bound_to, known)

    def check_still(self, caller: Caller, now: datetime) -> None:
        """Of a caller whose stream is open. Raises Unauthenticated when certificate or token have ended since, or the
        certificate was revoked.
        """
        if caller.expires is not None and now >= caller.expires:
            raise ended(caller)
        self.certificates.check_still(caller)


def ended(caller: Caller) -> Unauthenticated:
    """What a caller hears whose certificate or token ends while a stream is open."""
    if caller.authentication == "mtls":
        return Unauthenticated(Reason.CERTIFICATE_UNKNOWN, "the client certificate has expired; connect with a new one")
    return Unauthenticated(Reason.TOKEN_EXPIRED, "the bearer token has expired; begin the stream again with a new one")


def _bound(caller: Caller, bound_to: str | None, known: KnownCertificate) -> Caller:
    """RFC 8705, section 3: this very certificate. Which is never a device's: it would shake off its standing."""
    if bound_to != known.thumbprint or known.caller.role is Role.DEVICE:
        raise _not_bound(
            "beside a client certificate only a token counts that is bound to it (cnf x5t#S256, RFC 8705); send none, "
            "or use the port for tokens"
        )
    return replace(caller.until(known.expires), authentication="mtls+oidc", certificate=known.caller.certificate)


def _not_bound(sentence: str) -> Unauthenticated:
    return Unauthenticated(Reason.TOKEN_NOT_BOUND, sentence)
