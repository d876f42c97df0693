"""Checks of the arguments of custody.py, the same in every provider; all raise InvalidRequest."""

from typing import Final

from hallmark_envelope import MAX_ENVELOPE_SIZE, MAX_INFO_SIZE

from .errors import InvalidRequest

NEWEST_KEK_STAYS: Final = "the newest key-encryption key is in use: make another first, and rewrap what is under this"

MAX_DATA_NAME_SIZE: Final = 300
MAX_DATA_SIZE: Final = 1024

_WEIGHT_BYTES: Final = 16_384


def check_envelope(envelope: bytes, info: bytes) -> None:
    if len(envelope) > MAX_ENVELOPE_SIZE:
        raise InvalidRequest(f"an envelope may have {MAX_ENVELOPE_SIZE} bytes, not {len(envelope)}")
    if len(info) > MAX_INFO_SIZE:
        raise InvalidRequest(f"the info may have {MAX_INFO_SIZE} bytes, not {len(info)}")


def check_data_name(name: str) -> None:
    if not 1 <= len(name.encode()) <= MAX_DATA_NAME_SIZE:
        raise InvalidRequest(f"the name of a data object has 1 to {MAX_DATA_NAME_SIZE} bytes")


def check_data(name: str, value: bytes) -> None:
    check_data_name(name)
    if not 1 <= len(value) <= MAX_DATA_SIZE:
        raise InvalidRequest(f"a data object has 1 to {MAX_DATA_SIZE} bytes, not {len(value)}")


def weight_of(envelope: bytes) -> int:
    """How many signatures' worth of a queue an envelope takes: one for each 16 KiB begun."""
    return 1 + len(envelope) // _WEIGHT_BYTES
