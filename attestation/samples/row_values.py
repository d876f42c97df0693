"""Values of rows as loaders need them. What is not written as it should be is no reason to raise: it is handed on as it
stands, and the judge refuses it.
"""

import binascii
from base64 import b64decode, urlsafe_b64decode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from attestation.errors import EvidenceError
from attestation.evidence import load_chain
from attestation.samples.sample import Folder, Row

_ANY_TIME: Final = datetime(2026, 11, 20, tzinfo=UTC)


def row_time(row: Row) -> datetime:
    """When the row is to be judged; UTC where it names no zone. Rows without certificates say "any", or nothing."""
    try:
        at = datetime.fromisoformat(row["verify_at"])
    except (KeyError, TypeError, ValueError):
        return _ANY_TIME
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def base64_octets(text: str) -> bytes:
    """Base64 (RFC 4648, 4 and 5, with or without padding); other text as its own octets."""
    if not isinstance(text, str):
        return b""
    decode = urlsafe_b64decode if "-" in text or "_" in text else b64decode
    try:
        return decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))
    except binascii.Error:
        return text.encode()


def hex_octets(text: str) -> bytes:
    """Hex; other text as its own octets."""
    try:
        return bytes.fromhex(text)
    except (TypeError, ValueError):
        return str(text).encode()


def certificates_in(data: bytes) -> tuple[bytes, ...]:
    """The certificates of a PEM or DER file; of any other file its bytes as one."""
    try:
        return load_chain(data)
    except EvidenceError:
        return (data,)


def known_claims(row: Row, folder: Folder) -> Mapping[str, Any]:
    """What the relying party knew: the row's claims, and those of the row that it was derived from."""
    own: Mapping[str, Any] = row.get("claims") or {}
    base = folder.rows.get(str(own.get("base") or own.get("applies_to") or ""), {})
    return {**(base.get("claims") or {}), **own}
