import asyncio
import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from kms.core.database import Database
from kms.log.fsck.files import PublishedFiles
from kms.log.fsck.fsck import Examined, Finding, fsck
from kms.log.keys import succession_store
from kms.log.keys.succession import Succession
from kms.public.below import below
from kms.public.files import FolderPublicFiles
from support.log_world import ORIGIN, LogWorld

SIZES = (3, 256, 260, 600)


class Examination:
    """A log of 600 entries and four checkpoints, stored and published; tests damage it and look at the findings."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder

    async def change(self, statement: str, **values: object) -> None:
        changed = await self.database.write(lambda tx: tx.execute(sa.text(statement), values).rowcount)
        assert changed > 0, "the statement meets no row"

    async def examine(self) -> tuple[list[Examined], list[Finding]]:
        findings: list[Finding] = []
        public = PublishedFiles(self.folder)
        examined = await self.database.read(lambda tx: fsck(tx, findings.append, public=public))
        return examined, findings

    async def places(self) -> list[str]:
        _, findings = await self.examine()
        assert {finding.log for finding in findings} <= {ORIGIN}
        return [finding.place for finding in findings]

    async def file(self, path: str) -> bytes:
        return (self.folder / path).read_bytes()

    def write(self, path: str, content: bytes) -> None:
        (self.folder / path).write_bytes(content)


async def _make(world: LogWorld) -> None:
    await world.open()
    await world.log.prepare()
    for size in SIZES:
        await world.act(size - len(world.recorded))
        await world.log.step()
    await world.close()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once; each test has a copy."""
    folder = tmp_path_factory.mktemp("fsck")
    asyncio.run(_make(LogWorld(folder, files=FolderPublicFiles(folder / "public"))))
    return folder


@pytest.fixture
def log(tmp_path: Path, template: Path) -> Iterator[Examination]:
    folder = tmp_path / "log"
    shutil.copytree(template, folder)
    database = Database(f"sqlite:///{folder / 'log.db'}")
    yield Examination(database, folder / "public")
    database.close()


async def test_on_postgresql(tmp_path: Path, postgresql_tables: str) -> None:
    await _make(LogWorld(tmp_path, files=FolderPublicFiles(tmp_path / "public"), url=postgresql_tables))
    database = Database(postgresql_tables)
    log = Examination(database, tmp_path / "public")
    assert await log.places() == []
    await log.change("UPDATE tlog_entry SET data = :data WHERE idx = 30", data=b"forged")
    await log.change("UPDATE tlog_checkpoint SET root = :root WHERE size = 3", root=bytes(32))
    assert await log.places() == ["entry 30", "checkpoint 3", "checkpoint 3", "tile/entries/000"]
    database.close()


async def test_a_sound_log_has_no_findings(log: Examination) -> None:
    told: list[tuple[int, int]] = []
    examined = await log.database.read(
        lambda tx: fsck(tx, pytest.fail, public=PublishedFiles(log.folder), progress=lambda *at: told.append(at))
    )
    (report,) = examined
    assert (report.origin, report.entries, report.tiles, report.published) == (ORIGIN, 600, 4, 600)
    assert report.checkpoints == len(SIZES)
    assert report.files >= 7
    assert told == [(256, 600), (512, 600), (600, 600)]


async def test_without_public_files(log: Examination) -> None:
    (report,) = await log.database.read(lambda tx: fsck(tx, pytest.fail))
    assert (report.files, report.published) == (0, None)


async def test_a_log_that_has_just_begun(tmp_path: Path) -> None:
    world = LogWorld(tmp_path)
    await world.open()
    assert await world.read(lambda tx: fsck(tx, pytest.fail)) == []
    await world.log.prepare()
    (report,) = await world.read(lambda tx: fsck(tx, pytest.fail))
    assert report.entries == 0
    await world.close()


async def test_an_entry_whose_bytes_were_altered(log: Examination) -> None:
    await log.change("UPDATE tlog_entry SET data = :data WHERE idx = 300", data=b"forged")
    _, findings = await log.examine()
    assert [finding.place for finding in findings] == ["entry 300", "tile/entries/001"]
    assert "do not hash to the leaf hash of its row and its tile" in findings[0].problem


async def test_a_leaf_hash_that_was_altered(log: Examination) -> None:
    await log.change("UPDATE tlog_entry SET leaf_hash = :leaf WHERE idx = 5", leaf=bytes(32))
    assert await log.places() == ["entry 5"]


