"""The format of encrypted bytes: C2SP chunked-encryption, Cobblestone-256, written as a stream and read anywhere.

https://c2sp.org/chunked-encryption. `cryptography.cobblestone` reads and writes the same bytes from start to end; this
package adds what a vault needs: any place of a message at once, buffers that are used again, both digests in one pass.
"""

from hallmark_client.device.chunks.layout import (
    BLOCK_CHUNKS,
    CHUNK,
    HEADER,
    SALT,
    SEALED_CHUNK,
    TAG,
    plain_size,
    sealed_size,
)
from hallmark_client.device.chunks.message import MessageKey
from hallmark_client.device.chunks.reader import SealedFile
from hallmark_client.device.chunks.writer import Sealed, SealedWriter

__all__ = [
    "BLOCK_CHUNKS",
    "CHUNK",
    "HEADER",
    "SALT",
    "SEALED_CHUNK",
    "TAG",
    "MessageKey",
    "Sealed",
    "SealedFile",
    "SealedWriter",
    "plain_size",
    "sealed_size",
]
