"""Where what lies in a Cobblestone message: 24 bytes of salt, 32 of commitment, then chunks (C2SP chunked-encryption).

Every chunk but the last holds 16 KiB and its tag of 16 bytes. The last one is always shorter, and may be empty: this is
how truncation shows.
"""

from typing import Final

from hallmark_client.device.errors import ContentInvalid

KEY: Final = 32
SALT: Final = 24
COMMITMENT: Final = 32
HEADER: Final = SALT + COMMITMENT
CHUNK: Final = 16 * 1024
TAG: Final = 16
SEALED_CHUNK: Final = CHUNK + TAG
CHUNKS_MAX: Final = 2**38
"""A counter that reaches this ends the message ("Message chunking"): 4 PiB."""
BLOCK_CHUNKS: Final = 64
"""Chunks that are read, opened or written at once here: 1 MiB of plaintext. Not part of the format."""


def sealed_size(size: int) -> int:
    """Bytes of the message that holds `size` bytes of plaintext."""
    return HEADER + size + TAG * (size // CHUNK + 1)


def plain_size(sealed: int) -> int:
    """Bytes of plaintext in a message of this length. Raises ContentInvalid for a length that no message has."""
    full, last = divmod(sealed - HEADER, SEALED_CHUNK)
    if sealed < HEADER or last < TAG or full >= CHUNKS_MAX:
        raise ContentInvalid("CONTENT_INVALID", f"no whole message has {sealed} bytes: it was cut or added to")
    return full * CHUNK + last - TAG
