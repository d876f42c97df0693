"""What kms.public.files promises, for the folder and for the fake that other tests use."""

import asyncio
import random
from pathlib import Path

import pytest

from kms.public.errors import PublicFileChanged, PublicPathInvalid
from kms.public.files import FolderPublicFiles, PublicFile, PublicFiles
from support.public_files import MemoryPublicFiles


@pytest.fixture(params=["folder", "memory"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> PublicFiles:
    return FolderPublicFiles(tmp_path / "public") if request.param == "folder" else MemoryPublicFiles()


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
