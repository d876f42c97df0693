"""Tiles first, the checkpoint that needs them last; no more writes than a checkpoint needs."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from hallmark_tlog.audit import audit
from kms.log.errors import LogForked
from kms.log.published.publisher import Publisher
from kms.public.files import PublicFile, Unless
from support.log_world import ORIGIN, LogWorld
from support.public_files import AuditedPublicFiles, MemoryPublicFiles


class Recording(AuditedPublicFiles):
    """What was written together."""

    def __init__(self) -> None:
        super().__init__(ORIGIN)
        self.written: list[list[str]] = []

    async def add(self, files: Sequence[PublicFile]) -> None:
        self.written.append([file.path for file in files])
        await super().add(files)

    async def publish(self, files: Sequence[PublicFile], last: PublicFile, *, unless: Unless | None = None) -> None:
        await super().publish(files, last, unless=unless)
        self.written[-1].append(last.path)


@pytest.fixture
async def files(tmp_path: Path) -> Recording:
    return Recording()


@pytest.fixture
async def recorded(files: Recording, bare_world: LogWorld) -> LogWorld:
    bare_world.files = files
    await bare_world.reopen()
    await bare_world.log.prepare()
    return bare_world


async def test_a_checkpoint_is_one_write(recorded: LogWorld, files: Recording) -> None:
    for count, paths in (
        (3, ["tile/entries/000.p/3", "tile/0/000.p/3", "checkpoint"]),
        (253, ["tile/entries/000", "tile/0/000", "tile/1/000.p/1", "checkpoint"]),
        (2, ["tile/entries/001.p/2", "tile/0/001.p/2", "tile/1/000.p/1", "checkpoint"]),
    ):
        files.written.clear()
        await recorded.act(count)
        await recorded.log.step()
        assert files.written == [paths]


async def test_much_to_catch_up_is_written_in_pieces(
    recorded: LogWorld, files: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kms.log.published.publisher._TILES_AT_ONCE", 4)
    await recorded.act(256 * 3 + 7)
    await recorded.log.step()
    assert [len(paths) for paths in files.written] == [4, 4, 2]
    assert files.written[-1][-1] == "checkpoint"
    assert audit(files.fetch, files.verifier_keys(), origin=ORIGIN).entries_verified == 775


async def test_pieces_may_end_with_the_last_tile(
    recorded: LogWorld, files: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kms.log.published.publisher._TILES_AT_ONCE", 2)
    await recorded.act(3)
    await recorded.log.step()
    assert files.written == [["tile/entries/000.p/3", "tile/0/000.p/3"], ["checkpoint"]]


async def test_another_tile_in_its_place_is_a_fork(recorded: LogWorld, files: Recording) -> None:
    files.contents["tile/0/000.p/3"] = b"other"
    await recorded.act(3)
    with pytest.raises(LogForked, match=r"tile/0/000\.p/3"):
        await recorded.log.step()
    assert "checkpoint" not in files.contents


@pytest.mark.parametrize(
    "note", [b"not a note", b"other.example/log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"]
)
async def test_a_checkpoint_of_something_else_in_its_place_is_a_fork(recorded: LogWorld, note: bytes) -> None:
    await recorded.act(3)
    await recorded.log.step()
    published = recorded.log.published
    files = MemoryPublicFiles()
    files.contents["checkpoint"] = note
    publisher = Publisher(recorded.database, files, origin=ORIGIN)
    with pytest.raises(LogForked):
        await publisher.publish(published)
    assert files.contents["checkpoint"] == note
