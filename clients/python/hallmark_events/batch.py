"""Merkle trees over many payloads that one signature or one log entry stands for (RFC 9162, section 2.1).

The leaf is SHA-256(0x00 || payload). Paths are hashes of 32 bytes, the leaf's sibling first.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hallmark_events.errors import ProofInvalid
from hallmark_tlog.errors import InclusionError
from hallmark_tlog.merkle import EMPTY_ROOT, leaf_hash, pair_up, verify_inclusion


@dataclass(frozen=True, slots=True)
class BatchPath:
    """Where one payload stands in a batch: hallmark.v1.BatchProof."""

    leaf_index: int
    tree_size: int
    path: tuple[bytes, ...]


class BatchTree:
    """The tree over some payloads, all in memory: 64 bytes of hashes for each."""

    def __init__(self, payloads: Iterable[bytes]) -> None:
        # A last node without a sibling stands in the next level unchanged: that is the tree of RFC 9162.
        level = [leaf_hash(payload) for payload in payloads]
        self._levels = [level]
        while len(level) > 1:
            above = pair_up(level)
            if len(level) % 2:
                above.append(level[-1])
            self._levels.append(above)
            level = above

    def __len__(self) -> int:
        return len(self._levels[0])

    @property
    def root(self) -> bytes:
        """32 bytes; of no payload, SHA-256 of the empty string."""
        return self._levels[-1][0] if len(self) else EMPTY_ROOT

    def path(self, index: int) -> BatchPath:
        """Of one payload. Raises IndexError."""
        if not 0 <= index < len(self):
            raise IndexError(f"a batch of {len(self)} has no leaf {index}")
        place, path = index, []
        for level in self._levels[:-1]:
            if place ^ 1 < len(level):
                path.append(level[place ^ 1])
            place >>= 1
        return BatchPath(index, len(self), tuple(path))

    def paths(self) -> list[BatchPath]:
        """Of all payloads, in order. From the root down, so that neighbours share the work: O(n) and not O(n log n)."""
        size = len(self)
        found: list[tuple[bytes, ...]] = [()]
        for level in reversed(self._levels[:-1]):
            width = len(level)
            found = [
                (level[place ^ 1], *found[place >> 1]) if place ^ 1 < width else found[place >> 1]
                for place in range(width)
            ]
        return [BatchPath(index, size, path) for index, path in enumerate(found[:size])]


def verify_batch(payload: bytes, place: BatchPath, root: bytes) -> None:
    """Raise ProofInvalid unless the path leads from the payload to the root."""
    try:
        verify_inclusion(place.leaf_index, place.tree_size, leaf_hash(payload), place.path, root)
    except InclusionError as error:
        raise ProofInvalid(f"the payload is not in the batch: {error}") from error


def join_path(path: Sequence[bytes]) -> bytes:
    """One after the other, as it is stored."""
    return b"".join(path)


def split_path(data: bytes) -> tuple[bytes, ...]:
    """Raises ProofInvalid for what is no whole number of hashes."""
    if len(data) % 32:
        raise ProofInvalid(f"a path is hashes of 32 bytes, not {len(data)} bytes")
    return tuple(data[at : at + 32] for at in range(0, len(data), 32))
