"""Checks of the arguments of custody.py, the same in every provider; all raise InvalidRequest."""

from typing import Final

from hallmark_envelope import MAX_ENVELOPE_SIZE, MAX_INFO_SIZE

from .errors import InvalidRequest

NEWEST_KEK_STAYS: Final = "the newest key-encryption key is in use: make another first, and rewrap what is under this"

_WEIGHT_BYTES: Final = 16_384


def check_envelope(envelope: bytes, info: bytes) -> None:
    if len(envelope) > MAX_ENVELOPE_SIZE:
        raise InvalidRequest(f"an envelope may have {MAX_ENVELOPE_SIZE} bytes, not {len(envelope)}")
    if len(info) > MAX_INFO_SIZE:
        raise InvalidRequest(f"the info may have {MAX_INFO_SIZE} bytes, not {len(info)}")


def weight_of(envelope: bytes) -> int:
    """How many signatures' worth of a queue an envelope takes: one for each 16 KiB begun."""
    return 1 + len(envelope) // _WEIGHT_BYTES
