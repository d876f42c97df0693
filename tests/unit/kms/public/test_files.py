"""What only the folder does: how bytes become durable, and what happens when the disk says no."""

import asyncio
import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from kms.public.errors import PublicFileChanged, PublicFilesUnavailable
from kms.public.files import FolderPublicFiles, PublicFile

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/fd").is_dir(), reason="which file was synced is read from /proc, which this system has not"
)


async def test_nothing_but_the_files_is_left_behind(tmp_path: Path) -> None:
    files = FolderPublicFiles(tmp_path)
    await files.add([PublicFile("tile/0/000", b"x"), PublicFile("tile/entries/000", b"y")])
    await files.replace(PublicFile("checkpoint", b"z"))
    assert _files_below(tmp_path) == ["checkpoint", "tile/0/000", "tile/entries/000"]


@needs_proc
async def test_every_file_and_every_new_name_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    named_after: dict[str, int] = {}
    real_fsync, real_link = os.fsync, Path.hardlink_to

    def fsync(descriptor: int) -> None:
        real_fsync(descriptor)
        synced.append(_name_of(descriptor))

    def link(self: Path, target: Path) -> None:
        named_after[str(self)] = len(synced)
        assert str(target) in synced, "content first, name after"
        real_link(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "hardlink_to", link)
    root = tmp_path / "public"
    await FolderPublicFiles(root).add([PublicFile("tile/0/000", b"x"), PublicFile("tile/0/001", b"y")])
    last_name = max(named_after.values())
    assert str(root / "tile/0") in synced[last_name:], "the folder of new names, after the last of them"
    for folder in (tmp_path, root, root / "tile"):
        assert str(folder) in synced, "a new folder is a new name in the one above"


@needs_proc
async def test_a_checkpoint_gets_its_name_when_all_its_tiles_are_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = FolderPublicFiles(tmp_path)
    await files.publish([PublicFile("tile/0/000.p/1", b"x")], PublicFile("checkpoint", b"1"))
    steps: list[str] = []
    real_fsync, real_rename = os.fsync, Path.rename

    def fsync(descriptor: int) -> None:
        real_fsync(descriptor)
        steps.append(_name_of(descriptor))

    def rename(self: Path, target: Path) -> Path:
        steps.append(f"rename {target.name}")
        return real_rename(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "rename", rename)
    await files.publish(
        [PublicFile("tile/0/000.p/2", b"xy"), PublicFile("tile/entries/000.p/2", b"z")], PublicFile("checkpoint", b"2")
    )
    shown = steps.index("rename checkpoint")
    for folder in ("tile/0/000.p", "tile/entries/000.p"):
        assert str(tmp_path / folder) in steps[:shown]
    assert steps[shown + 1 :] == [str(tmp_path)]
    assert len([step for step in steps if ".writing" in step]) == 3, "each content once"


async def test_a_file_system_without_hard_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(_self: Path, _target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", link)
    files = FolderPublicFiles(tmp_path)
    await files.add([PublicFile("tile/0/000", b"x")])
    assert await files.read("tile/0/000") == b"x"
    assert list((tmp_path / ".writing").iterdir()) == []


async def test_what_another_process_has_shown_meanwhile_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_link = Path.hardlink_to

    def overtaken(self: Path, target: Path) -> None:
        self.write_bytes(b"theirs")
        real_link(self, target)

    monkeypatch.setattr(Path, "hardlink_to", overtaken)
    files = FolderPublicFiles(tmp_path)
    with pytest.raises(PublicFileChanged):
        await files.add([PublicFile("tile/0/000", b"ours")])
    assert await files.read("tile/0/000") == b"theirs"
    await files.add([PublicFile("tile/0/000", b"theirs")])


async def test_a_folder_that_another_process_removed_is_made_again(tmp_path: Path) -> None:
    files, other = FolderPublicFiles(tmp_path), FolderPublicFiles(tmp_path)
    await files.add([PublicFile("tile/0/000.p/1", b"x")])
    await other.remove(["tile/0/000.p/1"])
    assert not (tmp_path / "tile/0/000.p").exists()
    await files.add([PublicFile("tile/0/000.p/2", b"xy")])
    assert await files.read("tile/0/000.p/2") == b"xy"


@needs_proc
async def test_a_file_in_place_is_synced_again_when_added_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The process that renamed it may have died before its folder was durable.
    await FolderPublicFiles(tmp_path).add([PublicFile("tile/0/000", b"x")])
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(_name_of(descriptor)))
    await FolderPublicFiles(tmp_path).add([PublicFile("tile/0/000", b"x")])
    assert synced == [str(tmp_path / "tile/0")]


