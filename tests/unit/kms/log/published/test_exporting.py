"""The copy of the public files: it follows, it is always whole, and it remembers."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from hallmark_tlog.audit import audit
from hallmark_tlog.checkpoint import parse_checkpoint
from hallmark_tlog.note import parse_note
from kms.log.errors import LogForked, LogFrozen, LogRolledBack
from kms.log.published.exporting import Exporter, ExportLag
from kms.log.published.history import CheckpointHistory
from kms.public.below import below
from kms.public.errors import PublicFilesUnavailable
from kms.public.files import PublicFile, PublicFiles
from kms.public.object_store import ObjectStorePublicFiles
from support.log_world import ORIGIN, LogWorld
from support.public_files import FailingPublicFiles, MemoryPublicFiles

MANIFEST = "status/default/manifest.json"


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def exporter_of(world: LogWorld, target: PublicFiles, time: Time | None = None) -> Exporter:
    return Exporter(
        world.files,
        target,
        place="s3://logs/a",
        origin=ORIGIN,
        published=lambda: world.log.published,
        check=world.log.check_shown,
        monotonic=time or Time(),
    )


async def grow(world: LogWorld, *counts: int) -> None:
    for count in counts:
        await world.act(count)
        await world.log.step()


def check_copy(world: LogWorld, copy: MemoryPublicFiles, *, size: int) -> None:
    report = audit(copy.fetch, world.audited.verifier_keys(), origin=ORIGIN)
    assert report.checkpoint.size == report.entries_verified == size
    assert {path: world.audited.contents[path] for path in copy.contents} == copy.contents, "byte for byte"


async def test_the_copy_follows(world: LogWorld) -> None:
    copy = MemoryPublicFiles()
    exporter = exporter_of(world, copy)
    await exporter.round()
    assert copy.contents == {}, "nothing is published"
    for count, size in ((3, 3), (300, 303), (1, 304), (512, 816)):
        await grow(world, count)
        await exporter.round()
        check_copy(world, copy, size=size)
    assert exporter.lag == ExportLag(0, 0.0)


async def test_a_new_signature_of_the_same_tree_follows_too(world: LogWorld) -> None:
    copy = MemoryPublicFiles()
    exporter = exporter_of(world, copy)
    await grow(world, 3)
    await exporter.round()
    world.clock.advance(10_000)
    await world.log.step()
    assert copy.contents["checkpoint"] != world.audited.contents["checkpoint"]
    await exporter.round()
    check_copy(world, copy, size=3)


async def test_another_life_goes_on_where_the_copy_is(world: LogWorld) -> None:
    class Counting(MemoryPublicFiles):
        adds = 0

        async def add(self, files: list[PublicFile]) -> None:
            self.adds += len(files)
            await super().add(files)

    copy = Counting()
    await grow(world, 600)
    await exporter_of(world, copy).round()
    copy.adds = 0
    await grow(world, 1)
    await exporter_of(world, copy).round()
    check_copy(world, copy, size=601)
    assert copy.adds == 3, "a partial bundle and two partial tiles"


async def test_the_other_public_files_come_too_and_change_with_the_source(world: LogWorld) -> None:
    copy, time = MemoryPublicFiles(), Time()
    exporter = exporter_of(world, copy, time)
    history = CheckpointHistory(world.files, origin=ORIGIN, clock=world.clock, published=lambda: world.log.published)
    for number in (1, 2):
        await grow(world, 3)
        await history.keep()
        await world.files.add([PublicFile(f"trust/default/bundle-{number}.json", b"%d" % number)])
        await world.files.replace(PublicFile("trust/default/latest.json", b"%d" % number))
        time.now += 10
        await exporter.round()
        assert copy.contents == {
            path: content for path, content in world.audited.contents.items() if ".p/" not in path
        } | {path: content for path, content in copy.contents.items() if ".p/" in path}
        assert "history/3" in copy.contents
        assert "verifier-keys" in copy.contents


async def test_a_log_below_a_prefix_takes_the_files_above_it_along(world: LogWorld) -> None:
    root, copy = MemoryPublicFiles(), MemoryPublicFiles()
    await root.replace(PublicFile("checkpoint", b"of an earlier log"))
    await root.add([PublicFile("tile/0/000", b"of an earlier log"), PublicFile("trust/default/bundle-1.json", b"1")])
    await grow(world, 3)
    for path, content in world.audited.contents.items():
        root.contents[f"2027/{path}"] = content
    exporter = Exporter(
        below(root, "2027/"),
        below(copy, "2027/"),
        place="s3://logs/a",
        origin=ORIGIN,
        published=lambda: world.log.published,
        check=world.log.check_shown,
        monotonic=Time(),
        roots=(root, copy),
    )
    await exporter.round()
    assert set(copy.contents) == {path for path in root.contents if path not in {"checkpoint", "tile/0/000"}}


async def test_a_status_manifest_comes_after_what_it_names(world: LogWorld) -> None:
    """Also one that is published while the others are copied."""

    class Publishing(MemoryPublicFiles):
        async def read(self, path: str) -> bytes | None:
            if path == MANIFEST:
                self.contents["status/default/sets/" + "2" * 64] = b"newer"
                self.contents[MANIFEST] = b"names 2"
            return await super().read(path)

    class Ordered(MemoryPublicFiles):
        async def replace(self, file: PublicFile, *, unless: Callable[[bytes], bool] = lambda _: False) -> None:
            if file.path == MANIFEST:
                self.at_manifest = set(self.contents)
            await super().replace(file, unless=unless)

    root, copy = Publishing(), Ordered()
    root.contents = {
        MANIFEST: b"names 1",
        "status/default/jwks.json": b"{}",
        "status/default/lists/0.jwt": b"token",
        "status/default/sets/" + "1" * 64: b"older",
    }
    await grow(world, 1)
    exporter = Exporter(
        world.files,
        MemoryPublicFiles(),
        place="s3://logs/a",
        origin=ORIGIN,
        published=lambda: world.log.published,
        check=world.log.check_shown,
        monotonic=Time(),
        roots=(root, copy),
    )
    await exporter.round()
    assert copy.contents[MANIFEST] == b"names 2"
    assert copy.at_manifest == set(root.contents) - {MANIFEST}


async def test_a_copy_that_is_ahead_by_another_replica_is_left(world: LogWorld) -> None:
    """Replicas with folders of their own, one database and one bucket."""
    copy = MemoryPublicFiles()
    await grow(world, 5)
    slow = exporter_of(world, copy)
    old = world.log.published
    slow._published = lambda: old
    await grow(world, 5)
    await exporter_of(world, copy).round()
    await slow.round()
    check_copy(world, copy, size=10)


async def test_a_copy_that_went_on_meanwhile_is_left(world: LogWorld) -> None:
    await grow(world, 5)
    old = world.log.published
    copy = MemoryPublicFiles()
    slow = exporter_of(world, copy)
    slow._published = lambda: old
    real = copy.replace

    async def overtaken(file: PublicFile, **named: object) -> None:
        if file.path == "checkpoint":
            copy.replace = real
            await grow(world, 5)
            await exporter_of(world, copy).round()
        await real(file, **named)

    copy.replace = overtaken
    await slow.round()
    check_copy(world, copy, size=10)


async def test_a_copy_that_is_ahead_of_the_database_freezes(world: LogWorld) -> None:
    copy = MemoryPublicFiles()
    await grow(world, 5)
    await world.close()
    backup = world.backup()
    old_folder = dict(world.audited.contents)
    await world.open()
    await world.log.prepare()
    await grow(world, 5)
    await exporter_of(world, copy).round()
    await world.close()
    world.restore(backup)
    world.audited.contents = old_folder  # the folder was restored with the database: only the copy remembers
    world.audited.shown.pop()
    await world.open()
    await world.log.prepare()
    seen = await exporter_of(world, copy).recall(ORIGIN)
    assert seen is not None
    assert seen.head.size == 10
    with pytest.raises(LogRolledBack):
        await exporter_of(world, copy).attempt()
    assert parse_checkpoint(parse_note(copy.contents["checkpoint"]).text).size == 10


async def test_another_tree_in_the_copy_freezes_and_nothing_is_written(world: LogWorld, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    other = LogWorld(folder)
    await other.open()
    await other.log.prepare()
    await grow(other, 4)
    copy = MemoryPublicFiles()
    await exporter_of(other, copy).round()
    await other.close()
    before = dict(copy.contents)
    await grow(world, 7)
    with pytest.raises(LogForked):
        await exporter_of(world, copy).attempt()
    assert copy.contents == before


async def test_another_tile_in_the_copy_freezes(world: LogWorld) -> None:
    copy = MemoryPublicFiles()
    copy.contents["tile/0/000"] = b"other"
    await grow(world, 300)
    with pytest.raises(LogForked, match="tile/0/000"):
        await exporter_of(world, copy).attempt()
    assert "checkpoint" not in copy.contents


@pytest.mark.parametrize("note", [b"", b"not a note", b"other.example/log\n0\n\n"])
async def test_a_checkpoint_that_cannot_be_read_freezes(world: LogWorld, note: bytes) -> None:
    copy = MemoryPublicFiles()
    copy.contents["checkpoint"] = note
    await grow(world, 3)
    with pytest.raises(LogFrozen):
        await exporter_of(world, copy).attempt()


async def test_a_frozen_export_freezes_the_log(world: LogWorld) -> None:
    copy = MemoryPublicFiles()
    copy.contents["checkpoint"] = b"not a note"
    await world.log.start()
    exporter = exporter_of(world, copy)
    world.log.run_beside("export", lambda: exporter.run(0.01))
    for task in world.log._loops._tasks:
        await __import__("asyncio").wait([task], timeout=5)
    with pytest.raises(LogForked):
        await world.act(1)


async def test_a_copy_out_of_reach_is_tried_again_and_its_lag_is_said(
    world: LogWorld, caplog: pytest.LogCaptureFixture
) -> None:
    class Away(MemoryPublicFiles):
        is_away = True

        async def read(self, path: str) -> bytes | None:
            if self.is_away:
                raise PublicFilesUnavailable(path, "the object store: connection refused")
            return await super().read(path)

    copy, time = Away(), Time()
    exporter = exporter_of(world, copy, time)
    await grow(world, 5)
    with caplog.at_level(logging.WARNING, logger="kms.log.published.exporting"):
        for _ in range(3):
            assert not await exporter.attempt()
            time.now += 40
        assert exporter.lag == ExportLag(5, 120.0)
        assert isinstance(exporter.failure, PublicFilesUnavailable)
        assert await exporter.recall(ORIGIN) is None
        copy.is_away = False
        assert await exporter.attempt()
    said = [record.message for record in caplog.records]
    assert [text for text in said if "behind" in text] == ["s3://logs/a is 5 entries behind, for 80 s now"]
    assert sum("cannot be brought up to date" in text for text in said) == 1
    assert said[-1] == "s3://logs/a is up to date again"
    check_copy(world, copy, size=5)


@pytest.mark.parametrize("restart", [False, True], ids=["goes-on", "restarts"])
@pytest.mark.parametrize("stored_anyway", [False, True], ids=["not-stored", "stored-anyway"])
@pytest.mark.parametrize("fail_at", range(7))
async def test_every_write_to_the_copy_fails_once(
    world: LogWorld, fail_at: int, stored_anyway: bool, restart: bool
) -> None:
    copy = MemoryPublicFiles()
    failing = FailingPublicFiles(copy)
    failing.fail_at, failing.stored_anyway = fail_at, stored_anyway
    exporter, failures = exporter_of(world, failing), 0
    for count in (3, 300, 40):
        await grow(world, count)
        while not await exporter.attempt():
            failures += 1
            if restart:
                exporter = exporter_of(world, failing)
        await exporter.finish()
        if "checkpoint" in copy.contents:
            size = parse_checkpoint(parse_note(copy.contents["checkpoint"]).text).size
            check_copy(world, copy, size=size)
    assert failures <= 1
    check_copy(world, copy, size=343)


async def test_into_a_real_bucket(world: LogWorld, bucket: ObjectStorePublicFiles) -> None:
    exporter = exporter_of(world, bucket)
    for count in (3, 300, 1):
        await grow(world, count)
        await exporter.round()
    copy = MemoryPublicFiles()
    copy.contents = {path: await bucket.read(path) for path in world.audited.contents}
    copy.contents = {path: content for path, content in copy.contents.items() if content is not None}
    check_copy(world, copy, size=304)
