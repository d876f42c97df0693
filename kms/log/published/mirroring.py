"""Copies a log that somebody else serves. Nothing is written that was not verified against a signed checkpoint first.

Verified on the way down (RFC 6962, section 2.1): the root is signed; the partial tiles, one for each level, make the
root; each of their hashes is that of a full tile one level below, and so on to the entries. So every file can be judged
alone, before it is written, and a copy that was interrupted goes on: what it has is read again and judged too.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Final

from hallmark_tlog.acceptance import Accept
from hallmark_tlog.bundles import format_bundle, parse_bundle
from hallmark_tlog.canonical import HASH_SIZE
from hallmark_tlog.checkpoint import Checkpoint
from hallmark_tlog.consistency import check_extends
from hallmark_tlog.errors import FormatError, TamperedError
from hallmark_tlog.fetch import Fetch
from hallmark_tlog.merkle import leaf_hash, pair_up
from hallmark_tlog.prove import root_at
from hallmark_tlog.reader import TileReader, read_bundle, read_tile
from hallmark_tlog.tiles import CHECKPOINT_PATH, TILE_HEIGHT, TILE_WIDTH, Tile, partial_tiles, tile_levels
from kms.public.files import PublicFile, PublicFiles

Progress = Callable[[int, int], None]
"""`progress(done, size)`: entries that are copied, and how many there are."""
_AT_ONCE: Final = 64
_TILES_KEPT: Final = 256


@dataclass(frozen=True, slots=True)
class MirrorReport:
    """What the copy shows now: `files_written` of it are new, the tree of `size_before` was there already."""

    checkpoint: Checkpoint
    size_before: int
    files_written: int


class VerifiedTiles:
    """The tiles of a signed tree. Not thread-safe."""

    def __init__(self, fetch: Fetch, signed: Checkpoint) -> None:
        """Reads the right edge. Raises TamperedError when it does not make the signed root, and what `fetch` raises."""
        self.read_hash = TileReader(fetch, signed.size).read_hash
        edge = TileReader(fetch, signed.size)
        if root_at(signed.size, edge.read_hash) != signed.root:
            raise TamperedError(CHECKPOINT_PATH, "the tiles at the edge of the tree do not make the signed root")
        self._fetch = fetch
        self._known: OrderedDict[Tile, list[bytes]] = OrderedDict()
        self._edge = {
            (tile.level, tile.index): edge.hashes(tile.level, tile.index)
            for tile in partial_tiles(signed.size)
            if tile.level is not None
        }

    def check(self, tile: Tile, content: bytes) -> None:
        """The content is that of this tile or bundle in the signed tree. Raises TamperedError."""
        if tile.level is None:
            self._check_bundle(tile, content)
            return
        hashes = [content[at : at + HASH_SIZE] for at in range(0, len(content), HASH_SIZE)]
        if len(content) != tile.width * HASH_SIZE:
            raise TamperedError(tile.path, f"has {len(content)} bytes, {tile.width} hashes have another length")
        if not tile.is_full:
            if hashes != self._edge[tile.level, tile.index]:
                raise TamperedError(tile.path, "is not the edge of the signed tree")
            return
        if _subtree_hash(hashes) != self.hashes(tile.level + 1, tile.index // TILE_WIDTH)[tile.index % TILE_WIDTH]:
            raise TamperedError(tile.path, "does not lead to the signed root")
        self._known[tile] = hashes
        if len(self._known) > _TILES_KEPT:
            self._known.popitem(last=False)

    def hashes(self, level: int, index: int) -> list[bytes]:
        """Of a tile, verified. Raises TamperedError, and what `fetch` raises."""
        if (level, index) in self._edge:
            return self._edge[level, index]
        tile = Tile(level, index)
        if tile not in self._known:
            self.check(tile, read_tile(self._fetch, tile))
        return self._known[tile]

    def _check_bundle(self, bundle: Tile, content: bytes) -> None:
        try:
            entries = parse_bundle(content, bundle.width)
        except FormatError as error:
            raise TamperedError(bundle.path, str(error)) from error
        if [leaf_hash(entry) for entry in entries] != self.hashes(0, bundle.index)[: bundle.width]:
            raise TamperedError(bundle.path, "an entry does not hash to its leaf: one was altered")


class Mirror:
    """Copies from a source that is not trusted to a place of our own."""

    def __init__(
        self, fetch: Fetch, target: PublicFiles, *, accept: Accept, connections: int, progress: Progress | None = None
    ) -> None:
        """`connections`: files that are fetched side by side, 1 to 64."""
        self._fetch = fetch
        self._target = target
        self._accept = accept
        self._connections = asyncio.Semaphore(connections)
        self._progress = progress
        self._names: tuple[str, frozenset[str]] = ("", frozenset())
        self._written = 0

    async def run(self) -> MirrorReport:
        """Raises PublicFilesError, and of hallmark_tlog what an audit raises: RollbackError and ForkError compare the
        source with the copy.

        A copy whose own checkpoint is not accepted is refused: it is of another log.
        """
        note = await asyncio.to_thread(self._fetch, CHECKPOINT_PATH)
        signed = self._accept(note).checkpoint
        tiles = await asyncio.to_thread(VerifiedTiles, self._fetch, signed)
        there = await self._target.read(CHECKPOINT_PATH)
        before = None if there is None else self._accept(there).checkpoint
        if before is not None:
            await asyncio.to_thread(check_extends, before, signed, tiles.read_hash)
        size_before = before.size if before is not None else 0
        due = _top_down(size_before, signed.size)
        while batch := list(islice(due, _AT_ONCE)):
            await self._copy(batch, tiles, signed.size)
        await self._target.replace(
            PublicFile(CHECKPOINT_PATH, note), unless=lambda now: self._accept(now).checkpoint.size > signed.size
        )
        return MirrorReport(signed, size_before, self._written)

    async def _copy(self, batch: list[Tile], tiles: VerifiedTiles, size: int) -> None:
        is_there = [await self._is_there(tile.path) for tile in batch]
        contents = await asyncio.gather(
            *(
                self._read_again(tile, size) if known else self._fetch_one(tile, size)
                for tile, known in zip(batch, is_there, strict=True)
            )
        )
        await asyncio.to_thread(_check_all, tiles, batch, contents)
        new = [
            PublicFile(tile.path, content)
            for tile, content, known in zip(batch, contents, is_there, strict=True)
            if not known
        ]
        await self._target.add(new)
        self._written += len(new)
        if self._progress is not None and (bundles := [tile for tile in batch if tile.level is None]):
            self._progress(bundles[-1].index * TILE_WIDTH + bundles[-1].width, size)

    async def _read_again(self, tile: Tile, size: int) -> bytes:
        content = await self._target.read(tile.path)
        return await self._fetch_one(tile, size) if content is None else content

    async def _fetch_one(self, tile: Tile, size: int) -> bytes:
        async with self._connections:
            if tile.level is not None:
                return await asyncio.to_thread(read_tile, self._fetch, tile)
            return format_bundle(await asyncio.to_thread(partial(read_bundle, self._fetch, tile.index, size)))

    async def _is_there(self, path: str) -> bool:
        folder, _, name = path.rpartition("/")
        if self._names[0] != folder:
            self._names = folder, frozenset(await self._target.names(folder))
        return name in self._names[1]


def _top_down(before: int, size: int) -> Iterator[Tile]:
    """What the tree of `size` has and that of `before` has not: tiles before those below them, entries last."""
    for level in (*reversed(tile_levels(size)), None):
        shift = TILE_HEIGHT * (level or 0) + TILE_HEIGHT
        for index in range(before >> shift, size >> shift):
            yield Tile(level, index)
        yield from (tile for tile in partial_tiles(size) if tile.level == level and size > before)


def _check_all(tiles: VerifiedTiles, batch: list[Tile], contents: list[bytes]) -> None:
    for tile, content in zip(batch, contents, strict=True):
        tiles.check(tile, content)


def _subtree_hash(hashes: list[bytes]) -> bytes:
    while len(hashes) > 1:
        hashes = pair_up(hashes)
    return hashes[0]
