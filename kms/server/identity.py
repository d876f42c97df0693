"""Reads caller and channel from what gRPC knows of the connection. Tokens: kms.server.identity_door."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from sys import intern
from typing import Any

from kms.core.call import Channel
from kms.core.errors import Reason, Unauthenticated
from kms.core.identity import Caller, Role
from kms.core.names import ID_PATTERN
from kms.keys.model import SYSTEM_TENANT

_SPIFFE = re.compile(
    rf"spiffe://(?P<domain>[a-z0-9.-]{{1,255}})/tenants/(?P<tenant>{ID_PATTERN})/(?P<role>[a-z]+)/(?P<name>{ID_PATTERN})"
)
AuthContext = Mapping[str, Iterable[bytes]]


def spiffe_id(trust_domain: str, tenant: str, role: Role, name: str) -> str:
    """The URI a client certificate must carry (SPIFFE X509-SVID: exactly one URI name)."""
    return f"spiffe://{trust_domain}/tenants/{tenant}/{role}/{name}"


def identify(auth: AuthContext, trust_domain: str) -> Caller:
    """Raises Unauthenticated. The chain was verified by TLS; here only the name is read.

    Nobody comes in as the service's own tenant: its keys would be theirs to rotate.
    """
    return _identify(tuple(auth.get("x509_subject_alternative_name", ())), trust_domain)


@dataclass(frozen=True, slots=True)
class MutualTls:
    """A kms.server.doors.Identifier: the name in the client certificate is all that counts. For benchmarks and tests of
    what lies behind; the service itself has kms.server.identity_door.
    """

    trust_domain: str

    async def identify(self, auth: AuthContext, metadata: Any, channel: Channel, now: datetime) -> Caller:  # noqa: ARG002
        return identify(auth, self.trust_domain)

    def check_still(self, caller: Caller, now: datetime) -> None:
        """When certificates end is not read here."""


def caller_of_uri(uri: str, trust_domain: str) -> Caller:
    """Of a certificate of our own trust domain. Raises Unauthenticated."""
    found = _SPIFFE.fullmatch(uri)
    known = found is not None and found["role"] in set(Role) and found["tenant"] != SYSTEM_TENANT
    if found is None or not known or found["domain"] != trust_domain:
        raise Unauthenticated(
            Reason.CERTIFICATE_UNKNOWN,
            "the client certificate must carry exactly one URI name spiffe://"
            f"{trust_domain}/tenants/{{tenant}}/{{role}}/{{name}} with a role of {', '.join(Role)}",
        )
    return Caller(uri, intern(found["tenant"]), Role(found["role"]), found["name"])


@lru_cache(maxsize=4096)
def _identify(alternative_names: tuple[bytes, ...], trust_domain: str) -> Caller:
    names = [value.decode("utf-8", "replace") for value in alternative_names]
    uris = [name for name in names if name.startswith("spiffe://")]
    return caller_of_uri(uris[0] if len(uris) == 1 else "", trust_domain)


def read_channel(auth: AuthContext, peer: str, *, with_certificate: bool = True) -> Channel:
    """TLS facts as gRPC negotiated them; "unknown" where it does not tell. The certificate is the most of it: a call
    that stays open for days is better without.
    """
    return Channel(
        peer=peer,
        tls_version=_first(auth, "ssl_tls_version"),
        group=_first(auth, "ssl_negotiated_key_exchange_group"),
        peer_certificate=next(iter(auth.get("x509_pem_cert", ())), b"") if with_certificate else b"",
    )


def _first(auth: AuthContext, key: str) -> str:
    for value in auth.get(key, ()):
        return _word(value)
    return "unknown"


@lru_cache(maxsize=64)
def _word(value: bytes) -> str:
    """The same few words for everybody: kept once."""
    return value.decode("ascii", "replace")
