"""The Merkle tree of RFC 6962 section 2.1 with SHA-256: hashes and the verification of proofs.

Hashes are 32 bytes. Proofs are sequences of hashes, lowest first (RFC 9162 sections 2.1.3 and 2.1.4).
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

from hallmark_tlog.canonical import HASH_SIZE
from hallmark_tlog.errors import ConsistencyError, InclusionError, ProofError

ReadHash = Callable[[int, int], bytes]
"""`read_hash(level, index)`: hash of the complete subtree over leaves [index * 2^level, (index + 1) * 2^level)."""

EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def pair_up(hashes: Sequence[bytes]) -> list[bytes]:
    """The parents of consecutive pairs of sibling hashes; a last odd one has no parent yet and is left out."""
    pairs = zip(hashes[::2], hashes[1::2], strict=False)
    return [sha256(b"\x01" + left + right).digest() for left, right in pairs]


def fold_peaks(peaks: Sequence[bytes]) -> bytes:
    """Root of a tree from its maximal complete subtrees, largest first; no peak is the empty tree."""
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node_hash(peak, root)
    return root


def root_from_leaves(leaf_hashes: Iterable[bytes]) -> bytes:
    """Root over leaf HASHES, all in memory at once. For trees that grow see `compact.CompactRange`."""
    level = list(leaf_hashes)
    if not level:
        return EMPTY_ROOT
    peaks: list[bytes] = []
    while level:
        if len(level) % 2:
            peaks.append(level[-1])
        level = pair_up(level)
    return fold_peaks(peaks[::-1])


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Raise InclusionError unless `proof` shows that `leaf` (a leaf hash) is at `index` in the tree of `size`."""
    _check_hashes((root,), InclusionError)
    if inclusion_root(index, size, leaf, proof) != root:
        raise InclusionError(f"the proof of index {index} does not lead to the root of size {size}")


def inclusion_root(index: int, size: int, leaf: bytes, proof: Sequence[bytes]) -> bytes:
    """The root that `proof` leads to from `leaf` (a leaf hash) at `index`, for a root that is signed but not given.

    RFC 9162 section 2.1.3.2, with its loop cut in two: up to the level where the path meets the tree's right edge the
    sibling's side follows the bits of `index`; above it every sibling is on the left. Raises InclusionError for a
    proof of the wrong length.
    """
    if not 0 <= index < size:
        raise InclusionError(f"index {index} is not in a tree of size {size}")
    _check_hashes((leaf, *proof), InclusionError)
    inner = (index ^ (size - 1)).bit_length()
    border = (index >> inner).bit_count()
    if len(proof) != inner + border:
        raise InclusionError(f"a proof of index {index} in size {size} has {inner + border} hashes, not {len(proof)}")
    computed = leaf
    for level in range(inner):
        sibling = proof[level]
        pair = sibling + computed if index >> level & 1 else computed + sibling
        computed = sha256(b"\x01" + pair).digest()
    for sibling in proof[inner:]:
        computed = sha256(b"\x01" + sibling + computed).digest()
    return computed


def verify_consistency(old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Raise ConsistencyError unless `proof` shows that the old tree is a prefix of the new one (RFC 9162, 2.1.4.2).

    The empty tree is a prefix of every tree, with an empty proof (tlog-witness), if its root is the empty root.
    """
    if not 0 <= old_size <= new_size:
        raise ConsistencyError(f"size {old_size} is not a prefix of size {new_size}")
    if old_size == 0 and old_root != EMPTY_ROOT:
        raise ConsistencyError("a tree of size 0 has the root SHA-256 of the empty string")
    if old_size == new_size and old_root != new_root:
        raise ConsistencyError(f"two roots for size {old_size}")
    if old_size in (0, new_size) and proof:
        raise ConsistencyError("equal trees and empty trees need no proof")
    if old_size == new_size:
        return
    _check_hashes((old_root, new_root, *proof), ConsistencyError)
    if old_size == 0:
        return
    if consistency_root(0, old_size, new_size, old_root, proof) != new_root:
        raise ConsistencyError(f"the proof does not lead to the new root of size {new_size}")


def consistency_root(start: int, end: int, size: int, node: bytes, proof: Sequence[bytes]) -> bytes:
    """The root of the tree of `size` that `proof` leads to from `node`, the hash of its subtree [start, end).

    draft-ietf-plants-merkle-tree-certs, "Verifying Subtree Consistency Proofs"; with start 0 it is RFC 9162 section
    2.1.4.2. The range must be a valid subtree (see `subtree`), not empty. Raises ConsistencyError when the proof has
    the wrong length or does not lead to `node` itself.
    """
    _check_hashes((node, *proof), ConsistencyError)
    first, last, edge = start, end - 1, size - 1
    # The proof begins at the largest complete subtree that ends where [start, end) ends.
    while first != last and (last & 1 or end == size):
        first, last, edge = first >> 1, last >> 1, edge >> 1
    path = [node, *proof] if first == last else list(proof)
    if not path:
        raise ConsistencyError("the proof is empty")
    inside = whole = path[0]
    for sibling in path[1:]:
        if edge == 0:
            raise ConsistencyError("the proof is too long")
        if last & 1 or last == edge:
            if first < last:
                inside = node_hash(sibling, inside)
            whole = node_hash(sibling, whole)
            while last and not last & 1:
                first, last, edge = first >> 1, last >> 1, edge >> 1
        else:
            whole = node_hash(whole, sibling)
        first, last, edge = first >> 1, last >> 1, edge >> 1
    if edge != 0:
        raise ConsistencyError("the proof is too short")
    if inside != node:
        raise ConsistencyError(f"the proof does not lead to the hash of [{start}, {end})")
    return whole


def _check_hashes(hashes: Iterable[bytes], error: type[ProofError]) -> None:
    for value in hashes:
        if len(value) != HASH_SIZE:
            raise error(f"a hash has {len(value)} bytes, not {HASH_SIZE}")
