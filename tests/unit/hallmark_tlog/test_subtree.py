from collections.abc import Iterator

import pytest

from hallmark_tlog.errors import ConsistencyError, InclusionError
from hallmark_tlog.merkle import EMPTY_ROOT
from hallmark_tlog.prove import consistency_proof
from hallmark_tlog.subtree import (
    subtree_consistency_proof,
    subtree_inclusion_proof,
    subtree_root,
    verify_subtree_consistency,
    verify_subtree_inclusion,
)
from unit.hallmark_tlog.virtual_log import VirtualLog, naive_root

SIZE = 21
LOG = VirtualLog.of_size(SIZE)


def full_width(width: int) -> int:
    full = 1
    while full < width:
        full *= 2
    return full


def subtrees(size: int) -> Iterator[tuple[int, int]]:
    """All valid ones, by the definition."""
    for end in range(1, size + 1):
        yield from ((start, end) for start in range(end) if start % full_width(end - start) == 0)


def definition(start: int, end: int, leaves: list[bytes], *, known: bool) -> list[bytes]:
    """SUBTREE_SUBPROOF of the draft, word for word."""
    if (start, end) == (0, len(leaves)):
        return [] if known else [naive_root(leaves)]
    split = full_width(len(leaves)) // 2
    left, right = leaves[:split], leaves[split:]
    if end <= split:
        return [*definition(start, end, left, known=known), naive_root(right)]
    if split <= start:
        return [*definition(start - split, end - split, right, known=known), naive_root(left)]
    return [*definition(0, end - split, right, known=False), naive_root(left)]


def test_every_subtree_of_every_size() -> None:
    for size in range(1, SIZE + 1):
        root = LOG.at(size).root
        for start, end in subtrees(size):
            proof = subtree_consistency_proof(start, end, size, LOG.read_hash)
            assert proof == definition(start, end, LOG.leaves[:size], known=True)
            node = naive_root(LOG.leaves[start:end])
            assert subtree_root(start, end, LOG.read_hash) == node
            verify_subtree_consistency(start, end, size, subtree=node, root=root, proof=proof)


def test_every_leaf_of_every_subtree() -> None:
    for start, end in subtrees(SIZE):
        node = naive_root(LOG.leaves[start:end])
        for index in range(start, end):
            proof = subtree_inclusion_proof(index, start, end, LOG.read_hash)
            verify_subtree_inclusion(index, start, end, leaf=LOG.leaves[index], proof=proof, root=node)
            with pytest.raises(InclusionError):
                verify_subtree_inclusion(index ^ 1, start, end, leaf=LOG.leaves[index], proof=[*proof, node], root=node)


def test_one_that_starts_at_0_is_a_consistency_proof() -> None:
    for old in range(1, SIZE + 1):
        proof = consistency_proof(old, SIZE, LOG.read_hash)
        assert subtree_consistency_proof(0, old, SIZE, LOG.read_hash) == proof


def test_altered_consistency_proofs() -> None:
    root = LOG.checkpoint.root
    for start, end in subtrees(SIZE):
        node = naive_root(LOG.leaves[start:end])
        proof = subtree_consistency_proof(start, end, SIZE, LOG.read_hash)
        altered = [[*proof, node], [node, *proof], proof[:-1], [*proof[:-1], bytes(32)], [bytes(31), *proof[1:]]]
        for wrong in altered if proof else altered[:2]:
            with pytest.raises(ConsistencyError):
                verify_subtree_consistency(start, end, SIZE, subtree=node, root=root, proof=wrong)
        for pair in ((bytes(32), root), (node, bytes(32)), (node[1:], root), (node, root[1:])):
            with pytest.raises(ConsistencyError):
                verify_subtree_consistency(start, end, SIZE, subtree=pair[0], root=pair[1], proof=proof)


@pytest.mark.parametrize(("start", "end"), [(1, 3), (2, 5), (3, 5), (4, 9), (-4, 0), (5, 4), (1, 2**63 + 2)])
def test_ranges_that_are_no_subtrees(start: int, end: int) -> None:
    with pytest.raises(InclusionError):
        verify_subtree_inclusion(start, start, end, leaf=bytes(32), proof=(), root=bytes(32))
    with pytest.raises(InclusionError):
        subtree_inclusion_proof(start, start, end, LOG.read_hash)
    with pytest.raises(ConsistencyError):
        verify_subtree_consistency(start, end, SIZE, subtree=bytes(32), root=bytes(32), proof=())
    with pytest.raises(ConsistencyError):
        subtree_consistency_proof(start, end, SIZE, LOG.read_hash)
    with pytest.raises(ConsistencyError):
        subtree_root(start, end, LOG.read_hash)


@pytest.mark.parametrize("at", [0, 1, SIZE])
def test_the_empty_subtree(at: int) -> None:
    assert subtree_root(at, at, LOG.read_hash) == EMPTY_ROOT
    assert subtree_consistency_proof(at, at, SIZE, LOG.read_hash) == []
    root = LOG.checkpoint.root
    verify_subtree_consistency(at, at, SIZE, subtree=EMPTY_ROOT, root=root, proof=())
    for subtree, proof in ((root, ()), (EMPTY_ROOT, (root,))):
        with pytest.raises(ConsistencyError):
            verify_subtree_consistency(at, at, SIZE, subtree=subtree, root=root, proof=proof)
    with pytest.raises(ConsistencyError):
        verify_subtree_consistency(SIZE + 1, SIZE + 1, SIZE, subtree=EMPTY_ROOT, root=root, proof=())
    with pytest.raises(InclusionError):
        verify_subtree_inclusion(at, at, at, leaf=EMPTY_ROOT, proof=(), root=EMPTY_ROOT)
