import pytest

from hallmark_tlog.compact import CompactRange, Subtree
from hallmark_tlog.errors import FormatError
from hallmark_tlog.merkle import EMPTY_ROOT
from unit.hallmark_tlog.virtual_log import VirtualLog, naive_leaf, naive_root

LEAVES = [naive_leaf(b"%d" % index) for index in range(600)]


def test_an_empty_tree() -> None:
    tree = CompactRange()
    assert (tree.size, tree.peaks, tree.root()) == (0, (), EMPTY_ROOT)
    assert tree.extend([]) == []


def test_growing_returns_the_hashes_of_higher_tiles() -> None:
    tree = CompactRange()
    assert tree.extend(LEAVES[:255]) == []
    assert tree.extend(LEAVES[255:]) == [
        Subtree(8, 0, naive_root(LEAVES[:256])),
        Subtree(8, 1, naive_root(LEAVES[256:512])),
    ]
    assert tree.root() == naive_root(LEAVES)


def test_level_16_completes_with_its_last_level_8() -> None:
    leaves = [naive_leaf(b"")] * 65536
    completed = CompactRange().extend(leaves)
    assert [(subtree.level, subtree.index) for subtree in completed[-2:]] == [(8, 255), (16, 0)]
    assert completed[-1].hash == naive_root(leaves)
    assert len(completed) == 257


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 600])
def test_a_tree_continues_from_its_tiles(size: int) -> None:
    log = VirtualLog.of_size(600)
    tree = CompactRange.load(size, log.read_hash)
    assert tree.root() == naive_root(log.leaves[:size])
    assert CompactRange(tree.size, tree.peaks).root() == tree.root()
    tree.extend(log.leaves[size:])
    assert tree.root() == log.checkpoint.root


@pytest.mark.parametrize(("size", "peaks"), [(1, []), (0, [LEAVES[0]]), (3, LEAVES[:1]), (-1, []), (1, [b""])])
def test_impossible_peaks(size: int, peaks: list[bytes]) -> None:
    with pytest.raises(FormatError):
        CompactRange(size, peaks)


def test_a_failing_source_leaves_the_tree_whole() -> None:
    def leaves():
        yield from LEAVES[:10]
        raise OSError

    tree = CompactRange()
    with pytest.raises(OSError):
        tree.extend(leaves())
    assert (tree.size, tree.root()) == (10, naive_root(LEAVES[:10]))
