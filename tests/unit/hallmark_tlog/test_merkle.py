import pytest

from hallmark_tlog.errors import ConsistencyError, InclusionError
from hallmark_tlog.merkle import (
    EMPTY_ROOT,
    leaf_hash,
    node_hash,
    root_from_leaves,
    verify_consistency,
    verify_inclusion,
)

A, B = leaf_hash(b"a"), leaf_hash(b"b")


def test_hashes_are_those_of_rfc_6962() -> None:
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert root_from_leaves([A, B]) == node_hash(A, B) != node_hash(B, A)


def test_the_smallest_proofs() -> None:
    verify_inclusion(0, 1, A, [], A)
    verify_inclusion(1, 2, B, [A], node_hash(A, B))
    verify_consistency(1, A, 2, node_hash(A, B), [B])
    verify_consistency(2, A, 2, A, [])
    verify_consistency(0, EMPTY_ROOT, 2, A, [])


@pytest.mark.parametrize(
    ("index", "size", "leaf", "proof", "root"),
    [
        (0, 0, A, [], A),
        (1, 1, A, [], A),
        (-1, 1, A, [], A),
        (2**64 - 1, 1, A, [], A),
        (0, 1, A, [], B),
        (0, 1, A, [B], A),
        (0, 2, A, [], A),
        (0, 2, A, [B, B], node_hash(A, B)),
        (0, 2, A, [B[:31]], node_hash(A, B)),
        (0, 1, b"", [], b""),
        (2**62, 2**63 - 1, A, [], A),
    ],
)
def test_bad_inclusion(index: int, size: int, leaf: bytes, proof: list[bytes], root: bytes) -> None:
    with pytest.raises(InclusionError):
        verify_inclusion(index, size, leaf, proof, root)


@pytest.mark.parametrize(
    ("old", "old_root", "new", "new_root", "proof"),
    [
        (2, A, 1, B, []),
        (-1, A, 1, B, []),
        (1, A, 1, B, []),
        (1, A, 1, A, [B]),
        (0, A, 1, B, []),
        (0, EMPTY_ROOT, 1, B, [B]),
        (0, A, 0, A, []),
        (1, A, 2, node_hash(A, B), []),
        (1, A, 2, node_hash(A, B), [B, B]),
        (1, A, 2, node_hash(A, B), [A]),
        (1, B, 2, node_hash(A, B), [B]),
        (3, A, 4, B, []),
        (1, A[:31], 2, node_hash(A, B), [B]),
        (2**62 + 1, A, 2**63 - 1, B, [A] * 3),
    ],
)
def test_bad_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: list[bytes]) -> None:
    with pytest.raises(ConsistencyError):
        verify_consistency(old, old_root, new, new_root, proof)
