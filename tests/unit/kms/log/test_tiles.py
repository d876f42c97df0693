import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import Connection

from hallmark_tlog.bundles import parse_bundle
from hallmark_tlog.errors import MissingResource
from hallmark_tlog.merkle import leaf_hash, root_from_leaves
from hallmark_tlog.prove import root_at
from hallmark_tlog.tiles import Tile, partial_tiles, tile_at, tiles_of
from kms.log import store, tiles
from kms.log.errors import LogDamaged
from kms.log.rounds import sequencing
from support.log_world import LogWorld


def grow(tx: Connection, count: int, *, batch: int) -> list[bytes]:
    start = store.entry_count(tx)
    entries = [f"entry {number}".encode() for number in range(start, start + count)]
    for number, entry in enumerate(entries, start):
        store.enqueue(tx, [(str(number), entry)])
    while sequencing.sequence(tx, batch).event_keys:
        pass
    return entries


@pytest.mark.parametrize("batch", [7, 255, 256, 257, 600])
async def test_rows_hold_the_same_tree_however_it_grew(world: LogWorld, batch: int) -> None:
    entries = await world.database.write(lambda tx: grow(tx, 600, batch=batch))
    leaves = [leaf_hash(entry) for entry in entries]

    def check(tx: Connection) -> None:
        fetch = tiles.fetch_rows(tx)
        assert fetch("tile/0/001") == b"".join(leaves[256:512])
        assert fetch("tile/0/002.p/88") == b"".join(leaves[512:])
        assert fetch("tile/0/002.p/3") == b"".join(leaves[512:515]), "what an older, smaller checkpoint needs"
        assert fetch("tile/1/000.p/2") == root_from_leaves(leaves[:256]) + root_from_leaves(leaves[256:512])
        assert parse_bundle(fetch("tile/entries/002.p/88"), 88) == entries[512:]
        for size in (1, 255, 256, 257, 511, 512, 513, 600):
            assert root_at(size, tiles.reader(tx, size).read_hash) == root_from_leaves(leaves[:size])
        for missing in ("tile/0/003", "tile/2/000.p/1", "tile/entries/002.p/89", "tile/entries/003"):
            with pytest.raises(MissingResource):
                fetch(missing)

    await world.read(check)


async def test_a_tile_that_is_not_as_wide_as_the_tree_says_is_damage(world: LogWorld) -> None:
    await world.database.write(lambda tx: grow(tx, 300, batch=300))
    await world.database.write(lambda tx: store.grow_tile(tx, 0, 1, b"x" * 32 * 43))
    with pytest.raises(LogDamaged, match="tile 1 of level 0"):
        await world.database.write(lambda tx: tiles.append_hashes(tx, 300, [b"y" * 32], []))


def expected(published: int, sizes: list[int]) -> set[Tile]:
    """From the definition: full tiles of the last size that the published one had not; partial ones not full since."""

    def all_of(size: int) -> set[Tile]:
        bundles = {tile_at(None, index, size) for index in range(-(-size // 256))}
        return set(tiles_of(size)) | bundles

    full = {tile for tile in all_of(sizes[-1]) if tile.is_full} - {tile for tile in all_of(published) if tile.is_full}
    partial = {tile for size in sizes for tile in partial_tiles(size) if tile.full not in all_of(sizes[-1])}
    return full | partial


@given(
    published=st.integers(0, 140_000),
    steps=st.lists(st.integers(1, 1000) | st.integers(1, 70_000), min_size=1, max_size=3),
)
def test_due_tiles_are_those_of_the_definition(published: int, steps: list[int]) -> None:
    sizes = [published + sum(steps[: number + 1]) for number in range(len(steps))]
    due = list(tiles.due_tiles(published, sizes))
    assert set(due) == expected(published, sizes)
    assert [tile.is_full for tile in due] == sorted((tile.is_full for tile in due), reverse=True), "full ones first"


def test_nothing_is_due_for_the_empty_tree() -> None:
    assert list(tiles.due_tiles(0, [0])) == []