async def test_an_entry_and_its_leaf_hash_altered_together(log: Examination) -> None:
    """The tile still has the old leaf, but two copies against one are believed: the root then says the rest."""
    from hallmark_tlog.merkle import leaf_hash

    forged = b"forged"
    await log.change(
        "UPDATE tlog_entry SET data = :data, leaf_hash = :leaf WHERE idx = 0", data=forged, leaf=leaf_hash(forged)
    )
    places = await log.places()
    assert places[0] == "tile 0/0"
    assert {"state", "tile 1/0", "checkpoint 3", "checkpoint 600"} <= set(places)


async def test_an_entry_that_is_gone(log: Examination) -> None:
    await log.change("DELETE FROM tlog_entry WHERE idx = 17")
    assert await log.places() == ["entry 17"]


async def test_entries_behind_the_end(log: Examination) -> None:
    await log.change(
        "INSERT INTO tlog_entry (idx, leaf_hash, event_key, data) VALUES (601, :leaf, 'extra', :data)",
        leaf=bytes(32),
        data=b"x",
    )
    assert await log.places() == ["entry 601"]


async def test_an_entry_under_another_key(log: Examination) -> None:
    await log.change("UPDATE tlog_entry SET event_key = 'another' WHERE idx = 7")
    _, (finding,) = await log.examine()
    assert (finding.place, "its row's key another" in finding.problem) == ("entry 7", True)


@pytest.mark.parametrize(("level", "index"), [(0, 0), (0, 2), (1, 0)])
async def test_a_tile_hash_that_was_altered(log: Examination, level: int, index: int) -> None:
    tile = await log.database.read(
        lambda tx: tx.execute(
            sa.text("SELECT hashes FROM tlog_tile WHERE level = :level AND idx = :index"),
            {"level": level, "index": index},
        ).scalar_one()
    )
    await log.change(
        "UPDATE tlog_tile SET hashes = :hashes WHERE level = :level AND idx = :index",
        hashes=bytes([tile[0] ^ 1]) + bytes(tile[1:]),
        level=level,
        index=index,
    )
    places = await log.places()
    assert places[0] == f"tile {level}/{index}"
    assert all(place.startswith("tile/") for place in places[1:])  # and its files


async def test_tiles_that_are_gone_too_short_or_too_many(log: Examination) -> None:
    await log.change("DELETE FROM tlog_tile WHERE level = 1")
    await log.change("UPDATE tlog_tile SET hashes = :hashes WHERE level = 0 AND idx = 1", hashes=bytes(32))
    await log.change("INSERT INTO tlog_tile (level, idx, hashes) VALUES (0, 9, :hashes)", hashes=bytes(32))
    places = await log.places()
    assert {"tile 1/0", "tile 0/1", "tiles of level 0"} <= set(places)


async def test_a_state_with_another_root(log: Examination) -> None:
    await log.change("UPDATE tlog_state SET root = :root", root=bytes(32))
    assert await log.places() == ["state"]


@pytest.mark.parametrize("size", SIZES[:-1])
async def test_a_checkpoint_row_with_another_root(log: Examination, size: int) -> None:
    await log.change("UPDATE tlog_checkpoint SET root = :root WHERE size = :size", root=bytes(32), size=size)
    _, findings = await log.examine()
    assert {finding.place for finding in findings} == {f"checkpoint {size}"}
    assert len(findings) == 2  # the root, and the note that says another


async def test_a_note_that_does_not_verify_or_is_of_another_size(log: Examination) -> None:
    note = await log.file("checkpoint")
    await log.change("UPDATE tlog_checkpoint SET note = :note WHERE size = 3", note=b"?")
    await log.change("UPDATE tlog_checkpoint SET note = :note WHERE size = 260", note=note)
    _, findings = await log.examine()
    assert [finding.place for finding in findings] == ["checkpoint 3", "checkpoint 260"]
    assert "its note is of size 600" in findings[1].problem


async def test_a_checkpoint_of_a_size_that_is_not_reached(log: Examination) -> None:
    await log.change("INSERT INTO tlog_checkpoint (size, root) VALUES (700, :root)", root=bytes(32))
    assert await log.places() == ["checkpoint 700"]


async def test_an_event_that_is_queued_and_sequenced(log: Examination) -> None:
    key = await log.database.read(lambda tx: tx.execute(sa.text("SELECT event_key FROM tlog_entry")).scalars().first())
    await log.change("INSERT INTO tlog_queue (event_key, data) VALUES (:key, :data)", key=key, data=b"x")
    assert await log.places() == [f"queue {key}"]


