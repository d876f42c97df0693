"""FIDO Metadata Service, version 3: what is known of each model of authenticator, as one JWT signed by FIDO.

    metadata = parse_metadata(blob)            # some megabytes, once
    Collateral(fido_metadata=metadata)         # for every verdict

The signature is verified when the file is read, with the chain of certificates in its header; whether that chain ends
in an anchor the caller trusts, and whether the file is still current, is asked at every verdict, for both depend on
the verdict's time. Source: FIDO Metadata Service 3.1 (https://fidoalliance.org/metadata/), RFC 7515.
"""

import binascii
import json
import re
from base64 import b64decode, urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from attestation.errors import CollateralError, EvidenceError
from attestation.signatures import load_key
from attestation.x509 import Certificate, parse_certificate

MAX_BLOB_BYTES: Final = 64 * 1024 * 1024
MAX_CHAIN: Final = 8
MAX_ROOTS: Final = 64

_AAGUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_KEY_ID: Final = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class StatusReport:
    """One report: an AuthenticatorStatus such as FIDO_CERTIFIED_L1 or REVOKED, and the day it took effect."""

    status: str
    effective: date | None


@dataclass(frozen=True, slots=True)
class MetadataEntry:
    """What is said of one model. `roots` are SubjectPublicKeyInfos that its attestations end in."""

    description: str
    roots: tuple[bytes, ...]
    reports: tuple[StatusReport, ...]
    key_protection: tuple[str, ...]

    def statuses(self, *, at: datetime) -> frozenset[str]:
        """All statuses reported up to this time; days are those of UTC."""
        day = at.astimezone(UTC).date()
        return frozenset(item.status for item in self.reports if item.effective is None or item.effective <= day)


@dataclass(frozen=True, slots=True)
class FidoMetadata:
    """A parsed file: entries by AAGUID (16 bytes) and, for U2F, by key identifier (20 bytes) of the attestation
    certificate; the SHA-256 (hex) of its bytes; the chain that signed it, leaf first; its serial number and last day.
    """

    by_aaguid: Mapping[bytes, MetadataEntry]
    by_key_id: Mapping[bytes, MetadataEntry]
    sha256: str
    signer_chain: tuple[Certificate, ...]
    number: int
    next_update: date

    def find(self, aaguid: bytes, key_id: bytes | None) -> MetadataEntry | None:
        """The entry of a model; U2F authenticators have no AAGUID and are found by their certificate's key."""
        found = self.by_aaguid.get(aaguid) if any(aaguid) else None
        return found or (self.by_key_id.get(key_id) if key_id else None)

    def current(self, *, at: datetime) -> bool:
        """The day of the next update has not passed."""
        return at <= datetime.combine(self.next_update, time.max, tzinfo=UTC)


def parse_metadata(data: bytes) -> FidoMetadata:
    """Read and verify a BLOB of at most 64 MiB; CollateralError says what is wrong with it."""
    if len(data) > MAX_BLOB_BYTES:
        raise CollateralError(f"FIDO metadata of {len(data)} bytes, at most {MAX_BLOB_BYTES}")
    parts = data.strip().split(b".")
    if len(parts) != 3:
        raise CollateralError("FIDO metadata is not a signed JWT")
    header, payload = (_json(_base64url(part)) for part in parts[:2])
    chain = _chain(header.get("x5c"))
    _verify(header.get("alg"), chain[0], _base64url(parts[2]), parts[0] + b"." + parts[1])
    entries = payload.get("entries")
    if not isinstance(entries, list) or not isinstance(number := payload.get("no"), int):
        raise CollateralError("FIDO metadata has no entries or no number")
    by_aaguid: dict[bytes, MetadataEntry] = {}
    by_key_id: dict[bytes, MetadataEntry] = {}
    for entry in entries:
        _add(entry, by_aaguid, by_key_id)
    return FidoMetadata(
        by_aaguid=MappingProxyType(by_aaguid),
        by_key_id=MappingProxyType(by_key_id),
        sha256=sha256(data).hexdigest(),
        signer_chain=chain,
        number=number,
        next_update=_day(payload.get("nextUpdate")),
    )


def _json(data: bytes) -> dict[str, Any]:
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CollateralError("FIDO metadata holds something that is not JSON") from error
    if not isinstance(content, dict):
        raise CollateralError("FIDO metadata holds something that is not an object")
    return content


