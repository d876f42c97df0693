"""Sign requests as they go to a signer process, and in chunks of what size."""

from collections.abc import Iterator, Sequence
from typing import Final, assert_never

from hsm.material import KeyMaterial
from hsm.provider import (
    CompositeSignRequest,
    EcdsaSignRequest,
    Ed25519SignRequest,
    MlDsaMuSignRequest,
    MlDsaSignRequest,
    SignRequest,
)

from .frames import SignKind

SignItem = list[str | bytes]
"""See SignKind."""

CHUNK_SIZE: Final = 16
"""Batches are cut into chunks of at most this many, so that one caller uses every core and a single signature that
comes meanwhile waits for one chunk, not for a batch."""
MAX_CHUNK_BYTES: Final = 1 << 18
"""So that a chunk of the longest messages still fits a frame (frames.MAX_FRAME_SIZE), and hashing it takes not long."""


def to_item(request: SignRequest, encoded: dict[int, bytes] | None = None) -> SignItem:
    """`encoded`: material already encoded for the same batch, by the identity of its object."""
    material = _encoded(request.material, encoded)
    match request:
        case CompositeSignRequest():
            return [SignKind.COMPOSITE.value, material, request.digest, request.context, request.key_binding]
        case MlDsaSignRequest():
            return [SignKind.ML_DSA.value, material, request.message, request.context, request.key_binding]
        case MlDsaMuSignRequest():
            return [SignKind.ML_DSA_MU.value, material, request.mu, request.key_binding]
        case EcdsaSignRequest():
            return [SignKind.ECDSA.value, material, request.digest]
        case Ed25519SignRequest():
            return [SignKind.ED25519.value, material, request.message]
        case _:
            assert_never(request)


def _encoded(material: KeyMaterial, known: dict[int, bytes] | None) -> bytes:
    if known is None:
        return material.to_bytes()
    found = known.get(id(material))
    if found is None:
        found = known[id(material)] = material.to_bytes()
    return found


def in_chunks(items: Sequence[SignItem], *, workers: int) -> Iterator[list[SignItem]]:
    """In order, every item once; no chunk is empty. Spread over `workers` when there are few items."""
    most = min(CHUNK_SIZE, -(-len(items) // max(workers, 1)))
    chunk: list[SignItem] = []
    size = 0
    for item in items:
        item_size = sum(map(len, item))
        if chunk and (len(chunk) >= most or size + item_size > MAX_CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(item)
        size += item_size
    if chunk:
        yield chunk
