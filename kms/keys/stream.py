"""A message too large for one call: hashed piece by piece as it comes, then signed like any other.

What is signed is what Sign would sign for the whole message, so whoever verifies needs to know nothing of it.

An empty chunk ends the message. For grpc.aio a stream that broke off ends like any other, and its cancellation comes
later: half a message would be signed, which nobody asked for, and its request_id would refuse the whole one.
"""

import asyncio
import hashlib
from collections.abc import Callable
from typing import Final, Protocol

import google_crc32c

from kms.core.errors import Aborted, InvalidArgument, Reason
from kms.keys.algorithms import AlgorithmFamily, KeyAlgorithm
from kms.keys.formats import Envelope
from kms.keys.inputs import Prepared, check_separate, is_in_token, mu_hasher
from kms.keys.model import KeyPurpose
from kms.keys.purposes import check_context
from kms.keys.signing_key import SigningKey

CHUNK_BYTES_MAX: Final = 1 << 20
STREAM_BYTES_MAX: Final = 1 << 34
"""16 GiB: half a minute of hashing. Who has more hashes it where it lies and sends the digest."""
_START_BYTES: Final = 32


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...


class MessageStream:
    """Takes chunks with `add`, in order; `item` makes what is to be signed."""

    def __init__(self, key: SigningKey, context: bytes) -> None:
        """Raises InvalidArgument/STREAM_INVALID where the key can not sign a message in pieces."""
        algorithm = key.version.algorithm
        _check_streams(key, context)
        self._key = key
        self._context = context
        self._hash, self._finish = _start_hash(key, context)
        self._identity = hashlib.sha256()
        self._crc32c = 0
        self._start = b""
        self._ended = False
        self._algorithm: KeyAlgorithm = algorithm
        self.size = 0

    async def add(self, chunk: bytes) -> None:
        """An empty one is the end. Raises InvalidArgument: STREAM_INVALID, MESSAGE_TOO_LARGE."""
        if self._ended:
            raise stream_invalid("nothing comes after the empty chunk that ends the message")
        if not chunk:
            self._ended = True
            return
        if len(chunk) > CHUNK_BYTES_MAX:
            raise stream_invalid(f"a chunk has {CHUNK_BYTES_MAX} bytes at most")
        self.size += len(chunk)
        if self.size > STREAM_BYTES_MAX:
            raise InvalidArgument(
                Reason.MESSAGE_TOO_LARGE,
                f"a stream may have {STREAM_BYTES_MAX} bytes; hash a larger message yourself and send digest to Sign",
                field="chunk",
            )
        if len(self._start) < _START_BYTES:
            self._start += chunk[: _START_BYTES - len(self._start)]
            check_separate(self._algorithm, self._start)
        await asyncio.to_thread(self._take, chunk)

    def finish(self) -> None:
        """Raises InvalidArgument/STREAM_INVALID when nothing came, or not all."""
        if not self._ended:
            raise stream_invalid("the stream broke off: an empty chunk ends the message")
        if self.size == 0:
            raise stream_invalid("the stream ended without a chunk; sign an empty message with Sign")

    @property
    def crc32c(self) -> int:
        """Of all that came."""
        return self._crc32c

    @property
    def identity(self) -> bytes:
        """SHA-256 of the message, however it was cut: the same message under the same request_id is the same call."""
        return self._identity.digest()

    def prepare(self, key: SigningKey) -> tuple[Prepared, Envelope | None]:
        """For the version that signs now. Raises Aborted when it is another one and what is signed depends on it."""
        is_mu = self._algorithm.family is AlgorithmFamily.ML_DSA
        if key.version.algorithm is not self._algorithm or (is_mu and key.version.name != self._key.version.name):
            raise Aborted(Reason.KEY_VERSION_NOT_ACTIVE, "the key was rotated while the message came in; send it again")
        return Prepared(self._finish(), self._context), None

    def _take(self, chunk: bytes) -> None:
        self._hash.update(chunk)
        self._identity.update(chunk)
        self._crc32c = int(google_crc32c.extend(self._crc32c, chunk))


def stream_invalid(sentence: str) -> InvalidArgument:
    return InvalidArgument(Reason.STREAM_INVALID, sentence, field="part")


def _check_streams(key: SigningKey, context: bytes) -> None:
    algorithm = key.version.algorithm
    if key.purpose is KeyPurpose.MANIFEST:
        raise stream_invalid("this key signs manifests only and has to see them whole: use Sign")
    if not algorithm.streaming:
        raise stream_invalid(f"{algorithm} signs the message itself, not a hash of it: use Sign")
    if is_in_token(key.version.material):
        raise stream_invalid("this key lives in a token, which has to see the message whole: use Sign")
    check_context(key.purpose, context)
    if context and not algorithm.supports_context:
        raise InvalidArgument(Reason.FIELD_INVALID, f"{algorithm} has no context; leave it out", field="context")


def _start_hash(key: SigningKey, context: bytes) -> tuple[_Hash, Callable[[], bytes]]:
    """The hash that is signed, and what ends it; may be called again."""
    algorithm = key.version.algorithm
    if algorithm.prehash is not None:
        prehash = hashlib.new(algorithm.prehash)
        return prehash, prehash.digest
    mu = mu_hasher(key.version, context)
    return mu, lambda: mu.copy().finalize()
