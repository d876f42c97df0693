import dataclasses

import pytest

from hallmark_tlog.consistency import check_extends, prefix_of
from hallmark_tlog.errors import ConsistencyError, ForkError, OriginMismatch, RollbackError, TamperedError
from hallmark_tlog.merkle import verify_consistency
from unit.hallmark_tlog.virtual_log import VirtualLog

LOG = VirtualLog.of_size(300)


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 299, 300])
def test_a_prefix_is_proved(size: int) -> None:
    found = prefix_of(LOG.checkpoint, size, LOG.read_hash)
    assert (found.size, found.root) == (size, LOG.at(size).root)
    verify_consistency(size, found.root, 300, LOG.checkpoint.root, found.proof)
    assert check_extends(LOG.at(size), LOG.checkpoint, LOG.read_hash) == found


def test_a_fork_is_told_from_tiles_that_prove_nothing() -> None:
    other = VirtualLog([b"other", *LOG.entries[1:]])
    with pytest.raises(ForkError, match="does not begin with the tree of size 200"):
        check_extends(other.at(200), LOG.checkpoint, LOG.read_hash)
    with pytest.raises(TamperedError, match="do not lead to the signed root"):
        check_extends(LOG.at(200), LOG.checkpoint, other.read_hash)


def test_what_needs_no_file() -> None:
    def read_hash(level: int, index: int) -> bytes:
        raise AssertionError(f"nothing has to be read: {level}, {index}")

    with pytest.raises(RollbackError):
        check_extends(LOG.checkpoint, LOG.at(299), read_hash)
    with pytest.raises(ForkError, match="two signed roots"):
        check_extends(dataclasses.replace(LOG.checkpoint, root=bytes(32)), LOG.checkpoint, read_hash)
    with pytest.raises(OriginMismatch):
        check_extends(dataclasses.replace(LOG.checkpoint, origin="log.example/other"), LOG.checkpoint, read_hash)


def test_a_larger_size_is_no_prefix() -> None:
    with pytest.raises(ConsistencyError):
        prefix_of(LOG.checkpoint, 301, LOG.read_hash)
