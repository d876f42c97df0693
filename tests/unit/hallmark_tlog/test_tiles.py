import pytest

from hallmark_tlog.errors import FormatError
from hallmark_tlog.tiles import Tile, parse_tile_path, partial_tiles, tile_at, tile_levels, tiles_of


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 5), "tile/0/005"),
        (Tile(0, 1_234_067), "tile/0/x001/x234/067"),
        (Tile(1, 1000), "tile/1/x001/000"),
        (Tile(63, 0, 1), "tile/63/000.p/1"),
        (Tile(None, 999, 255), "tile/entries/999.p/255"),
        (Tile(None, 2**55 - 1), "tile/entries/x036/x028/x797/x018/x963/967"),
    ],
)
def test_paths(tile: Tile, path: str) -> None:
    assert tile.path == path
    assert parse_tile_path(path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "checkpoint",
        "tile/0/5",
        "tile/0/0005",
        "tile/00/005",
        "tile/64/005",
        "tile/-1/005",
        "tile/0/x000/005",
        "tile/0/001/005",
        "tile/0/x001/x005",
        "tile/0/005.p/0",
        "tile/0/005.p/256",
        "tile/0/005.p/01",
        "tile/0/005.p/",
        "tile/0/005.p",
        "tile/0/005/",
        "/tile/0/005",
        "tile/0/../005",
        "tile/data/005",
        "tile/entries/٠٠٥",
        "tile/0/005\n",
        "tile/0/x036/x028/x797/x018/x963/968",
        "tile/0/x999/x999/x999/x999/x999/x999/999",
    ],
)
def test_other_paths_are_refused(path: str) -> None:
    with pytest.raises(FormatError):
        parse_tile_path(path)


@pytest.mark.parametrize(
    ("level", "index", "width"), [(64, 0, 1), (-1, 0, 1), (0, -1, 1), (0, 2**55, 1), (0, 0, 0), (0, 0, 257)]
)
def test_impossible_tiles(level: int, index: int, width: int) -> None:
    with pytest.raises(FormatError):
        Tile(level, index, width)


def test_a_tree_of_70000() -> None:
    """The worked example of tlog-tiles, "Partial Tiles"."""
    tiles = list(tiles_of(70_000))
    assert sum(tile.level == 0 and tile.is_full for tile in tiles) == 273
    assert sum(tile.level == 1 and tile.is_full for tile in tiles) == 1
    assert partial_tiles(70_000) == (Tile(None, 273, 112), Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1))
    assert len(tiles) == 273 + 1 + 3


@pytest.mark.parametrize(
    ("size", "partial"),
    [
        (0, []),
        (1, ["tile/entries/000.p/1", "tile/0/000.p/1"]),
        (255, ["tile/entries/000.p/255", "tile/0/000.p/255"]),
        (256, ["tile/1/000.p/1"]),
        (257, ["tile/entries/001.p/1", "tile/0/001.p/1", "tile/1/000.p/1"]),
        (65_536, ["tile/2/000.p/1"]),
    ],
)
def test_partial_tiles(size: int, partial: list[str]) -> None:
    assert [tile.path for tile in partial_tiles(size)] == partial


def test_levels_and_places() -> None:
    assert [len(tile_levels(size)) for size in (0, 1, 255, 256, 65_535, 65_536, 2**63 - 1)] == [0, 1, 1, 2, 2, 3, 8]
    assert tile_at(None, 273, 70_000) == Tile(None, 273, 112)
    assert tile_at(0, 3, 70_000).is_full
    assert tile_at(0, 273, 70_000).full == Tile(0, 273)
    for level, index, size in ((0, 0, 0), (0, 274, 70_000), (3, 0, 70_000), (0, -1, 70_000)):
        with pytest.raises(FormatError):
            tile_at(level, index, size)
