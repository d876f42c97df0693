"""A virtual device maker with a throw-away root, and status lists for it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from attestation.model import Anchors, Format, TrustAnchor
from attestation.status import StatusList, parse_status_list
from attestation.testing.certificates import (
    CertificateRequest,
    KeyKind,
    PrivateKey,
    ca_extensions,
    issue,
    name,
    new_key,
    spki_of,
)

TEN_YEARS = timedelta(days=3652)


@dataclass(frozen=True, slots=True)
class VirtualVendor:
    """A root key that nobody but its maker trusts, and its self-signed certificate."""

    key: PrivateKey
    subject: bytes
    certificate: bytes

    @classmethod
    def create(cls, *, now: datetime, kind: KeyKind = KeyKind.EC_P384) -> Self:
        return cls.with_key(new_key(kind), now=now)

    @classmethod
    def with_key(cls, key: PrivateKey, *, now: datetime) -> Self:
        subject = name(common="Virtual Attestation Root", organization="Throw-away")
        request = CertificateRequest(
            subject=subject,
            spki=spki_of(key),
            not_before=now - timedelta(days=365),
            not_after=now + TEN_YEARS,
            extensions=ca_extensions(),
        )
        return cls(key, subject, issue(request, issuer=subject, signer=key))

    @property
    def anchors(self) -> Anchors:
        """What a verifier must be given to believe this vendor."""
        anchor = TrustAnchor(
            name="virtual-vendor",
            formats=frozenset({Format.ANDROID_KEY}),
            spki=spki_of(self.key),
            source="made by attestation.testing, trusted by nobody else",
        )
        return Anchors((anchor,))


def status_list(entries: Mapping[str, str], *, fetched_at: datetime) -> StatusList:
    """Status list from serials (hex) to REVOKED or SUSPENDED, through the same reader that real lists take."""
    document = {
        "entries": {serial: {"status": status, "reason": "KEY_COMPROMISE"} for serial, status in entries.items()}
    }
    return parse_status_list(json.dumps(document).encode(), fetched_at=fetched_at)
