"""Tiles between the database and the public files: growing them, reading them, and which files a checkpoint needs."""

from collections.abc import Iterator, Sequence

from sqlalchemy.engine import Connection

from hallmark_tlog.bundles import format_bundle
from hallmark_tlog.canonical import HASH_SIZE
from hallmark_tlog.compact import Subtree
from hallmark_tlog.errors import MissingResource
from hallmark_tlog.fetch import Fetch
from hallmark_tlog.reader import TileReader
from hallmark_tlog.tiles import TILE_HEIGHT, TILE_WIDTH, Tile, parse_tile_path, partial_tiles, tile_levels
from kms.log import store
from kms.log.errors import LogDamaged


def append_hashes(tx: Connection, size: int, leaf_hashes: Sequence[bytes], completed: Sequence[Subtree]) -> None:
    """Grows the tiles of a tree of `size` by new leaves and by the subtrees of 256^l leaves they completed.

    `completed` is what `CompactRange.extend` returned for these leaves. Raises LogDamaged when a tile that must be
    there is not, or is not as wide as the tree says.
    """
    grown: dict[tuple[int, int], list[bytes]] = {}
    for position, leaf in enumerate(leaf_hashes, size):
        grown.setdefault((0, position // TILE_WIDTH), []).append(leaf)
    for subtree in completed:
        place = (subtree.level // TILE_HEIGHT, subtree.index // TILE_WIDTH)
        grown.setdefault(place, []).append(subtree.hash)
    new: dict[tuple[int, int], bytes] = {}
    for (level, index), hashes in grown.items():
        width = (size >> TILE_HEIGHT * level) - index * TILE_WIDTH
        if width <= 0:
            new[level, index] = b"".join(hashes)
            continue
        before = store.read_tile(tx, level, index)
        if before is None or len(before) != width * HASH_SIZE:
            raise LogDamaged(f"tile {index} of level {level} is not {width} hashes wide")
        store.grow_tile(tx, level, index, before + b"".join(hashes))
    if new:
        store.insert_tiles(tx, new)


def fetch_rows(tx: Connection) -> Fetch:
    """The log's tiles and bundles by their public paths, from the rows: the same shape as reading published files."""

    def fetch(path: str) -> bytes:
        tile = parse_tile_path(path)
        content = _bundle(tx, tile) if tile.level is None else store.read_tile(tx, tile.level, tile.index)
        if content is None:
            raise MissingResource(path)
        return content if tile.level is None else content[: tile.width * HASH_SIZE]

    return fetch


def reader(tx: Connection, size: int) -> TileReader:
    """Subtree hashes of the tree of `size`, for proofs and roots. For one transaction."""
    return TileReader(fetch_rows(tx), size)


def due_tiles(published: int, sizes: Sequence[int]) -> Iterator[Tile]:
    """What has to be published so that the checkpoints of `sizes` (rising) can be, after one of size `published`.

    Full ones first, then the partial ones of every size (tlog-tiles: they must exist for each checkpoint), except
    where the full one is among the first.
    """
    size = sizes[-1]
    for level in (None, *tile_levels(size)):
        shift = TILE_HEIGHT * (level or 0) + TILE_HEIGHT
        for index in range(published >> shift, size >> shift):
            yield Tile(level, index)
    for partial_size in sizes:
        for tile in partial_tiles(partial_size):
            if tile.index >= size >> (TILE_HEIGHT * (tile.level or 0) + TILE_HEIGHT):
                yield tile


def _bundle(tx: Connection, tile: Tile) -> bytes | None:
    start = tile.index * TILE_WIDTH
    entries = store.read_entries(tx, start, start + tile.width)
    return format_bundle([entry.data for entry in entries]) if len(entries) == tile.width else None
