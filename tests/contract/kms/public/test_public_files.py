"""What kms.public.files promises, for the folder, a bucket and the fake that other tests use."""

import asyncio
import random
from pathlib import Path

import pytest

from kms.public.below import below
from kms.public.errors import PublicFileChanged, PublicPathInvalid
from kms.public.files import FolderPublicFiles, PublicFile, PublicFiles
from support.public_files import MemoryPublicFiles


@pytest.fixture(params=["folder", "below a prefix", "memory", "bucket"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> PublicFiles:
    match request.param:
        case "folder":
            return FolderPublicFiles(tmp_path / "public")
        case "below a prefix":
            return below(FolderPublicFiles(tmp_path / "public"), "logs/2/")
        case "memory":
            return MemoryPublicFiles()
        case _:
            return request.getfixturevalue("bucket")


async def test_what_was_added_is_read(files: PublicFiles) -> None:
    await files.add([PublicFile("tile/0/000", b"hashes"), PublicFile("tile/0/x001/000.p/7", b"more")])
    assert await files.read("tile/0/000") == b"hashes"
    assert await files.read("tile/0/x001/000.p/7") == b"more"


async def test_what_is_not_there_is_none(files: PublicFiles) -> None:
    assert await files.read("checkpoint") is None
    await files.add([PublicFile("tile/0/000.p/7", b"hashes")])
    assert await files.read("tile/0") is None, "a folder is not a file"
    assert await files.read("tile/0/000.p/7/8") is None, "a file is not a folder"


async def test_adding_nothing_is_fine(files: PublicFiles) -> None:
    await files.add([])


async def test_adding_the_same_again_succeeds(files: PublicFiles) -> None:
    for _ in range(2):
        await files.add([PublicFile("tile/0/000", b"hashes")])
    assert await files.read("tile/0/000") == b"hashes"


async def test_an_added_file_never_changes(files: PublicFiles) -> None:
    await files.add([PublicFile("tile/0/000", b"hashes")])
    with pytest.raises(PublicFileChanged, match="tile/0/000"):
        await files.add([PublicFile("tile/0/001", b"new"), PublicFile("tile/0/000", b"others")])
    assert await files.read("tile/0/000") == b"hashes"


async def test_a_replaced_file_shows_the_last_content(files: PublicFiles) -> None:
    for content in (b"one", b"two, longer", b""):
        await files.replace(PublicFile("checkpoint", content))
        assert await files.read("checkpoint") == content


async def test_what_may_stay_stays(files: PublicFiles) -> None:
    def newer(there: bytes) -> bool:
        return int(there) > 2

    await files.replace(PublicFile("latest", b"1"), unless=newer)
    assert await files.read("latest") == b"1", "nothing was there to stay"
    await files.replace(PublicFile("latest", b"3"), unless=newer)
    await files.replace(PublicFile("latest", b"2"), unless=newer)
    assert await files.read("latest") == b"3"


async def test_of_many_writers_the_newest_is_shown_from_its_time_on(files: PublicFiles) -> None:
    numbers = list(range(40))
    random.Random(5).shuffle(numbers)
    seen: list[int] = []

    async def write(number: int) -> None:
        await files.replace(PublicFile("latest", b"%d" % number), unless=lambda there: int(there) > number)
        seen.append(int(await files.read("latest") or b"-1"))

    await asyncio.gather(*(write(number) for number in numbers))
    assert int(await files.read("latest") or b"-1") == 39
    assert len(seen) == 40


async def test_published_files_are_there_with_the_last_one(files: PublicFiles) -> None:
    for number in (1, 2):
        tile = PublicFile(f"tile/0/000.p/{number}", b"h" * number)
        await files.publish([tile], PublicFile("checkpoint", b"%d" % number), unless=lambda there: int(there) > 2)
        assert await files.read(tile.path) == tile.content
        assert await files.read("checkpoint") == b"%d" % number


async def test_the_last_one_may_stay_and_the_others_come(files: PublicFiles) -> None:
    await files.replace(PublicFile("checkpoint", b"9"))
    await files.publish([PublicFile("tile/0/000", b"x")], PublicFile("checkpoint", b"1"), unless=lambda there: True)
    assert await files.read("checkpoint") == b"9"
    assert await files.read("tile/0/000") == b"x"


async def test_nothing_is_shown_when_a_file_would_change(files: PublicFiles) -> None:
    await files.publish([PublicFile("tile/0/000", b"x")], PublicFile("checkpoint", b"1"))
    with pytest.raises(PublicFileChanged):
        await files.publish([PublicFile("tile/0/000", b"y")], PublicFile("checkpoint", b"2"))
    assert await files.read("checkpoint") == b"1"


async def test_what_unless_raises_is_raised_and_the_old_one_stays(files: PublicFiles) -> None:
    def refuse(there: bytes) -> bool:
        raise ValueError(there)

    await files.replace(PublicFile("checkpoint", b"1"))
    with pytest.raises(ValueError, match="1"):
        await files.replace(PublicFile("checkpoint", b"2"), unless=refuse)
    assert await files.read("checkpoint") == b"1"


async def test_names_are_those_of_one_folder(files: PublicFiles) -> None:
    assert await files.names() == await files.names("tile/0") == []
    await files.add([PublicFile(path, b"x") for path in ("tile/0/000", "tile/0/000.p/7", "tile/0/x001/000")])
    await files.replace(PublicFile("checkpoint", b"x"))
    assert await files.names() == ["checkpoint", "tile/"]
    assert await files.names("tile") == ["0/"]
    assert await files.names("tile/0") == ["000", "000.p/", "x001/"]
    assert await files.names("tile/0/000.p") == ["7"]
    assert await files.names("tile/0/000") == [], "a file is not a folder"


async def test_removed_files_are_gone_with_folders_left_empty(files: PublicFiles) -> None:
    await files.add([PublicFile(path, b"x") for path in ("tile/0/000", "tile/0/000.p/7", "tile/0/000.p/9")])
    await files.remove(["tile/0/000.p/7"])
    assert await files.names("tile/0/000.p") == ["9"]
    await files.remove(["tile/0/000.p/7", "tile/0/000.p/9", "tile/0/000.p/11", "tile/5/000"])
    assert await files.names("tile/0") == ["000"]
    await files.remove([])
    await files.add([PublicFile("tile/0/000.p/9", b"x")])
    assert await files.read("tile/0/000.p/9") == b"x", "it may come again"


BAD_PATHS = [
    "",
    "/etc/passwd",
    "../x",
    "a/../b",
    "a//b",
    "a/",
    ".hidden",
    "a/.b",
    "a\\b",
    "a b",
    "a\0b",
    "é",
    "a/" * 16 + "b",
    "x" * 600,
]


@pytest.mark.parametrize("path", BAD_PATHS)
async def test_paths_that_could_leave_the_root_are_refused(files: PublicFiles, path: str) -> None:
    with pytest.raises(PublicPathInvalid):
        await files.read(path)
    with pytest.raises(PublicPathInvalid):
        await files.add([PublicFile(path, b"")])
    with pytest.raises(PublicPathInvalid):
        await files.replace(PublicFile(path, b""))
    with pytest.raises(PublicPathInvalid):
        await files.publish([], PublicFile(path, b""))
    with pytest.raises(PublicPathInvalid):
        await files.remove([path])
    if path:
        with pytest.raises(PublicPathInvalid):
            await files.names(path)
