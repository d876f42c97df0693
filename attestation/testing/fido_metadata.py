"""Writer of FIDO metadata: a JWT signed by a virtual metadata service."""

import json
from base64 import b64encode, urlsafe_b64encode
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from attestation.fido_metadata import FidoMetadata, parse_metadata
from attestation.testing.authenticator import Leaf, distinguished_name
from attestation.testing.certificates import DIGITAL_SIGNATURE, key_usage, spki_of
from attestation.testing.phone import Issuer

SIGNER: Final = "mds.fidoalliance.org"


def entry(
    aaguid: bytes, *statuses: str, roots: tuple[bytes, ...] = (), effective: date | None = None
) -> dict[str, Any]:
    """An entry with one report for each status, and roots as certificates."""
    reports: list[dict[str, Any]] = [{"status": status} for status in statuses]
    for report in reports if effective else ():
        report["effectiveDate"] = f"{effective}"
    return {
        "aaguid": str(UUID(bytes=aaguid)),
        "metadataStatement": {
            "description": "Virtual Security Key",
            "keyProtection": ["hardware", "secure_element"],
            "attestationRootCertificates": [b64encode(root).decode() for root in roots],
        },
        "statusReports": reports,
        "timeOfLastStatusChange": "2026-01-01",
    }


def write_blob(
    root: Issuer, entries: list[dict[str, Any]], *, now: datetime, next_update: date | None = None, name: str = SIGNER
) -> bytes:
    """A BLOB whose signer the root certified, ES256 (RFC 7518, 3.4)."""
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = Leaf(
        subject=distinguished_name(common=name),
        spki=spki_of(key),
        extensions=(key_usage(DIGITAL_SIGNATURE),),
        begin=now - timedelta(days=30),
        end=now + timedelta(days=300),
    )
    header = {"alg": "ES256", "typ": "JWT", "x5c": [b64encode(item).decode() for item in leaf.under(root)]}
    payload = {"no": 7, "nextUpdate": f"{next_update or (now + timedelta(days=30)).date()}", "entries": entries}
    message = b".".join(_encode(json.dumps(part).encode()) for part in (header, payload))
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
    return message + b"." + _encode(r.to_bytes(32) + s.to_bytes(32))


def metadata(root: Issuer, entries: list[dict[str, Any]], *, now: datetime, **changes: Any) -> FidoMetadata:
    """The same, through the reader that real files take."""
    return parse_metadata(write_blob(root, entries, now=now, **changes))


def _encode(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")
