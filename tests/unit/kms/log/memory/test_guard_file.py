import errno
import os
from pathlib import Path

import pytest

from hallmark_tlog.note import Note, SignatureLine, parse_note
from kms.core.errors import Unavailable
from kms.log.errors import LogForked
from kms.log.memory.guard_file import GuardFile
from kms.log.memory.remembered import checkpoint_text
from kms.log.model import PublishedCheckpoint, TreeHead

ORIGIN = "log.example/hallmark"
_SLOT = 16_384


def checkpoint(size: int, origin: str = ORIGIN) -> PublishedCheckpoint:
    head = TreeHead(size, size.to_bytes(32, "big"))
    lines = (SignatureLine(origin, b"1234", b"ours"), SignatureLine("witness.example/1", b"5678", b"theirs"))
    return PublishedCheckpoint(head, bytes(Note(checkpoint_text(origin, head), lines)))


async def test_it_remembers_the_newest(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "log-guard"
    guard = GuardFile(path)
    assert await guard.recall(ORIGIN) is None
    for size in (1, 2, 3, 4, 5):
        await guard.remember(ORIGIN, checkpoint(size))
        seen = await GuardFile(path).recall(ORIGIN)
        assert seen is not None
        assert (seen.origin, seen.head, seen.where) == (ORIGIN, checkpoint(size).head, f"the guard file {path}")
    assert path.stat().st_size == 2 * _SLOT
    assert [name.name for name in path.parent.iterdir()] == ["log-guard"]


async def test_it_keeps_the_logs_own_lines(tmp_path: Path) -> None:
    guard = GuardFile(tmp_path / "log-guard")
    await guard.remember(ORIGIN, checkpoint(7))
    seen = await guard.recall(ORIGIN)
    assert seen is not None
    assert [line.name for line in parse_note(seen.note).signatures] == [ORIGIN]
    assert b"witness" not in (tmp_path / "log-guard").read_bytes()


async def test_another_process_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    for size in (5, 6, 7):
        guard = GuardFile(tmp_path / "log-guard")
        await guard.remember(ORIGIN, checkpoint(size))  # without being asked first
        seen = await GuardFile(tmp_path / "log-guard").recall(ORIGIN)
        assert seen is not None
        assert seen.head.size == size


async def test_the_same_tree_signed_again_costs_no_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guard = GuardFile(tmp_path / "log-guard")
    await guard.remember(ORIGIN, checkpoint(5))
    monkeypatch.setattr(os, "fsync", lambda _: pytest.fail("nothing is new"))
    await guard.remember(ORIGIN, checkpoint(5))


@pytest.mark.parametrize("torn", [0, 1, 30, 100, 200, 16_000])
async def test_a_torn_write_leaves_the_one_before(tmp_path: Path, torn: int) -> None:
    path = tmp_path / "log-guard"
    guard = GuardFile(path)
    for size in (1, 2, 3):
        await guard.remember(ORIGIN, checkpoint(size))
    before = path.read_bytes()
    await guard.remember(ORIGIN, checkpoint(4))
    after = path.read_bytes()
    (place,) = (at for at in (0, _SLOT) if before[at : at + _SLOT] != after[at : at + _SLOT])
    path.write_bytes(
        after[:place] + after[place : place + torn] + before[place + torn : place + _SLOT] + after[place + _SLOT :]
    )
    seen = await GuardFile(path).recall(ORIGIN)
    assert seen is not None
    assert seen.head.size in ({3, 4} if torn >= 200 else {3})


@pytest.mark.parametrize("content", [b"", b"\n" * 2 * _SLOT, b"x", os.urandom(2 * _SLOT)])
async def test_what_can_not_be_read_is_not_taken_for_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "log-guard"
    path.write_bytes(content)
    with pytest.raises(LogForked, match=rf"the guard file {path} cannot be read .* move it away"):
        await GuardFile(path).recall(ORIGIN)


async def test_a_full_disk_is_said_and_holds_the_checkpoint_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = GuardFile(tmp_path / "log-guard")
    await guard.remember(ORIGIN, checkpoint(1))

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        for _ in range(2):
            with pytest.raises(Unavailable, match=r"can not be written \(No space left on device\).*log\.guard_file"):
                await guard.remember(ORIGIN, checkpoint(2))
    await guard.remember(ORIGIN, checkpoint(2))
    seen = await guard.recall(ORIGIN)
    assert seen is not None
    assert seen.head.size == 2
