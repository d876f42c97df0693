"""Hashes and entries of one tree size, read from a log's files.

What a log serves is checked for its shape here and for nothing else: whoever uses these hashes verifies the proof
built from them, or the whole tree (`audit`), against a signed root.
"""

from collections import OrderedDict
from collections.abc import Iterator

from hallmark_tlog.bundles import parse_bundle
from hallmark_tlog.canonical import HASH_SIZE
from hallmark_tlog.errors import FormatError, MissingResource, TamperedError
from hallmark_tlog.fetch import Fetch
from hallmark_tlog.merkle import pair_up
from hallmark_tlog.tiles import MAX_LEVEL, TILE_HEIGHT, TILE_WIDTH, Tile, tile_at

_Pyramid = list[list[bytes]]
"""The hashes of a tile and of the complete subtrees inside it: list r has those over 2^r hashes of the tile."""


class TileCache:
    """The last `max_tiles` tiles that were read (about 35 kB each). Tiles never change, so readers can share it.

    Not thread-safe.
    """

    def __init__(self, max_tiles: int = 256) -> None:
        self._max_tiles = max_tiles
        self._pyramids: OrderedDict[Tile, _Pyramid] = OrderedDict()

    def get(self, tile: Tile) -> _Pyramid | None:
        pyramid = self._pyramids.get(tile)
        if pyramid is not None:
            self._pyramids.move_to_end(tile)
        return pyramid

    def put(self, tile: Tile, pyramid: _Pyramid) -> None:
        self._pyramids[tile] = pyramid
        if len(self._pyramids) > self._max_tiles:
            self._pyramids.popitem(last=False)


class TileReader:
    """Reads subtree hashes of a tree of `size` from its tiles. `read_hash` is a `merkle.ReadHash`. Not thread-safe."""

    def __init__(self, fetch: Fetch, size: int, cache: TileCache | None = None) -> None:
        self._fetch = fetch
        self._size = size
        self._cache = TileCache() if cache is None else cache

    def read_hash(self, level: int, index: int) -> bytes:
        """Hash of the complete subtree over leaves [index * 2^level, (index + 1) * 2^level).

        Raises FormatError if the tree has no such subtree, TamperedError for a tile of the wrong length, and what
        `fetch` raises.
        """
        if not 0 <= level <= MAX_LEVEL or index < 0 or (index + 1) << level > self._size:
            raise FormatError(f"a tree of size {self._size} has no complete subtree {index} at level {level}")
        tile_level, height = divmod(level, TILE_HEIGHT)
        tile_index, offset = divmod(index << height, TILE_WIDTH)
        return self._pyramid(tile_at(tile_level, tile_index, self._size))[height][offset >> height]

    def hashes(self, level: int, index: int) -> list[bytes]:
        """All hashes of one tile, as many as the tree's size gives it."""
        return self._pyramid(tile_at(level, index, self._size))[0]

    def _pyramid(self, tile: Tile) -> _Pyramid:
        pyramid = self._cache.get(tile)
        if pyramid is None:
            data = read_tile(self._fetch, tile)
            pyramid = [[data[at : at + HASH_SIZE] for at in range(0, len(data), HASH_SIZE)]]
            while len(pyramid) < TILE_HEIGHT:
                pyramid.append(pair_up(pyramid[-1]))
            self._cache.put(tile, pyramid)
        return pyramid


def read_tile(fetch: Fetch, tile: Tile) -> bytes:
    """The hashes of one tile behind each other, 32 bytes each. Raises TamperedError for a tile of the wrong length."""
    data, found = _fetch_or_full(fetch, tile)
    if len(data) != found.width * HASH_SIZE:
        raise TamperedError(found.path, f"has {len(data)} bytes, a tile of {found.width} hashes has another length")
    return data[: tile.width * HASH_SIZE]


def read_bundle(fetch: Fetch, index: int, size: int) -> list[bytes]:
    """The entries of bundle `index` in a tree of `size`. Raises TamperedError for a malformed bundle."""
    bundle = tile_at(None, index, size)
    data, found = _fetch_or_full(fetch, bundle)
    try:
        return parse_bundle(data, found.width)[: bundle.width]
    except FormatError as error:
        raise TamperedError(found.path, str(error)) from error


def entries(fetch: Fetch, size: int, start: int = 0) -> Iterator[bytes]:
    """The entries from index `start` to the end of a tree of `size`, as served: an audit says if they are the log's."""
    for index in range(start // TILE_WIDTH, -(-size // TILE_WIDTH)):
        yield from read_bundle(fetch, index, size)[max(start - index * TILE_WIDTH, 0) :]


def _fetch_or_full(fetch: Fetch, tile: Tile) -> tuple[bytes, Tile]:
    # tlog-tiles, "Partial Tiles": a log may delete a partial tile once the full one exists.
    try:
        return fetch(tile.path), tile
    except MissingResource as missing:
        if tile.is_full:
            raise
        try:
            return fetch(tile.full.path), tile.full
        except MissingResource:
            raise missing from None
