import pytest

from hallmark_tlog.errors import ConsistencyError, InclusionError
from hallmark_tlog.merkle import EMPTY_ROOT, verify_consistency, verify_inclusion
from hallmark_tlog.prove import consistency_proof, inclusion_proof, inclusion_proofs, root_at
from unit.hallmark_tlog.virtual_log import VirtualLog

LOG = VirtualLog.of_size(34)


def test_every_inclusion_and_every_consistency_of_small_trees() -> None:
    roots = [LOG.at(size).root for size in range(35)]
    for size in range(35):
        assert root_at(size, LOG.read_hash) == roots[size]
        for index in range(size):
            proof = inclusion_proof(index, size, LOG.read_hash)
            verify_inclusion(index, size, LOG.leaves[index], proof, roots[size])
        for old in range(size + 1):
            proof = consistency_proof(old, size, LOG.read_hash)
            verify_consistency(old, roots[old], size, roots[size], proof)


def test_the_example_of_rfc_6962() -> None:
    """Section 2.1.3: in the tree of 7 leaves the path of d6 is [i, k], and from size 3 the proof is [c, d, g, l]."""
    read = LOG.read_hash
    assert inclusion_proof(6, 7, read) == [read(1, 2), read(2, 0)]
    assert consistency_proof(3, 7, read) == [read(0, 2), read(0, 3), read(1, 0), LOG_L]
    assert consistency_proof(4, 7, read) == [LOG_L]


LOG_L = VirtualLog([b"entry 4", b"entry 5", b"entry 6"]).checkpoint.root


def test_neighbours_get_the_same_proofs_as_one_by_one() -> None:
    many = list(inclusion_proofs(5, 23, 34, LOG.read_hash))
    assert many == [inclusion_proof(index, 34, LOG.read_hash) for index in range(5, 23)]


@pytest.mark.parametrize(("index", "size"), [(0, 0), (5, 5), (-1, 5), (6, 5)])
def test_no_proof_of_what_is_not_there(index: int, size: int) -> None:
    with pytest.raises(InclusionError):
        inclusion_proof(index, size, LOG.read_hash)


@pytest.mark.parametrize(("old", "new"), [(6, 5), (-1, 5)])
def test_no_consistency_backwards(old: int, new: int) -> None:
    with pytest.raises(ConsistencyError):
        consistency_proof(old, new, LOG.read_hash)


def test_the_empty_tree() -> None:
    assert root_at(0, LOG.read_hash) == EMPTY_ROOT
    assert consistency_proof(0, 5, LOG.read_hash) == []
