"""Google's attestation status list: the serials of certificates that no longer count.

Format: https://developer.android.com/privacy-and-security/security-key-attestation#certificate_status, a JSON object
`{"entries": {serial: {"status": ..., "reason": ...}}}`. Serials are hex without leading zeros, also the many that are
made of decimal digits only. Both statuses refuse: a suspended key is not to be trusted while it is suspended.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final

from attestation.errors import ArgumentError, CollateralError

MAX_LIST_BYTES: Final = 16 * 1024 * 1024
MAX_CLOCK_SKEW: Final = timedelta(minutes=5)


class CertificateStatus(StrEnum):
    REVOKED = "REVOKED"
    SUSPENDED = "SUSPENDED"


@dataclass(frozen=True, slots=True)
class StatusEntry:
    status: CertificateStatus
    cause: str


@dataclass(frozen=True, slots=True)
class StatusList:
    """A parsed list: what it says of each serial, the SHA-256 (hex) of its bytes, and when it was fetched."""

    entries: Mapping[str, StatusEntry]
    sha256: str
    fetched_at: datetime

    def find(self, serial: str) -> StatusEntry | None:
        """Entry for a serial in lower-case hex without leading zeros."""
        return self.entries.get(serial)

    def fresh(self, *, at: datetime, max_age: timedelta) -> bool:
        """Fetched before `at` and not too long before. A list from the future would never grow old, so it is refused;
        five minutes are allowed between clocks.
        """
        return -MAX_CLOCK_SKEW <= at - self.fetched_at <= max_age


def parse_status_list(data: bytes, *, fetched_at: datetime) -> StatusList:
    """Read a status list of at most 16 MiB; CollateralError says what is wrong with it."""
    if fetched_at.tzinfo is None:
        raise ArgumentError("fetched_at needs a time zone")
    if len(data) > MAX_LIST_BYTES:
        raise CollateralError(f"status list of {len(data)} bytes, at most {MAX_LIST_BYTES}")
    try:
        document = json.loads(data, object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as error:
        raise CollateralError("status list is not JSON") from error
    entries = document.get("entries") if isinstance(document, dict) else None
    if not isinstance(entries, dict):
        raise CollateralError('status list has no object "entries"')
    parsed = {_serial(key): _entry(key, value) for key, value in entries.items()}
    return StatusList(MappingProxyType(parsed), sha256(data).hexdigest(), fetched_at)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise CollateralError("status list has a key twice in one object")
    return found


def _serial(key: str) -> str:
    """Normal form of a key. Case and zeros are forgiven, because the mild reading would let a revoked key pass."""
    serial = key.lower().lstrip("0")
    if not serial or len(serial) > 64 or serial.strip("0123456789abcdef"):
        raise CollateralError(f"status list key {key[:64]!r} is not a serial in hex")
    return serial


def _entry(key: str, value: Any) -> StatusEntry:
    status = value.get("status") if isinstance(value, dict) else None
    if not isinstance(status, str) or status not in CertificateStatus.__members__:
        raise CollateralError(f"status list entry {key[:64]!r} has no status REVOKED or SUSPENDED")
    return StatusEntry(CertificateStatus(status), str(value.get("reason", ""))[:128])
