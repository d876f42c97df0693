"""Reads caller and channel from what gRPC knows of the connection. Nothing a client sends in metadata counts."""

import re
from collections.abc import Iterable, Mapping

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
    names = [value.decode("utf-8", "replace") for value in auth.get("x509_subject_alternative_name", ())]
    uris = [name for name in names if name.startswith("spiffe://")]
    found = _SPIFFE.fullmatch(uris[0]) if len(uris) == 1 else None
    known = found is not None and found["role"] in set(Role) and found["tenant"] != SYSTEM_TENANT
    if found is None or not known or found["domain"] != trust_domain:
        raise Unauthenticated(
            Reason.CERTIFICATE_UNKNOWN,
            "the client certificate must carry exactly one URI name spiffe://"
            f"{trust_domain}/tenants/{{tenant}}/{{role}}/{{name}} with a role of {', '.join(Role)}",
        )
    return Caller(uris[0], found["tenant"], Role(found["role"]), found["name"])


def read_channel(auth: AuthContext, peer: str) -> Channel:
    """TLS facts as gRPC negotiated them; "unknown" where it does not tell."""

    def first(key: str) -> str:
        return next((value.decode("ascii", "replace") for value in auth.get(key, ())), "unknown")

    return Channel(peer=peer, tls_version=first("ssl_tls_version"), group=first("ssl_negotiated_key_exchange_group"))