async def test_a_full_disk_leaves_the_old_content_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = FolderPublicFiles(tmp_path)
    await files.replace(PublicFile("checkpoint", b"old"))

    def no_space(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", no_space)
        with pytest.raises(
            PublicFilesUnavailable, match="checkpoint: cannot be stored or read: No space left on device"
        ):
            await files.replace(PublicFile("checkpoint", b"new"))
    assert await files.read("checkpoint") == b"old"
    assert list((tmp_path / ".writing").iterdir()) == []
    await files.replace(PublicFile("checkpoint", b"new"))
    assert await files.read("checkpoint") == b"new"


async def test_a_file_where_a_folder_should_be_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "tile").write_bytes(b"not a folder")
    with pytest.raises(PublicFilesUnavailable, match=r"tile/0/000"):
        await FolderPublicFiles(tmp_path).add([PublicFile("tile/0/000", b"x")])


async def test_what_a_crash_left_is_removed_when_it_is_old(tmp_path: Path) -> None:
    work = tmp_path / ".writing"
    work.mkdir()
    for name, age in (("of-yesterday", 86_400), ("of-another-process", 5)):
        (work / name).write_bytes(b"half")
        written = (work / name).stat().st_mtime - age
        os.utime(work / name, (written, written))
    await FolderPublicFiles(tmp_path).replace(PublicFile("checkpoint", b"x"))
    assert [path.name for path in work.iterdir()] == ["of-another-process"]


async def test_two_processes_ask_one_after_the_other_whether_theirs_is_newer(tmp_path: Path) -> None:
    first, second = FolderPublicFiles(tmp_path), FolderPublicFiles(tmp_path)
    asking, may_answer = threading.Event(), threading.Event()

    def slow(there: bytes) -> bool:
        asking.set()
        assert may_answer.wait(20)
        return int(there) > 1

    await first.replace(PublicFile("checkpoint", b"0"))
    slowly = asyncio.create_task(first.replace(PublicFile("checkpoint", b"1"), unless=slow))
    await asyncio.to_thread(asking.wait, 20)
    other = asyncio.create_task(second.replace(PublicFile("checkpoint", b"2"), unless=lambda there: int(there) > 2))
    await asyncio.sleep(0.1)
    assert not other.done(), "it waits, or its content would be taken back"
    may_answer.set()
    await asyncio.gather(slowly, other)
    assert await first.read("checkpoint") == b"2"


async def test_files_can_be_read_by_a_web_server(tmp_path: Path) -> None:
    await FolderPublicFiles(tmp_path).add([PublicFile("tile/0/000", b"x")])
    mode = (tmp_path / "tile/0/000").stat().st_mode
    assert mode & stat.S_IRUSR
    assert mode & 0o777 == 0o666 & ~_umask()


async def test_many_at_once(tmp_path: Path) -> None:
    files = FolderPublicFiles(tmp_path)
    await asyncio.gather(*(files.add([PublicFile(f"tile/{n % 5}/{n:03d}", bytes([n]))]) for n in range(60)))
    assert [await files.read(f"tile/{n % 5}/{n:03d}") for n in range(60)] == [bytes([n]) for n in range(60)]


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _name_of(descriptor: int) -> str:
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())


def _files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


async def test_a_web_server_can_read_what_is_published_and_nothing_that_is_being_written(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        await FolderPublicFiles(tmp_path / "public").publish(
            [PublicFile("tile/0/000.p/1", b"x")], PublicFile("checkpoint", b"z")
        )
    finally:
        os.umask(before)
    modes = _modes_below(tmp_path)
    assert modes.pop("public/.writing/") == 0o700, "their names tell the host, and their content is not public yet"
    assert {mode for path, mode in modes.items() if path.endswith("/")} == {0o755}
    assert {mode for path, mode in modes.items() if not path.endswith("/")} == {0o644}


def _modes_below(folder: Path) -> dict[str, int]:
    """Permissions by path; those of folders end in a slash."""
    found = folder.rglob("*")
    return {str(path.relative_to(folder)) + "/" * path.is_dir(): path.stat().st_mode & 0o777 for path in found}
