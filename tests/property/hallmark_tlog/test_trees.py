"""The compact range and every proof, against the definition of RFC 6962 taken word for word."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hallmark_tlog.compact import CompactRange
from hallmark_tlog.errors import ConsistencyError, InclusionError
from hallmark_tlog.merkle import root_from_leaves, verify_consistency, verify_inclusion
from hallmark_tlog.prove import consistency_proof, inclusion_proof, inclusion_proofs, root_at
from hallmark_tlog.reader import TileReader
from unit.hallmark_tlog.virtual_log import VirtualLog, naive_leaf, naive_root

LOG = VirtualLog.of_size(700)
SIZES = st.integers(0, 700)


@st.composite
def cuts(draw: st.DrawFn) -> list[int]:
    """Sizes at which a tree of 700 leaves is grown, in order."""
    return sorted({0, *draw(st.lists(SIZES, max_size=8)), 700})


@given(cuts())
def test_a_tree_grown_in_any_steps(steps: list[int]) -> None:
    tree = CompactRange()
    completed = []
    for start, end in itertools.pairwise(steps):
        completed += tree.extend(LOG.leaves[start:end])
        assert (tree.size, tree.root()) == (end, naive_root(LOG.leaves[:end]))
        assert CompactRange.load(end, LOG.read_hash).peaks == tree.peaks
    assert [(node.level, node.index, node.hash) for node in completed] == [
        (8, index, LOG.read_hash(8, index)) for index in (0, 1)
    ]


@given(st.lists(st.binary(max_size=40), max_size=70))
def test_roots(entries: list[bytes]) -> None:
    leaves = [naive_leaf(entry) for entry in entries]
    assert root_from_leaves(leaves) == naive_root(leaves)


@given(SIZES)
def test_tiles_hold_the_whole_tree(size: int) -> None:
    log = VirtualLog(LOG.entries[:size])
    reader = TileReader(log.fetch, size)
    assert root_at(size, reader.read_hash) == log.checkpoint.root
    for level in range(size.bit_length()):
        last = (size >> level) - 1
        assert reader.read_hash(level, last) == log.read_hash(level, last)


@st.composite
def places(draw: st.DrawFn) -> tuple[int, int]:
    """An index and a size that has it."""
    size = draw(st.integers(1, 700))
    return draw(st.integers(0, size - 1)), size


@given(places(), st.data())
def test_inclusion_and_nothing_else(place: tuple[int, int], data: st.DataObject) -> None:
    index, size = place
    leaf, root = LOG.leaves[index], LOG.at(size).root
    proof = inclusion_proof(index, size, LOG.read_hash)
    verify_inclusion(index, size, leaf, proof, root)
    with pytest.raises(InclusionError):
        verify_inclusion(index, size, leaf, data.draw(mutations(proof)), root)
    other = data.draw(st.integers(0, size - 1).filter(lambda value: value != index) if size > 1 else st.just(size))
    with pytest.raises(InclusionError):
        verify_inclusion(other, size, leaf, proof, root)
    with pytest.raises(InclusionError):
        verify_inclusion(index, size, data.draw(st.binary(min_size=32, max_size=32)), proof, root)


@given(places())
def test_neighbours_have_the_same_proofs(place: tuple[int, int]) -> None:
    first, size = place
    last = min(first + 5, size)
    one_by_one = [inclusion_proof(index, size, LOG.read_hash) for index in range(first, last)]
    assert list(inclusion_proofs(first, last, size, LOG.read_hash)) == one_by_one


@given(SIZES, SIZES, st.data())
def test_consistency_and_nothing_else(one: int, other: int, data: st.DataObject) -> None:
    old, new = sorted((one, other))
    old_root, new_root = LOG.at(old).root, LOG.at(new).root
    proof = consistency_proof(old, new, LOG.read_hash)
    verify_consistency(old, old_root, new, new_root, proof)
    with pytest.raises(ConsistencyError):
        verify_consistency(old, old_root, new, new_root, data.draw(mutations(proof)))
    wrong = data.draw(st.binary(min_size=32, max_size=32))
    if old > 0:
        with pytest.raises(ConsistencyError):
            verify_consistency(old, wrong, new, new_root, proof)
        with pytest.raises(ConsistencyError):
            verify_consistency(old, old_root, new, wrong, proof)


def mutations(proof: list[bytes]) -> st.SearchStrategy[list[bytes]]:
    """Any proof that differs from `proof`: a hash more, a hash less, a bit, two swapped."""
    extra = st.tuples(st.integers(0, len(proof)), st.binary(min_size=32, max_size=32)).map(
        lambda at: [*proof[: at[0]], at[1], *proof[at[0] :]]
    )
    if not proof:
        return extra
    position = st.integers(0, len(proof) - 1)
    less = position.map(lambda at: proof[:at] + proof[at + 1 :])
    bit = st.tuples(position, st.integers(0, 255)).map(
        lambda at: [
            (int.from_bytes(value, "big") ^ (1 << at[1])).to_bytes(32, "big") if number == at[0] else value
            for number, value in enumerate(proof)
        ]
    )
    swapped = position.map(lambda at: proof[at:] + proof[:at]).filter(lambda turned: turned != proof)
    return st.one_of(extra, less, bit, *([swapped] if len(set(proof)) > 1 else []))
