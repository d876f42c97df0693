"""Our tiles and bundles are byte for byte those of Tessera, and so are the checkpoints' bodies."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hallmark_tlog.checkpoint import parse_checkpoint
from hallmark_tlog.fetch import folder_fetcher
from hallmark_tlog.note import parse_note
from hallmark_tlog.reader import entries
from hallmark_tlog.tiles import Tile, parse_tile_path, partial_tiles
from kms.log import store, tiles
from kms.log.rounds import sequencing
from support.log_world import LogWorld


@pytest.mark.parametrize(("name", "size"), [("tessera-600", 600), ("tessera-66000", 66_000)])
async def test_every_file_of_a_tessera_log(world: LogWorld, vectors: Path, name: str, size: int) -> None:
    folder = vectors / "tlog" / "tiles" / name
    published = list(entries(folder_fetcher(folder), size))
    checkpoints = [parse_checkpoint(parse_note(path.read_bytes()).text) for path in (folder / "checkpoints").iterdir()]

    roots = {checkpoint.size: checkpoint.root for checkpoint in checkpoints}

    def grow(tx: Connection) -> None:
        before = 0
        for stop in sorted(roots):
            rows = [{"key": str(number), "data": published[number]} for number in range(before, stop)]
            tx.execute(sa.text("INSERT INTO tlog_queue (event_key, data) VALUES (:key, :data)"), rows)
            while sequencing.sequence(tx, 10_000).event_keys:
                pass
            assert store.read_head(tx).root == roots[stop]
            before = stop

    await world.database.write(grow)
    wanted = [path.relative_to(folder).as_posix() for path in (folder / "tile").rglob("*") if path.is_file()]

    def compare(tx: Connection) -> None:
        fetch = tiles.fetch_rows(tx)
        for path in wanted:
            assert fetch(path) == (folder / path).read_bytes(), path

    await world.read(compare)
    sizes = sorted(roots)
    ours: set[Tile] = set()
    for before, after in zip([0, *sizes], sizes, strict=False):
        ours.update(tiles.due_tiles(before, [after]))
    # Tessera has published more sizes than the folder keeps checkpoints of: leave their partial tiles out.
    needed = {tile for after in sizes for tile in partial_tiles(after)}
    theirs = {tile for tile in map(parse_tile_path, wanted) if tile.is_full or tile in needed}
    assert theirs <= ours, "we publish every file that Tessera publishes"
