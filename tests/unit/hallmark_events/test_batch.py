from dataclasses import replace

import pytest

from hallmark_events.batch import BatchPath, BatchTree, join_path, split_path, verify_batch
from hallmark_events.errors import ProofInvalid
from unit.hallmark_tlog.virtual_log import naive_leaf, naive_root


def payloads(size: int) -> list[bytes]:
    return [b"lease %d" % number for number in range(size)]


@pytest.mark.parametrize("size", [*range(18), 31, 33, 100])
def test_every_leaf_leads_to_the_root_of_rfc_9162(size) -> None:
    made = payloads(size)
    tree = BatchTree(made)
    assert len(tree) == size
    assert tree.root == naive_root([naive_leaf(payload) for payload in made])
    assert tree.paths() == [tree.path(index) for index in range(size)]
    for payload, place in zip(made, tree.paths(), strict=True):
        verify_batch(payload, place, tree.root)


@pytest.mark.parametrize(
    "change",
    [{"leaf_index": 2}, {"leaf_index": -1}, {"leaf_index": 7}, {"tree_size": 9}, {"path": ()}, {"path": (b"x",) * 3}],
    ids=str,
)
def test_another_place_is_refused(change) -> None:
    tree = BatchTree(payloads(7))
    with pytest.raises(ProofInvalid):
        verify_batch(b"lease 1", replace(tree.path(1), **change), tree.root)


def test_another_payload_or_root_is_refused() -> None:
    tree = BatchTree(payloads(7))
    for payload, root in ((b"lease 2", tree.root), (b"lease 1", bytes(32)), (b"lease 1", b"short")):
        with pytest.raises(ProofInvalid):
            verify_batch(payload, tree.path(1), root)


def test_an_index_that_is_not_there() -> None:
    for index in (-1, 3):
        with pytest.raises(IndexError):
            BatchTree(payloads(3)).path(index)


def test_paths_are_stored_as_one_piece() -> None:
    place = BatchTree(payloads(5)).path(4)
    assert place == BatchPath(4, 5, split_path(join_path(place.path)))
    with pytest.raises(ProofInvalid):
        split_path(b"x" * 33)


def test_a_large_batch_is_one_pass() -> None:
    tree = BatchTree(b"%d" % number for number in range(131_072))
    paths = tree.paths()
    assert {len(place.path) for place in paths} == {17}
    verify_batch(b"131071", paths[131_071], tree.root)
