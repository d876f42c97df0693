"""CRC32C (Castagnoli) of what goes over the wire: catches corruption, proves nothing against an attacker."""

import google_crc32c

from kms.core.errors import InvalidArgument, Reason


def crc32c(data: bytes) -> int:
    return int(google_crc32c.value(data))


def check_crc32c(data: bytes, given: int, field: str) -> None:
    """Raises InvalidArgument/CHECKSUM_MISMATCH: the bytes changed on the way, send them again."""
    if crc32c(data) != given:
        raise InvalidArgument(
            Reason.CHECKSUM_MISMATCH, f"{field} does not match the bytes that arrived; send them again", field=field
        )
