"""CRC32C (Castagnoli, RFC 3720 appendix B.4): finds bytes that changed between two programs, not forgery."""

import google_crc32c

from hallmark_client.errors import ChecksumMismatch


def crc32c(data: bytes) -> int:
    """Unsigned 32-bit CRC32C of `data`."""
    return int(google_crc32c.value(data))


def check_crc32c(data: bytes, expected: int, what: str) -> None:
    """Raises ChecksumMismatch when `data` is not what the server summed. `what` names it in the sentence."""
    if crc32c(data) != expected:
        raise ChecksumMismatch("CHECKSUM_MISMATCH", f"{what} changed on the way from the server; call again")
