"""Identifiers: UUIDv7 for new things, UUID4 checks for request ids."""

import re
from datetime import datetime

from kms.core.errors import InvalidArgument, Reason
from kms.core.randomness import Randomness

_NIL = "00000000-0000-0000-0000-000000000000"
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def new_id(now: datetime, randomness: Randomness) -> str:
    """A UUIDv7 (RFC 9562, section 5.7): 48 bits of milliseconds, then randomness. Sorts by time, names nobody."""
    milliseconds = int(now.timestamp() * 1000)
    random = int.from_bytes(randomness.bytes(10), "big")
    value = (milliseconds & (2**48 - 1)) << 80 | random
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def check_request_id(request_id: str) -> str:
    """A request_id is a UUID in lower-case canonical form (AIP-155). Raises InvalidArgument."""
    if not _UUID.fullmatch(request_id) or request_id == _NIL:
        raise InvalidArgument(
            Reason.REQUEST_ID_INVALID,
            "request_id must be a UUID (lower case, with hyphens), made once for each call and kept for its retries",
            field="request_id",
        )
    return request_id
