"""Every row of a log against every other, and against the published files. Read only; reports all it finds.

One pass over the entries, in order, with the right edge of the tree:
1. indices are dense; an entry hashes to its row's leaf hash and to its place in the level-0 tile; its `id` is its key
2. every hash of every tile is that of the tree, and every tile as wide as the tree makes it; there are no others
3. at every size that has a checkpoint row, the tree has the root of that row; the row's note states the same and
   verifies with the log's keys
4. at the end, the tree has the size and the root of the state
5. published bundles, tiles and the checkpoint are those of the rows (`fsck_files`)
6. nothing is in the queue that is among the entries
Where one of three copies of a leaf (entry, row, tile) differs, the other two are believed: one fault is one finding.
Memory does not grow with the log.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.engine import Connection

from hallmark_tlog.canonical import HASH_SIZE
from hallmark_tlog.compact import CompactRange, Subtree
from hallmark_tlog.errors import TlogError
from hallmark_tlog.merkle import leaf_hash
from hallmark_tlog.tiles import TILE_HEIGHT, TILE_WIDTH, tile_at, tile_levels, tiles_of
from hallmark_tlog.verify import open_checkpoint
from hallmark_tlog.vkey import VerifierKey
from kms.log.fsck.files import PublishedFiles
from kms.log.fsck.rows import CheckpointRow, EntryRow, LogRows, logs_in, queued_and_sequenced
from kms.log.keys.keys import find_keys
from kms.log.model import TreeHead

_BUNDLES_AT_ONCE: Final = 4

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """`place`: a row or a file, such as `entry 17` or `tile/0/000`. `log` is the origin."""

    log: str
    place: str
    problem: str


Found = Callable[[Finding], None]


@dataclass(frozen=True, slots=True)
class Examined:
    """How much of one log was looked at. `published` is the size of the published checkpoint, None without one."""

    origin: str
    entries: int
    tiles: int
    checkpoints: int
    files: int
    published: int | None


def fsck(
    tx: Connection, found: Found, *, public: PublishedFiles | None = None, progress: Progress | None = None
) -> list[Examined]:
    """Examines every log of the database, in the transaction's snapshot. `public`: the published files, None for none.

    Each finding is handed to `found` at once.
    """
    examined = []
    for rows in logs_in(tx):
        examined.append(_Examination(tx, rows, found, public).run(progress))
        for event_key in queued_and_sequenced(tx) if rows.closed is None else ():
            found(Finding(rows.origin, f"queue {event_key}", "it waits in the queue, and is an entry already"))
    return examined


class _Examination:
    """Of one log."""

    def __init__(self, tx: Connection, rows: LogRows, found: Found, public: PublishedFiles | None) -> None:
        self._tx = tx
        self._rows = rows
        self._size = rows.head.size
        self._found = found
        keys = find_keys(tx, rows.origin)
        self._keys: Sequence[VerifierKey] = () if keys is None else keys.every_verifier
        self._files = None if public is None else public.of_log(tx, rows, self._keys, self._report)
        self._tree = CompactRange()
        self._upper: tuple[tuple[int, int], bytes] | None = None
        """The tile above level 0 that was read last."""
        self._checkpoints = 0

    def _report(self, place: str, problem: str) -> None:
        self._found(Finding(self._rows.origin, place, problem))

    def run(self, progress: Progress | None) -> Examined:
        checkpoints = self._rows.checkpoints(self._tx)
        due = self._check_heads(checkpoints, next(checkpoints, None), upto=0)
        for index, entries in self._bundles():
            leaves = self._check_bundle(index, entries)
            due = self._grow(leaves, checkpoints, due)
            if self._files is not None:
                self._files.check_bundle(index, [row.data for row in entries])
            if progress is not None:
                progress(self._tree.size, self._size)
        while due is not None:
            self._report(f"checkpoint {due.head.size}", f"the log has {self._size} entries")
            due = next(checkpoints, None)
        if self._tree.root() != self._rows.head.root:
            self._report(
                "state",
                f"the tree of size {self._size} has the root {self._tree.root().hex()}, it says "
                f"{self._rows.head.root.hex()}",
            )
        for index in self._rows.entries_outside(self._tx):
            self._report(f"entry {index}", f"the log has {self._size} entries")
        return self._finish()

    def _finish(self) -> Examined:
        tiles = sum(1 for _ in tiles_of(self._size))
        counts = self._rows.tile_counts(self._tx)
        for level in sorted({*tile_levels(self._size), *counts}):
            expected = -(-(self._size >> TILE_HEIGHT * level) // TILE_WIDTH)
            if counts.get(level, 0) > expected:
                self._report(f"tiles of level {level}", f"there are {counts[level]}, the tree has {expected}")
        if self._files is not None:
            self._files.check_upper_tiles()
        return Examined(
            origin=self._rows.origin,
            entries=self._tree.size,
            tiles=tiles,
            checkpoints=self._checkpoints,
            files=0 if self._files is None else self._files.compared,
            published=None if self._files is None else self._files.size,
        )

    def _bundles(self) -> Iterator[tuple[int, list[EntryRow]]]:
        """Each bundle's rows, those that are there."""
        step = TILE_WIDTH * _BUNDLES_AT_ONCE
        for start in range(0, self._size, step):
            rows = self._rows.entries(self._tx, start, min(start + step, self._size))
            for first in range(start, min(start + step, self._size), TILE_WIDTH):
                yield first // TILE_WIDTH, [row for row in rows if first <= row.number < first + TILE_WIDTH]

    def _check_bundle(self, index: int, entries: Sequence[EntryRow]) -> list[bytes]:
        """The leaf hashes of the bundle as most of the copies have them."""
        width = min(TILE_WIDTH, self._size - index * TILE_WIDTH)
        tile = self._tile(0, index)
        by_index = {row.number: row for row in entries}
        leaves = []
        for number in range(index * TILE_WIDTH, index * TILE_WIDTH + width):
            at = number % TILE_WIDTH * HASH_SIZE
            in_tile = tile[at : at + HASH_SIZE]
            leaves.append(self._leaf(number, by_index.get(number), in_tile))
        return leaves

    def _leaf(self, number: int, row: EntryRow | None, in_tile: bytes) -> bytes:
        if row is None:
            self._report(f"entry {number}", "it is not there")
            return in_tile or bytes(HASH_SIZE)
        computed = leaf_hash(row.data)
        if not _is_plainly_of(row) and (identity := _identity_in(row.data)) not in (None, row.event_key):
            self._report(f"entry {number}", f"its id is {identity}, its row's key {row.event_key}")
        if computed == row.leaf_hash == in_tile:
            return computed
        if row.leaf_hash == in_tile:
            self._report(f"entry {number}", "its bytes do not hash to the leaf hash of its row and its tile")
            return in_tile
        if computed != row.leaf_hash:
            self._report(f"entry {number}", "its bytes do not hash to the leaf hash of its row")
        if computed != in_tile and in_tile:
            self._report(f"tile 0/{number // TILE_WIDTH}", f"hash {number % TILE_WIDTH} is not that of entry {number}")
        return computed

    def _grow(
        self, leaves: Sequence[bytes], checkpoints: Iterator[CheckpointRow], due: CheckpointRow | None
    ) -> CheckpointRow | None:
        """Up to each checkpoint's size in turn. Returns the checkpoint that is due next."""
        end, done = self._tree.size + len(leaves), 0
        while due is not None and due.head.size <= end:
            step = due.head.size - self._tree.size
            self._extend(leaves[done : done + step])
            done += step
            due = self._check_heads(checkpoints, due, upto=due.head.size)
        self._extend(leaves[done:])
        return due

    def _extend(self, leaves: Sequence[bytes]) -> None:
        for subtree in self._tree.extend(leaves):
            self._check_upper(subtree)

    def _check_upper(self, subtree: Subtree) -> None:
        level, (index, at) = subtree.level // TILE_HEIGHT, divmod(subtree.index, TILE_WIDTH)
        if self._upper is None or self._upper[0] != (level, index):
            self._upper = ((level, index), self._tile(level, index))
        tile = self._upper[1]
        if tile and tile[at * HASH_SIZE : (at + 1) * HASH_SIZE] != subtree.hash:
            self._report(f"tile {level}/{index}", f"hash {at} is not that of tile {subtree.index}, level {level - 1}")

    def _tile(self, level: int, index: int) -> bytes:
        """Empty when it is not there, or not as wide as the tree makes it; that is reported here."""
        width = tile_at(level, index, self._size).width
        content = self._rows.tile(self._tx, level, index)
        if content is None:
            self._report(f"tile {level}/{index}", "it is not there")
            return b""
        if len(content) != width * HASH_SIZE:
            self._report(f"tile {level}/{index}", f"it has {len(content)} bytes, {width} hashes have another length")
            return b""
        return content

    def _check_heads(
        self, checkpoints: Iterator[CheckpointRow], due: CheckpointRow | None, *, upto: int
    ) -> CheckpointRow | None:
        """Those of the size that the tree has now. Returns the next one."""
        while due is not None and due.head.size <= upto:
            self._check_checkpoint(due)
            due = next(checkpoints, None)
        return due

    def _check_checkpoint(self, row: CheckpointRow) -> None:
        place = f"checkpoint {row.head.size}"
        self._checkpoints += 1
        if row.head.root != self._tree.root():
            self._report(place, f"the tree has the root {self._tree.root().hex()}, it says {row.head.root.hex()}")
        if row.note is None:
            return
        try:
            signed = open_checkpoint(row.note + row.cosignatures, self._keys, origin=self._rows.origin).checkpoint
        except TlogError as error:
            self._report(place, f"its note does not verify with the log's keys: {error}")
            return
        if TreeHead(signed.size, signed.root) != row.head:
            self._report(place, f"its note is of size {signed.size} with the root {signed.root.hex()}")


def _is_plainly_of(row: EntryRow) -> bool:
    """Told without reading the JSON, which takes longer than everything else: its only "id" is the row's key."""
    return row.data.count(b'"id":') == 1 and f'"id":"{row.event_key}"'.encode() in row.data


def _identity_in(data: bytes) -> str | None:
    """The event key that an entry itself names; None for one that is not of a version that has one."""
    try:
        entry = json.loads(data)
    except (ValueError, RecursionError):
        return None
    identity = entry.get("id") if isinstance(entry, dict) else None
    return identity if isinstance(identity, str) else None
