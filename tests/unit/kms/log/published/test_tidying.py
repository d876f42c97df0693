"""Partial tiles go when the full one is there and old enough; nothing else ever goes."""

import pytest

from hallmark_tlog.audit import audit
from hallmark_tlog.tiles import Tile, partial_tiles, tile_levels
from kms.log.published import tidying
from kms.log.published.tidying import Tidying
from kms.public.errors import PublicFilesError
from kms.public.files import PublicFile
from support.log_world import ORIGIN, LogWorld
from support.public_files import FailingPublicFiles, MemoryPublicFiles

GRACE = 600.0


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def paths_for(sizes: list[int]) -> list[str]:
    """What a log that published these sizes has."""
    paths = {tile.path for size in sizes for tile in partial_tiles(size)}
    for level in (None, *tile_levels(sizes[-1])):
        for index in range(sizes[-1] >> 8 * (level or 0) + 8):
            paths.add(Tile(level, index).path)
    return sorted(paths)


async def filled(sizes: list[int]) -> MemoryPublicFiles:
    files = MemoryPublicFiles()
    await files.add([PublicFile(path, b"x") for path in paths_for(sizes)])
    await files.replace(PublicFile("checkpoint", b"x"))
    return files


def partials(files: MemoryPublicFiles) -> list[str]:
    return sorted(path for path in files.contents if ".p/" in path)


async def test_partial_tiles_go_after_their_time(world: LogWorld) -> None:
    time = Time()
    tidying = Tidying(world.files, size=lambda: world.log.published.head.size, grace_seconds=GRACE, monotonic=time)
    for count in (100, 100, 100, 220):
        await world.act(count)
        await world.log.step()
    before = set(world.audited.contents)
    assert await tidying.round() == 0
    time.now += GRACE - 1
    assert await tidying.round() == 0, "a slow reader may be busy with them"
    time.now += 1
    assert await tidying.round() == 2 * 3, "widths 100 and 200 of tile 0, width 44 of tile 1"
    assert before - set(world.audited.contents) == {
        f"tile/{level}/{tile}" for level in ("entries", 0) for tile in ("000.p/100", "000.p/200", "001.p/44")
    }
    report = audit(world.audited.fetch, world.audited.verifier_keys(), origin=ORIGIN)
    assert report.entries_verified == 520
    assert await tidying.round() == 0


async def test_partial_tiles_without_a_full_one_stay() -> None:
    files = await filled([100, 255])
    size, time = [255], Time()
    tidying = Tidying(files, size=lambda: size[0], grace_seconds=0, monotonic=time)
    before = partials(files)
    size[0] = 300  # said to be published, but the files of tile 0 are not there
    assert await tidying.round() == 0
    assert partials(files) == before


async def test_upper_levels_are_tidied_too() -> None:
    files = await filled([65_000, 65_535, 65_536, 65_537])
    tidying_ = Tidying(files, size=lambda: 65_537, grace_seconds=0, monotonic=Time())
    await tidying_.round()
    assert partials(files) == sorted(tile.path for tile in partial_tiles(65_537))


async def test_a_round_is_bounded_and_the_next_one_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tidying, "_FOLDERS_A_ROUND", 7)
    sizes = list(range(100, 256 * 12, 128))
    files = await filled(sizes)
    tidying_ = Tidying(files, size=lambda: sizes[-1], grace_seconds=0, monotonic=Time())
    rounds = 0
    while await tidying_.round():
        rounds += 1
    assert 3 <= rounds <= 8
    left = {path for path in partials(files) if path.partition(".p/")[0] in files.contents}
    assert left == set()


async def test_more_than_a_thousand_tiles_lie_in_several_folders() -> None:
    files = await filled([200, 999 * 256 + 9, 1000 * 256 + 9, 1005 * 256 - 100, 1005 * 256 + 5])
    before = partials(files)
    tidying_ = Tidying(files, size=lambda: 1005 * 256 + 5, grace_seconds=0, monotonic=Time())
    await tidying_.round()
    whole = set(files.contents)
    assert partials(files) == [path for path in before if path.partition(".p/")[0] not in whole]
    assert {path.partition(".p/")[0] for path in before} - {path.partition(".p/")[0] for path in partials(files)} == {
        f"tile/{level}/{tile}" for level in ("entries", 0) for tile in ("000", "999", "x001/000", "x001/004")
    }


@pytest.mark.parametrize("stored_anyway", [False, True])
@pytest.mark.parametrize("fail_at", range(4))
async def test_a_removal_that_fails_is_done_the_next_time(fail_at: int, stored_anyway: bool) -> None:
    files = await filled([100, 200, 300, 520])
    failing = FailingPublicFiles(files)
    failing.fail_at, failing.stored_anyway = fail_at, stored_anyway
    tidying_ = Tidying(failing, size=lambda: 520, grace_seconds=0, monotonic=Time())
    with pytest.raises(PublicFilesError):
        await tidying_.round()
    await tidying_.round()
    expected = {tile.path for tile in partial_tiles(520)} | {f"tile/1/000.p/{width}" for width in (1, 2)}
    assert set(partials(files)) == expected
    assert {path for path in files.contents if ".p/" not in path} == {"checkpoint"} | {
        f"tile/{level}/00{index}" for level in ("entries", 0) for index in (0, 1)
    }


async def test_another_life_begins_again_and_finds_nothing() -> None:
    files = await filled([100, 200, 300, 520])
    for expected in (6, 0):
        assert await Tidying(files, size=lambda: 520, grace_seconds=0, monotonic=Time()).round() == expected
