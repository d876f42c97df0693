"""The pre-hash PH(M) and the message representative M' that both halves of a composite sign.

Source: draft-ietf-lamps-pq-composite-sigs-19, section 3.2. The service only ever needs PH(M): whoever holds the
message hashes it, and 32 or 64 bytes travel.
"""

import hashlib
from typing import Final, Self

from .algorithms import CompositeAlgorithm
from .errors import MalformedInput

PREFIX: Final = b"CompositeAlgorithmSignatures2025"
MAX_CONTEXT_SIZE: Final = 255


class Prehash:
    """PH(M) of a message that arrives in pieces. `digest()` may be called at any time and changes nothing."""

    def __init__(self, algorithm: CompositeAlgorithm) -> None:
        self.algorithm = algorithm
        self._hash = hashlib.new(algorithm.prehash)

    def update(self, piece: bytes | bytearray | memoryview) -> Self:
        self._hash.update(piece)
        return self

    def digest(self) -> bytes:
        """`algorithm.prehash_size` bytes."""
        return self._hash.digest()


def prehash(algorithm: CompositeAlgorithm, message: bytes | bytearray | memoryview) -> bytes:
    """PH(M), `algorithm.prehash_size` bytes."""
    return Prehash(algorithm).update(message).digest()


def message_representative(algorithm: CompositeAlgorithm, digest: bytes, context: bytes = b"") -> bytes:
    """M' = Prefix || Label || len(ctx) || ctx || PH(M), at most 385 bytes.

    `digest` is PH(M); `context` is the application's, 0 to 255 bytes. Raises MalformedInput.
    """
    if len(digest) != algorithm.prehash_size:
        raise MalformedInput(f"{algorithm} takes a pre-hash of {algorithm.prehash_size} bytes, not {len(digest)}")
    if len(context) > MAX_CONTEXT_SIZE:
        raise MalformedInput(f"the context may have {MAX_CONTEXT_SIZE} bytes, not {len(context)}")
    return b"".join((PREFIX, algorithm.label, bytes((len(context),)), context, digest))
