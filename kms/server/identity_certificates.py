"""Callers by their client certificates (SPIFFE X509-SVID). Each certificate is read and verified once, then known.

TLS trusts all authorities alike; here a certificate must chain to those of its own trust domain, or the authority of
one domain could make callers of another.
"""

import base64
import hashlib
import re
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes

from kms.core.errors import Reason, Unauthenticated
from kms.core.identity import Caller, Role
from kms.core.names import ID_PATTERN
from kms.server.identity import AuthContext, caller_of_uri
from kms.server.identity_authorities import Authorities, NotVouchedFor, certificate_id
from kms.server.identity_mapping import TOKEN_NAME_MARK

KNOWN_MAX: Final = 16_384
_URI_MAX: Final = 400
_URI: Final = re.compile(r"spiffe://([a-z0-9._-]{1,255})((?:/[A-Za-z0-9._-]+)+)")
_ID: Final = re.compile(ID_PATTERN)


@dataclass(frozen=True, slots=True)
class KnownCertificate:
    """`thumbprint`: SHA-256 of the DER, base64url without padding (RFC 8705, x5t#S256)."""

    caller: Caller
    expires: datetime
    thumbprint: str


class Certificates:
    """`replace` says by whom certificates are vouched for, and which are taken back."""

    def __init__(self, trust_domain: str) -> None:
        self._trust_domain = trust_domain
        self._domains: dict[str, list[Authorities]] = {}
        self._revoked: frozenset[str] = frozenset()
        self._tls_suffices = False
        self._known: OrderedDict[bytes, KnownCertificate] = OrderedDict()

    def replace(self, authorities: Iterable[Authorities], revoked: frozenset[str]) -> None:
        """All that was known is verified again."""
        self._domains = {}
        for each in authorities:
            self._domains.setdefault(each.trust_domain, []).append(each)
        listed = [each for domain in self._domains.values() for each in domain]
        # With one set of authorities TLS has verified what would be verified here.
        self._tls_suffices = len(listed) == 1 and listed[0].roles == frozenset(Role)
        self._revoked = revoked
        self._known.clear()

    def identify(self, auth: AuthContext, now: datetime) -> KnownCertificate:
        """Raises Unauthenticated/CERTIFICATE_UNKNOWN."""
        (pem,) = auth["x509_pem_cert"]
        digest = hashlib.sha256(pem).digest()
        known = self._known.get(digest)
        if known is None:
            known = self._read(pem, next(iter(auth.get("x509_pem_cert_chain", ())), b""), now)
            if len(self._known) >= KNOWN_MAX:
                self._known.popitem(last=False)
            self._known[digest] = known
        if now >= known.expires:
            raise _refused("the client certificate has expired; connect again with a new one")
        return known

    def check_still(self, caller: Caller) -> None:
        """Of a caller whose stream is open: not taken back since. Raises Unauthenticated/CERTIFICATE_UNKNOWN."""
        if caller.certificate in self._revoked:
            raise _refused("the client certificate was revoked")

    def _read(self, pem: bytes, chain_pem: bytes, now: datetime) -> KnownCertificate:
        try:
            leaf = x509.load_pem_x509_certificate(pem)
            # gRPC gives servers the rest of the chain only; a leaf among it would do no harm
            others = x509.load_pem_x509_certificates(chain_pem) if chain_pem else []
            uri = _only_uri(leaf)
        except (ValueError, UnsupportedAlgorithm, x509.ExtensionNotFound):
            raise _refused(
                "the client certificate must be an X509-SVID: exactly one URI name (spiffe://...), no authority, with "
                "key usage digitalSignature"
            ) from None
        domain, caller, vouching = self._caller_of(uri)
        chain = [leaf] if self._tls_suffices else _verified(vouching, leaf, others, now)
        ids = [certificate_id(domain, each) for each in chain]
        if any(each in self._revoked for each in ids):
            raise _refused("the client certificate was revoked")
        expires = min(each.not_valid_after_utc for each in chain)
        caller = Caller(uri, caller.tenant, caller.role, caller.name, expires=expires, certificate=ids[0])
        thumbprint = base64.urlsafe_b64encode(leaf.fingerprint(hashes.SHA256())).decode().rstrip("=")
        return KnownCertificate(caller, expires, thumbprint)

    def _caller_of(self, uri: str) -> tuple[str, Caller, list[Authorities]]:
        """Trust domain, caller, and those who may vouch for such a one."""
        found = _URI.fullmatch(uri) if len(uri) <= _URI_MAX else None
        if found is None or found[1] == self._trust_domain:
            caller = caller_of_uri(uri, self._trust_domain)
            if TOKEN_NAME_MARK in caller.name:
                raise _refused("two hyphens in a row stand in names of callers with tokens only")
            own = self._domains.get(self._trust_domain, [])
            return self._trust_domain, caller, [each for each in own if caller.role in each.roles]
        for authorities in self._domains.get(found[1], []):
            for rule in authorities.rules:
                name = rule.name_of(found[2])
                if name is not None:
                    return found[1], _named(uri, rule.tenant, rule.role, name), [authorities]
        raise _refused(f"no rule of identity.spiffe says who this is: trust domain {found[1]}, path {found[2]}")


def _named(uri: str, tenant: str, role: Role, name: str) -> Caller:
    if not _ID.fullmatch(name) or TOKEN_NAME_MARK in name:
        raise _refused(f"a rule of identity.spiffe names {uri} {name!r}, which is no name: see docs/identity.md")
    return Caller(uri, tenant, role, name)


def _verified(
    vouching: list[Authorities], leaf: x509.Certificate, others: list[x509.Certificate], now: datetime
) -> list[x509.Certificate]:
    for authorities in vouching:
        try:
            return authorities.chain_of(leaf, others, now)
        except NotVouchedFor:
            continue
    raise _refused("the client certificate is not of an authority that may vouch for its trust domain and role")


def _only_uri(leaf: x509.Certificate) -> str:
    """SPIFFE X509-SVID, sections 2 and 4. Raises ValueError, ExtensionNotFound."""
    uris = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
        x509.UniformResourceIdentifier
    )
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    limits = [each.value for each in leaf.extensions if isinstance(each.value, x509.BasicConstraints)]
    is_authority = usage.key_cert_sign or usage.crl_sign or any(each.ca for each in limits)
    if len(uris) != 1 or is_authority or not usage.digital_signature:
        raise ValueError("not a leaf that a SPIFFE workload may have")
    return uris[0]


def _refused(sentence: str) -> Unauthenticated:
    return Unauthenticated(Reason.CERTIFICATE_UNKNOWN, sentence)
