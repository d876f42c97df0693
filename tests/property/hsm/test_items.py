"""Batches cut into chunks: nothing is lost, moved or repeated, and every chunk fits a frame."""

from hypothesis import given
from hypothesis import strategies as st

from hsm.pkcs11.frames import MAX_FRAME_SIZE, encode_frame
from hsm.pkcs11.items import CHUNK_SIZE, MAX_CHUNK_BYTES, in_chunks
from hsm.provider import MAX_BATCH_SIZE, MAX_KEY_BINDING_SIZE, MAX_MESSAGE_SIZE

sizes = st.integers(0, 64) | st.sampled_from([2_048, MAX_MESSAGE_SIZE])
batches = st.lists(sizes, max_size=MAX_BATCH_SIZE)


def items_of(batch: list[int]) -> list[list[bytes]]:
    return [[number.to_bytes(2, "big"), bytes(size)] for number, size in enumerate(batch)]


@given(batches, st.integers(0, 16))
def test_chunks_are_the_batch(batch: list[int], workers: int) -> None:
    items = items_of(batch)
    chunks = list(in_chunks(items, workers=workers))
    assert [item for chunk in chunks for item in chunk] == items
    assert all(chunks)
    assert all(len(chunk) <= CHUNK_SIZE for chunk in chunks)
    for chunk in chunks:
        assert len(chunk) == 1 or sum(len(part) for item in chunk for part in item) <= MAX_CHUNK_BYTES


@given(st.integers(1, MAX_BATCH_SIZE), st.integers(1, 16))
def test_a_small_batch_uses_every_worker(count: int, workers: int) -> None:
    chunks = list(in_chunks(items_of([64] * count), workers=workers))
    assert len(chunks) >= min(count, workers, -(-count // -(-count // workers)))


def test_the_largest_chunk_fits_a_frame() -> None:
    item = [b"kind", bytes(2_800), bytes(MAX_MESSAGE_SIZE), bytes(255), bytes(MAX_KEY_BINDING_SIZE)]
    for chunk in in_chunks([item] * MAX_BATCH_SIZE, workers=1):
        assert len(encode_frame([1 << 40, "sign", [chunk]])) < MAX_FRAME_SIZE
