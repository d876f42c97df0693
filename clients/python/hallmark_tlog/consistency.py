"""Does a log's tree begin with the tree it signed before? Answered from its tiles, a handful of them.

Three answers, each with what it rests on:
- yes: the tiles lead to the signed root, and through the earlier root (RFC 9162 section 2.1.4).
- no, a fork: the tiles lead to the signed root through ANOTHER root of the earlier size. Two signatures of the log
  contradict each other, and the proof of that is the same consistency proof.
- the tiles lead nowhere: nothing is proved, because published files were altered.
"""

from dataclasses import dataclass

from hallmark_tlog.checkpoint import Checkpoint
from hallmark_tlog.errors import ConsistencyError, ForkError, OriginMismatch, RollbackError, TamperedError
from hallmark_tlog.merkle import ReadHash, verify_consistency
from hallmark_tlog.prove import consistency_proof, root_at


@dataclass(frozen=True, slots=True)
class Prefix:
    """Proved: the tree of `size` leaves with this root (32 bytes) is the beginning of another; `proof` shows it."""

    size: int
    root: bytes
    proof: tuple[bytes, ...]


def prefix_of(current: Checkpoint, size: int, read_hash: ReadHash) -> Prefix:
    """The beginning of a signed tree, verified against its root. Raises TamperedError; ConsistencyError for a size that
    is not below.
    """
    proof = tuple(consistency_proof(size, current.size, read_hash))
    root = root_at(size, read_hash)
    try:
        verify_consistency(size, root, current.size, current.root, proof)
    except ConsistencyError as error:
        raise TamperedError("tile", f"the tiles do not lead to the signed root of size {current.size}") from error
    return Prefix(size, root, proof)


def check_not_behind(previous: Checkpoint, current: Checkpoint) -> None:
    """What needs no file. Raises OriginMismatch, RollbackError, ForkError."""
    if previous.origin != current.origin:
        raise OriginMismatch(f"the earlier checkpoint is of {previous.origin!r}, this one of {current.origin!r}")
    if current.size < previous.size:
        raise RollbackError(f"the log shows size {current.size}, it has shown size {previous.size} before")
    if current.size == previous.size and current.root != previous.root:
        raise ForkError(
            f"two signed roots for size {current.size}: {previous.root.hex()} before, {current.root.hex()} now"
        )


def check_extends(previous: Checkpoint, current: Checkpoint, read_hash: ReadHash) -> Prefix:
    """The tree of `current` begins with that of `previous`. Raises as `check_not_behind`, and TamperedError."""
    check_not_behind(previous, current)
    prefix = prefix_of(current, previous.size, read_hash)
    if prefix.root != previous.root:
        raise ForkError(
            f"the log of size {current.size} does not begin with the tree of size {previous.size} it signed before"
        )
    return prefix
