"""The tree that a log's entries make, held bundle by bundle against the tiles the log publishes.

Why this proves the inclusion of every entry: the root of the rebuilt tree is MTH(D[n]) of RFC 6962 section 2.1 over the
very entries that were read, and it is compared with the signed root. An audit path (section 2.1.1) consists of nodes of
that tree. All published hashes are compared with the rebuilt ones, so a path that anybody builds from the tiles for any
entry is that entry's path. It is what section 5.3 asks of a monitor (step 4).

A full bundle costs 256 leaf hashes and 255 node hashes; nothing is hashed twice, memory does not grow with the log.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256

from hallmark_tlog.audit_state import AuditState
from hallmark_tlog.canonical import HASH_SIZE
from hallmark_tlog.compact import CompactRange, Subtree
from hallmark_tlog.errors import TamperedError
from hallmark_tlog.fetch import Fetch
from hallmark_tlog.merkle import fold_peaks, pair_up
from hallmark_tlog.reader import TileReader, read_bundle, read_tile
from hallmark_tlog.tiles import TILE_HEIGHT, TILE_WIDTH, tile_at, tile_levels

OnEntry = Callable[[int, bytes], None]
"""`on_entry(index, entry)`: an entry that agrees with its leaf. Its tree was not held against the signed root yet."""


class Rebuild:
    """Grows by whole bundles from `start` on (None: from the first entry) to `size`. Not thread-safe."""

    def __init__(self, fetch: Fetch, size: int, *, start: AuditState | None = None) -> None:
        """Raises TamperedError when the tiles contradict what was verified before `start`."""
        self._fetch = fetch
        self._size = size
        self.tiles = TileReader(fetch, size)
        self.entries = 0 if start is None else start.entries
        self.tile_hashes = 0
        peaks = () if start is None else start.peaks
        full, rest = divmod(self.entries, TILE_WIDTH)
        # Two ranges: one of whole tiles, whose leaves are the hashes of full level-0 tiles, and the entries behind it.
        self._upper = CompactRange(full, peaks[: full.bit_count()])
        self._lower = CompactRange(rest, peaks[full.bit_count() :])
        if start is not None:
            self._check_edge(start)

    @property
    def peaks(self) -> tuple[bytes, ...]:
        return self._upper.peaks + self._lower.peaks

    def root(self) -> bytes:
        return fold_peaks(self.peaks)

    def add_bundle(self, on_entry: OnEntry | None = None) -> list[bytes]:
        """The next bundle: its entries against its tile, what they complete against the tiles above.

        Returns the leaf hashes that are new. Raises TamperedError, and what fetching raises.
        """
        index, known = divmod(self.entries, TILE_WIDTH)
        entries = read_bundle(self._fetch, index, self._size)
        # b"\0" + entry: leaf_hash() of RFC 6962, written out because it runs for every entry of the log
        leaves = [sha256(b"\0" + entry).digest() for entry in entries]
        published = read_tile(self._fetch, tile_at(0, index, self._size))
        if b"".join(leaves) != published:
            raise self._altered_leaf(index, leaves, published)
        self._grow(index, leaves, known)
        if on_entry is not None:
            for position, entry in enumerate(entries[known:], self.entries):
                on_entry(position, entry)
        self.tile_hashes += len(leaves) - known
        self.entries += len(leaves) - known
        return leaves[known:]

    def _grow(self, index: int, leaves: Sequence[bytes], known: int) -> None:
        if len(leaves) < TILE_WIDTH:
            self._lower.extend(leaves[known:])
            return
        self._lower = CompactRange()
        hashes = leaves
        while len(hashes) > 1:
            hashes = pair_up(hashes)
        self._compare(Subtree(TILE_HEIGHT, index, hashes[0]))
        for subtree in self._upper.extend(hashes):
            self._compare(Subtree(subtree.level + TILE_HEIGHT, subtree.index, subtree.hash))

    def _compare(self, rebuilt: Subtree) -> None:
        level, position = rebuilt.level // TILE_HEIGHT, rebuilt.index
        if self.tiles.read_hash(rebuilt.level, position) != rebuilt.hash:
            path = tile_at(level, position // TILE_WIDTH, self._size).path
            raise TamperedError(
                path, f"hash {position % TILE_WIDTH} is not that of tile {position}, level {level - 1}: one was altered"
            )
        self.tile_hashes += 1

    def _check_edge(self, start: AuditState) -> None:
        """The tiles that `start` ended in have grown: the hashes they had then must make the peaks of then."""
        peaks = list(start.peaks)
        for level in tile_levels(start.entries):
            index, width = divmod(start.entries >> TILE_HEIGHT * level, TILE_WIDTH)
            if not width:
                continue
            kept = [peaks.pop() for _ in range(width.bit_count())][::-1]
            edge = CompactRange()
            edge.extend(self.tiles.hashes(level, index)[:width])
            if edge.peaks != tuple(kept):
                raise TamperedError(
                    tile_at(level, index, self._size).path,
                    f"its first {width} hashes are not those that were verified when the log had {start.entries} "
                    "entries: they were altered",
                )

    def _altered_leaf(self, index: int, leaves: Sequence[bytes], published: bytes) -> TamperedError:
        at = next(at for at, leaf in enumerate(leaves) if leaf != published[at * HASH_SIZE : (at + 1) * HASH_SIZE])
        bundle, tile = tile_at(None, index, self._size).path, tile_at(0, index, self._size).path
        number = index * TILE_WIDTH + at
        return TamperedError(bundle, f"entry {number} does not hash to its leaf in {tile}: one was altered")
