"""A Merkle tree that only grows: its right edge in at most 63 hashes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

from hallmark_tlog.canonical import HASH_SIZE, MAX_SIZE
from hallmark_tlog.errors import FormatError
from hallmark_tlog.merkle import ReadHash, fold_peaks

_TILE_HEIGHT = 8
_TILE_WIDTH = 1 << _TILE_HEIGHT


@dataclass(frozen=True, slots=True)
class Subtree:
    """Hash of the complete subtree over leaves [index * 2^level, (index + 1) * 2^level)."""

    level: int
    index: int
    hash: bytes


class CompactRange:
    """The peaks (maximal complete subtrees, largest first) of a tree that grows by leaf hashes. Not thread-safe.

    After each `extend`, `root()` is the root of the tree so far. The subtrees that `extend` returns are the hashes
    that tiles above level 0 consist of (tlog-tiles): append each to tile `(level // 8, index // 256)`.
    """

    __slots__ = ("_peaks", "_size")

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        """Continue a tree of `size` leaves from its peaks, one hash for every bit that is set in `size`."""
        if not 0 <= size <= MAX_SIZE or len(peaks) != size.bit_count():
            raise FormatError(f"a tree of size {size} cannot have {len(peaks)} peaks")
        if any(len(peak) != HASH_SIZE for peak in peaks):
            raise FormatError(f"a peak is not {HASH_SIZE} bytes")
        self._size = size
        self._peaks = list(peaks)

    @classmethod
    def load(cls, size: int, read_hash: ReadHash) -> Self:
        """Continue a tree of `size` leaves whose complete subtrees `read_hash` can read, for example from tiles."""
        if not 0 <= size <= MAX_SIZE:
            raise FormatError(f"{size} is not a tree size")
        levels = [level for level in reversed(range(size.bit_length())) if size >> level & 1]
        return cls(size, [read_hash(level, (size >> level) - 1) for level in levels])

    @property
    def size(self) -> int:
        return self._size

    @property
    def peaks(self) -> tuple[bytes, ...]:
        return tuple(self._peaks)

    def root(self) -> bytes:
        return fold_peaks(self._peaks)

    def extend(self, leaf_hashes: Iterable[bytes]) -> list[Subtree]:
        """Append leaf hashes; return the subtrees of 256, 65536, ... leaves they completed, in order."""
        completed: list[Subtree] = []
        peaks, size, digest = self._peaks, self._size, sha256
        try:
            for leaf in leaf_hashes:
                carry, before = leaf, size
                if (size + 1) % _TILE_WIDTH:
                    while before & 1:
                        carry = digest(b"\x01" + peaks.pop() + carry).digest()
                        before >>= 1
                    peaks.append(carry)
                else:
                    self._complete_tiles(before, carry, completed)
                size += 1
        finally:
            self._size = size
        return completed

    def _complete_tiles(self, before: int, carry: bytes, completed: list[Subtree]) -> None:
        level = 0
        while before & 1:
            carry = sha256(b"\x01" + self._peaks.pop() + carry).digest()
            before >>= 1
            level += 1
            if level % _TILE_HEIGHT == 0:
                completed.append(Subtree(level, before, carry))
        self._peaks.append(carry)
