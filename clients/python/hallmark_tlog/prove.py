"""Building proofs from any source of complete-subtree hashes: tiles, a database, a list."""

from collections.abc import Iterator

from hallmark_tlog.errors import ConsistencyError, InclusionError
from hallmark_tlog.merkle import EMPTY_ROOT, ReadHash, fold_peaks


def root_at(size: int, read_hash: ReadHash) -> bytes:
    """Root of the tree of the first `size` leaves."""
    return _range_hash(0, size, read_hash) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, read_hash: ReadHash) -> list[bytes]:
    """The audit path of leaf `index` in the tree of `size` leaves, leaf's sibling first (RFC 6962 section 2.1.1)."""
    return next(inclusion_proofs(index, index + 1, size, read_hash))


def inclusion_proofs(first: int, last: int, size: int, read_hash: ReadHash) -> Iterator[list[bytes]]:
    """The audit paths of leaves [first, last), in order. Neighbours share most of their path, so many cost little."""
    if not 0 <= first < last <= size:
        raise InclusionError(f"[{first}, {last}) are not leaves of a tree of size {size}")

    def walk(start: int, end: int, path: list[bytes]) -> Iterator[list[bytes]]:
        if end - start == 1:
            yield path[::-1]
            return
        middle = start + _split(end - start)
        if first < middle:
            yield from walk(start, middle, [*path, _range_hash(middle, end, read_hash)])
        if last > middle:
            yield from walk(middle, end, [*path, _range_hash(start, middle, read_hash)])

    return walk(0, size, [])


def consistency_proof(old_size: int, new_size: int, read_hash: ReadHash) -> list[bytes]:
    """The proof that the tree of `old_size` is a prefix of that of `new_size` (RFC 6962 section 2.1.2).

    Empty when the sizes are equal or `old_size` is 0.
    """
    if not 0 <= old_size <= new_size:
        raise ConsistencyError(f"size {old_size} is not a prefix of size {new_size}")
    return range_proof(0, old_size, new_size, read_hash) if old_size else []


def range_proof(start: int, end: int, size: int, read_hash: ReadHash) -> list[bytes]:
    """The proof that the valid subtree [start, end) is part of the tree of `size`; see `subtree` for those ranges."""
    proof: list[bytes] = []
    low, high = 0, size
    is_own_node = True
    while (low, high) != (start, end):
        middle = low + _split(high - low)
        if end <= middle:
            proof.append(_range_hash(middle, high, read_hash))
            high = middle
        else:
            proof.append(_range_hash(low, middle, read_hash))
            if start < middle:
                # The subtree is cut in two here: what is left of it is its right part.
                start, is_own_node = middle, False
            low = middle
    # The verifier has the subtree's hash: it needs the last node only if that is not the whole subtree.
    if not is_own_node:
        proof.append(_range_hash(low, high, read_hash))
    proof.reverse()
    return proof


def _split(width: int) -> int:
    """The largest power of two below `width`, which is at least 2."""
    return 1 << (width - 1).bit_length() - 1


def _range_hash(start: int, end: int, read_hash: ReadHash) -> bytes:
    """Hash of the subtree over leaves [start, end), where `start` is a multiple of the subtree's full width."""
    width = end - start
    if width.bit_count() == 1:
        level = width.bit_length() - 1
        return read_hash(level, start >> level)
    peaks: list[bytes] = []
    for level in reversed(range(width.bit_length())):
        if width >> level & 1:
            peaks.append(read_hash(level, start >> level))
            start += 1 << level
    return fold_peaks(peaks)