@pytest.mark.parametrize("path", ["tile/entries/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2"])
async def test_a_published_file_that_was_altered_or_is_gone(log: Examination, path: str) -> None:
    content = await log.file(path)
    log.write(path, content[:-1] + bytes([content[-1] ^ 1]))
    assert await log.places() == [path]
    log.write(path, content + b"x")
    assert await log.places() == [path]
    (log.folder / path).unlink()
    assert await log.places() == [path]


async def test_a_partial_file_of_an_earlier_checkpoint_is_compared(log: Examination) -> None:
    path = "tile/0/001.p/4"
    log.write(path, bytes(4 * 32))
    assert await log.places() == [path]
    (log.folder / path).unlink()  # the full tile is there: a partial one may go
    assert await log.places() == []


async def test_a_published_checkpoint_that_is_ahead_altered_or_gone(log: Examination) -> None:
    note = await log.file("checkpoint")
    log.write("checkpoint", note.replace(b"\n600\n", b"\n601\n"))
    _, (finding,) = await log.examine()
    assert (finding.place, "does not verify" in finding.problem) == ("checkpoint", True)
    (log.folder / "checkpoint").unlink()
    _, (finding,) = await log.examine()
    assert (finding.place, "none is published" in finding.problem) == ("checkpoint", True)


async def test_a_database_that_is_older_than_what_was_published(log: Examination) -> None:
    """A restored backup, made by hand: the rows of size 260 under the files of size 600."""
    root = await log.database.read(
        lambda tx: tx.execute(sa.text("SELECT root FROM tlog_checkpoint WHERE size = 260")).scalar_one()
    )
    tiles = await log.database.read(
        lambda tx: dict(tx.execute(sa.text("SELECT idx, hashes FROM tlog_tile WHERE level = 0")).all())
    )
    upper = await log.database.read(
        lambda tx: tx.execute(sa.text("SELECT hashes FROM tlog_tile WHERE level = 1")).scalar_one()
    )
    await log.change("DELETE FROM tlog_entry WHERE idx >= 260")
    await log.change("DELETE FROM tlog_checkpoint WHERE size > 260")
    await log.change("DELETE FROM tlog_tile WHERE level = 0 AND idx = 2")
    await log.change(
        "UPDATE tlog_tile SET hashes = :hashes WHERE level = 0 AND idx = 1", hashes=bytes(tiles[1][: 4 * 32])
    )
    await log.change("UPDATE tlog_tile SET hashes = :hashes WHERE level = 1", hashes=bytes(upper[:32]))
    await log.change("UPDATE tlog_state SET size = 260, root = :root", root=bytes(root))
    _, (finding,) = await log.examine()
    assert (finding.place, "the database has 260" in finding.problem) == ("checkpoint", True)


async def test_verifier_keys_that_the_log_never_had(log: Examination) -> None:
    log.write("verifier-keys", b"log.example/hallmark+00000000+AQ==\n")
    assert await log.places() == ["verifier-keys"]


async def test_closed_logs_are_examined_too(tmp_path: Path) -> None:
    """The old log lies in the public folder itself, its successor below a prefix."""
    files = FolderPublicFiles(tmp_path / "public")
    world = LogWorld(tmp_path, files=files)
    await world.open()
    await world.log.prepare()
    await world.act(5)
    await world.log.step()
    await Succession(world.database, world.provider, world.log, world.clock).run("log.example/next")
    await world.close()
    world.settings = dataclasses.replace(world.settings, origin="log.example/next")
    await world.open()
    prefix = await world.read(succession_store.stored_prefix)
    world.log = world.on_same_data(below(files, prefix))
    await world.log.prepare()
    await world.log.step()
    log = Examination(world.database, tmp_path / "public")
    examined, findings = await log.examine()
    assert (findings, [each.origin for each in examined]) == ([], [ORIGIN, "log.example/next"])
    assert [each.published for each in examined] == [each.entries for each in examined]
    await log.change("UPDATE tlog_closed_entry SET data = :data WHERE idx = 2", data=b"forged")
    (log.folder / prefix / "checkpoint").unlink()
    _, findings = await log.examine()
    assert [(finding.log, finding.place) for finding in findings] == [
        (ORIGIN, "entry 2"),
        (ORIGIN, "tile/entries/000.p/6"),
        (ORIGIN, "tile/entries/000.p/5"),
        ("log.example/next", f"{prefix}checkpoint"),
    ]
    await world.close()
