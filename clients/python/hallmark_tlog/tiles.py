"""Where a log's files are and how wide they are for a tree size (C2SP tlog-tiles).

A tile holds up to 256 hashes of 32 bytes; an entry bundle holds up to 256 entries. Hash i of tile n at level l covers
leaves [(n * 256 + i) * 256^l, (n * 256 + i + 1) * 256^l). Only full tiles are hashed into the level above.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from hallmark_tlog.canonical import MAX_SIZE
from hallmark_tlog.errors import FormatError

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
MAX_LEVEL = 63
CHECKPOINT_PATH = "checkpoint"

_PATH = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)/(?P<index>(?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile, or one entry bundle when `level` is None. `width` is 1 to 256, in hashes or entries."""

    level: int | None
    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        if self.level is not None and not 0 <= self.level <= MAX_LEVEL:
            raise FormatError(f"tile levels are 0 to {MAX_LEVEL}, not {self.level}")
        if not 0 <= self.index <= MAX_SIZE // TILE_WIDTH or not 1 <= self.width <= TILE_WIDTH:
            raise FormatError(f"there is no tile with index {self.index} and width {self.width}")

    @property
    def is_full(self) -> bool:
        return self.width == TILE_WIDTH

    @property
    def path(self) -> str:
        """The path below the log's prefix: index 1234067 is `x001/x234/067`, a width below 256 adds `.p/<width>`."""
        rest, last = divmod(self.index, 1000)
        groups = [f"{last:03d}"]
        while rest:
            rest, group = divmod(rest, 1000)
            groups.append(f"x{group:03d}")
        level = "entries" if self.level is None else self.level
        partial = "" if self.is_full else f".p/{self.width}"
        return f"tile/{level}/{'/'.join(reversed(groups))}{partial}"

    @property
    def full(self) -> "Tile":
        """The full tile that a partial one becomes. A log may drop the partial one once this exists."""
        return Tile(self.level, self.index)


def parse_tile_path(path: str) -> Tile:
    """Read a tile or bundle path in its one canonical spelling. Raises FormatError."""
    match = _PATH.fullmatch(path)
    if not match:
        raise FormatError("this is not the path of a tile or an entry bundle")
    level = None if match["level"] == "entries" else int(match["level"])
    index = int(match["index"].replace("x", "").replace("/", ""))
    tile = Tile(level, index, int(match["width"]) if match["width"] else TILE_WIDTH)
    if tile.path != path:  # leading zero groups, or .p/256
        raise FormatError(f"the path of this tile is {tile.path}")
    return tile


def tile_at(level: int | None, index: int, size: int) -> Tile:
    """The tile or bundle at this place, as wide as a tree of `size` makes it. Raises FormatError if it is empty."""
    width = min(_hashes_at(level, size) - index * TILE_WIDTH, TILE_WIDTH)
    if width <= 0:
        raise FormatError(f"a tree of size {size} has no tile {index} at level {level}")
    return Tile(level, index, width)


def partial_tiles(size: int) -> tuple[Tile, ...]:
    """The partial bundle and tiles that a checkpoint of `size` needs: at level l, floor(size / 256^l) mod 256 wide."""
    tiles: list[Tile] = []
    for level in (None, *tile_levels(size)):
        index, width = divmod(_hashes_at(level, size), TILE_WIDTH)
        if width:
            tiles.append(Tile(level, index, width))
    return tuple(tiles)


def tiles_of(size: int) -> Iterator[Tile]:
    """Every tile of a tree of `size`, level by level from the leaves, without the entry bundles."""
    for level in tile_levels(size):
        for index in range(-(-_hashes_at(level, size) // TILE_WIDTH)):
            yield tile_at(level, index, size)


def tile_levels(size: int) -> range:
    """The levels at which a tree of `size` has a hash."""
    return range(-(-size.bit_length() // TILE_HEIGHT))


def _hashes_at(level: int | None, size: int) -> int:
    return size >> TILE_HEIGHT * (level or 0)