def _base64url(data: bytes) -> bytes:
    try:
        return urlsafe_b64decode(data + b"=" * (-len(data) % 4))
    except (ValueError, binascii.Error) as error:
        raise CollateralError("FIDO metadata is not base64url") from error


def _chain(value: Any) -> tuple[Certificate, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_CHAIN:
        raise CollateralError(f"FIDO metadata does not carry 1 to {MAX_CHAIN} certificates of its signer")
    try:
        return tuple(parse_certificate(b64decode(item, validate=True)) for item in value)
    except (EvidenceError, TypeError, ValueError) as error:
        raise CollateralError("FIDO metadata carries a certificate that cannot be read") from error


def _verify(algorithm: Any, signer: Certificate, signature: bytes, message: bytes) -> None:
    """RS256 or ES256 (RFC 7518, 3.1), which FIDO uses. The algorithm is fixed by the key, not by the header."""
    try:
        key = load_key(signer.spki)
        if isinstance(key, rsa.RSAPublicKey) and algorithm == "RS256":
            key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
        elif isinstance(key, ec.EllipticCurvePublicKey) and algorithm == "ES256" and len(signature) == 64:
            numbers = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
            key.verify(encode_dss_signature(*numbers), message, ec.ECDSA(hashes.SHA256()))
        else:
            raise CollateralError("FIDO metadata is signed in a way that is not in use")
    except (InvalidSignature, EvidenceError) as error:
        raise CollateralError("the signature of the FIDO metadata does not verify") from error


def _add(entry: Any, by_aaguid: dict[bytes, MetadataEntry], by_key_id: dict[bytes, MetadataEntry]) -> None:
    """Entries of UAF authenticators have neither AAGUID nor key identifiers, and are passed over."""
    if not isinstance(entry, dict):
        raise CollateralError("FIDO metadata has an entry that is not an object")
    aaguid, key_ids = entry.get("aaguid"), entry.get("attestationCertificateKeyIdentifiers") or []
    if aaguid is None and not key_ids:
        return
    parsed = _entry(entry)
    if aaguid is not None:
        if not isinstance(aaguid, str) or not _AAGUID.fullmatch(aaguid):
            raise CollateralError("FIDO metadata has an AAGUID that is none")
        by_aaguid[bytes.fromhex(aaguid.replace("-", ""))] = parsed
    for key_id in key_ids if isinstance(key_ids, list) else ():
        if not isinstance(key_id, str) or not _KEY_ID.fullmatch(key_id):
            raise CollateralError("FIDO metadata has a key identifier that is none")
        by_key_id[bytes.fromhex(key_id)] = parsed


def _entry(entry: dict[str, Any]) -> MetadataEntry:
    statement = entry.get("metadataStatement", {})
    reports = entry.get("statusReports")
    if not isinstance(statement, dict) or not isinstance(reports, list):
        raise CollateralError("FIDO metadata has an entry without statement or status reports")
    roots = statement.get("attestationRootCertificates") or []
    protection = statement.get("keyProtection") or []
    if not isinstance(roots, list) or not isinstance(protection, list) or len(roots) > MAX_ROOTS:
        raise CollateralError("FIDO metadata has a statement with fields of wrong types")
    return MetadataEntry(
        description=str(statement.get("description", ""))[:256],
        roots=tuple(spki for root in roots if (spki := _root(root)) is not None),
        reports=tuple(_report(report) for report in reports),
        key_protection=tuple(str(item)[:64] for item in protection),
    )


def _root(value: Any) -> bytes | None:
    """A root that cannot be read can vouch for nothing, and harms no other entry."""
    try:
        return parse_certificate(b64decode(re.sub(r"\s", "", value), validate=True)).spki
    except (EvidenceError, TypeError, ValueError):
        return None


def _report(report: Any) -> StatusReport:
    status = report.get("status") if isinstance(report, dict) else None
    if not isinstance(status, str):
        raise CollateralError("FIDO metadata has a status report without status")
    effective = report.get("effectiveDate")
    return StatusReport(status[:64], None if effective is None else _day(effective))


def _day(value: Any) -> date:
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise CollateralError("FIDO metadata has a date that is none") from error
