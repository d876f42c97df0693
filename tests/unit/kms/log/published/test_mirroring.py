"""Copies of a log that nobody has to trust: whole, verified before written, never set back."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hallmark_tlog.acceptance import Accept, accept_signed_by
from hallmark_tlog.audit import audit
from hallmark_tlog.errors import FetchError, ForkError, RollbackError, SignatureError, TlogError
from hallmark_tlog.verify import Require
from kms.log.published import mirroring
from kms.log.published.mirroring import Mirror
from kms.public.files import FolderPublicFiles
from support.log_world import ORIGIN, LogWorld
from support.public_files import FailingPublicFiles, MemoryPublicFiles


async def grow(world: LogWorld, *counts: int) -> None:
    for count in counts:
        await world.act(count)
        await world.log.step()


def accept_of(world: LogWorld) -> Accept:
    return accept_signed_by(world.audited.verifier_keys(), origin=ORIGIN)


def mirror_of(world: LogWorld, copy: object, fetch: Callable[[str], bytes] | None = None, **named: object) -> Mirror:
    return Mirror(fetch or world.audited.fetch, copy, accept=accept_of(world), connections=4, **named)


def check(world: LogWorld, copy: MemoryPublicFiles, size: int) -> None:
    assert audit(copy.fetch, world.audited.verifier_keys(), origin=ORIGIN).checkpoint.size == size
    assert {path: world.audited.contents[path] for path in copy.contents} == copy.contents


async def test_a_copy_is_whole_and_follows(world: LogWorld) -> None:
    copy, before, seen = MemoryPublicFiles(), 0, []
    for count, size in ((0, 0), (5, 5), (300, 305), (207, 512), (1, 513)):
        await grow(world, count)
        report = await mirror_of(world, copy, progress=lambda done, of: seen.append((done, of))).run()
        assert (report.checkpoint.size, report.size_before) == (size, before)
        check(world, copy, size)
        before = size
    assert seen == [(5, 5), (256, 305), (305, 305), (512, 512), (513, 513)] or seen[-1] == (513, 513)
    report = await mirror_of(world, copy).run()
    assert report.files_written == 0


async def test_a_source_without_old_partial_tiles_will_do(world: LogWorld) -> None:
    await grow(world, 300)
    shown = dict(world.audited.contents)
    await grow(world, 300)
    shown |= {path: content for path, content in world.audited.contents.items() if path.startswith("tile/")}
    del shown["tile/0/001.p/44"], shown["tile/entries/001.p/44"]

    def fetch(path: str) -> bytes:
        return MemoryPublicFiles.fetch(source, path)

    source = MemoryPublicFiles()
    source.contents = shown
    copy = MemoryPublicFiles()
    assert (await mirror_of(world, copy, fetch).run()).checkpoint.size == 300
    assert audit(copy.fetch, world.audited.verifier_keys(), origin=ORIGIN).entries_verified == 300


@pytest.mark.parametrize("size", [40, 300])
async def test_nothing_that_was_altered_is_written(world: LogWorld, size: int) -> None:
    await grow(world, size)
    for path in [path for path in world.audited.contents if path.startswith(("tile/", "checkpoint"))]:
        content = world.audited.contents[path]
        altered = content[:-1] + bytes([content[-1] ^ 1])
        copy = MemoryPublicFiles()

        def fetch(asked: str, path: str = path, altered: bytes = altered) -> bytes:
            return altered if asked == path else world.audited.fetch(asked)

        with pytest.raises(TlogError):
            await mirror_of(world, copy, fetch).run()
        assert "checkpoint" not in copy.contents
        assert {path: world.audited.contents[path] for path in copy.contents} == copy.contents, "what is there is right"


async def test_a_source_that_took_something_back_is_refused(world: LogWorld) -> None:
    copy = MemoryPublicFiles()
    await grow(world, 5)
    earlier = dict(world.audited.contents)
    await grow(world, 5)
    await mirror_of(world, copy).run()
    with pytest.raises(RollbackError):
        await mirror_of(world, copy, lambda path: earlier[path]).run()
    check(world, copy, 10)


async def test_another_tree_of_the_same_origin_is_a_fork(world: LogWorld) -> None:
    await grow(world, 5)
    copy = MemoryPublicFiles()
    await mirror_of(world, copy).run()
    (world.folder / "other").mkdir()
    other = LogWorld(world.folder / "other")
    other.clock.advance(1)
    await other.open()
    await other.log.prepare()
    await grow(other, 7)
    keys = [*world.audited.verifier_keys(), *other.audited.verifier_keys()]
    accept = accept_signed_by(keys, origin=ORIGIN, require=Require.ANY)
    with pytest.raises(ForkError):
        await Mirror(other.audited.fetch, copy, accept=accept, connections=1).run()
    with pytest.raises(SignatureError):
        await mirror_of(world, copy, other.audited.fetch).run()
    check(world, copy, 5)
    await other.close()


@pytest.mark.parametrize("stored_anyway", [False, True])
@pytest.mark.parametrize("fail_at", range(4))
async def test_an_interrupted_copy_goes_on(
    world: LogWorld, fail_at: int, stored_anyway: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirroring, "_AT_ONCE", 3)
    await grow(world, 600)
    copy = MemoryPublicFiles()
    failing = FailingPublicFiles(copy)
    failing.fail_at, failing.stored_anyway = fail_at, stored_anyway
    with pytest.raises(Exception, match="no space left"):
        await mirror_of(world, failing).run()
    before = len(copy.contents)
    report = await mirror_of(world, failing).run()
    check(world, copy, 600)
    assert report.files_written + before >= len(copy.contents) - 1


async def test_what_the_copy_has_is_not_fetched_again(world: LogWorld, tmp_path: Path) -> None:
    await grow(world, 600)
    copy = FolderPublicFiles(tmp_path / "copy")
    asked: list[str] = []

    def fetch(path: str) -> bytes:
        asked.append(path)
        if path == "tile/entries/002.p/88" and asked.count(path) == 1:
            raise FetchError(path, "the connection is lost")
        return world.audited.fetch(path)

    with pytest.raises(FetchError):
        await mirror_of(world, copy, fetch).run()
    before = len(asked)
    await mirror_of(world, copy, fetch).run()
    assert "checkpoint" in asked[before:]
    assert await copy.names() == ["checkpoint", "tile/"]
