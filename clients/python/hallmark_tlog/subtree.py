"""Subtrees: the hashes over a range of a log's leaves (draft-ietf-plants-merkle-tree-certs, "Subtrees").

[start, end) is a valid subtree when `start` is a multiple of the smallest power of two that is not below its width.
Then it is a tree of its own, whose inner nodes are also nodes of every larger tree of the same log. Mirrors (C2SP
tlog-mirror) and cosigners that sign subtrees (tlog-cosignature, type 0x06) speak of them.
"""

from collections.abc import Sequence

from hallmark_tlog.canonical import MAX_SIZE
from hallmark_tlog.errors import ConsistencyError, InclusionError, ProofError
from hallmark_tlog.merkle import EMPTY_ROOT, ReadHash, consistency_root, verify_inclusion
from hallmark_tlog.prove import inclusion_proof, range_proof, root_at


def verify_subtree_inclusion(
    index: int, start: int, end: int, *, leaf: bytes, proof: Sequence[bytes], root: bytes
) -> None:
    """Raise InclusionError unless `proof` shows that `leaf` (a leaf hash) is leaf `index` of the log in [start, end).

    `root` is the subtree's hash, 32 bytes.
    """
    _check_range(start, end, end, InclusionError)
    if not start <= index < end:
        raise InclusionError(f"index {index} is not in [{start}, {end})")
    verify_inclusion(index - start, end - start, leaf, proof, root)


def verify_subtree_consistency(
    start: int, end: int, size: int, *, subtree: bytes, root: bytes, proof: Sequence[bytes]
) -> None:
    """Raise ConsistencyError unless `proof` shows that [start, end) with hash `subtree` is in the tree of `size`.

    An empty range is in every tree that reaches it, with an empty proof, if its hash is the empty root.
    """
    _check_range(start, end, size, ConsistencyError)
    if start == end:
        if proof or subtree != EMPTY_ROOT:
            raise ConsistencyError("an empty subtree has the empty root and needs no proof")
        return
    if consistency_root(start, end, size, subtree, proof) != root:
        raise ConsistencyError(f"the proof of [{start}, {end}) does not lead to the root of size {size}")


def subtree_root(start: int, end: int, read_hash: ReadHash) -> bytes:
    """The hash of the valid subtree [start, end). Raises ConsistencyError for other ranges."""
    _check_range(start, end, end, ConsistencyError)
    return root_at(end - start, _moved(start, read_hash))


def subtree_inclusion_proof(index: int, start: int, end: int, read_hash: ReadHash) -> list[bytes]:
    """The audit path of leaf `index` of the log in the subtree [start, end), leaf's sibling first."""
    _check_range(start, end, end, InclusionError)
    return inclusion_proof(index - start, end - start, _moved(start, read_hash))


def subtree_consistency_proof(start: int, end: int, size: int, read_hash: ReadHash) -> list[bytes]:
    """The proof that the subtree [start, end) is in the tree of `size`; with start 0, a consistency proof."""
    _check_range(start, end, size, ConsistencyError)
    return range_proof(start, end, size, read_hash) if start < end else []


def _check_range(start: int, end: int, size: int, error: type[ProofError]) -> None:
    if not 0 <= start <= end <= size <= MAX_SIZE:
        raise error(f"[{start}, {end}) is not a range of a tree of size {size}")
    width = end - start
    if width and start % (1 << (width - 1).bit_length()):
        raise error(f"[{start}, {end}) is not a valid subtree: its start is not a multiple of its full width")


def _moved(start: int, read_hash: ReadHash) -> ReadHash:
    return lambda level, index: read_hash(level, (start >> level) + index)
