"""The list of kept checkpoints, and their notes."""

import json

import pytest

from hallmark_tlog.checkpoint import parse_checkpoint
from hallmark_tlog.note import parse_note
from kms.log.model import PublishedCheckpoint, TreeHead
from kms.log.published.history import HISTORY_MAX, CheckpointHistory, Kept, format_history, kept_checkpoints
from kms.public.errors import PublicFilesError
from support.clock import FakeClock
from support.log_world import ORIGIN, LogWorld
from support.public_files import FailingPublicFiles, MemoryPublicFiles


def history_of(world: LogWorld, files: object = None) -> CheckpointHistory:
    return CheckpointHistory(
        files or world.files, origin=ORIGIN, clock=world.clock, published=lambda: world.log.published
    )


def rows(world: LogWorld) -> list[dict[str, object]]:
    document = json.loads(world.audited.contents["history.json"])
    assert (document["v"], document["origin"]) == (1, ORIGIN)
    return list(document["checkpoints"])


async def test_what_was_published_is_kept_newest_first(world: LogWorld) -> None:
    history = history_of(world)
    await history.keep()
    assert "history.json" not in world.audited.contents, "nothing is published yet"
    for count in (3, 4):
        await world.act(count)
        await world.log.step()
        await history.keep()
        await history.keep()
        world.clock.advance(60)
    assert [row["size"] for row in rows(world)] == [7, 3]
    assert [row["time"] for row in rows(world)] == sorted((row["time"] for row in rows(world)), reverse=True)
    for kept in kept_checkpoints(world.audited.contents["history.json"]):
        note = parse_checkpoint(parse_note(world.audited.contents[f"history/{kept.size}"]).text)
        assert (note.size, note.root) == (kept.size, kept.root)
    assert world.audited.contents["history/7"] == world.audited.contents["checkpoint"]


async def test_a_second_signature_of_a_size_changes_nothing(world: LogWorld) -> None:
    await world.act(3)
    await world.log.step()
    await history_of(world).keep()
    before = dict(world.audited.contents)
    world.clock.advance(10_000)
    await world.log.step()
    await history_of(world).keep()
    for path in ("history.json", "history/3"):
        assert world.audited.contents[path] == before[path]


async def test_only_the_newest_stay_in_the_list() -> None:
    published = PublishedCheckpoint(TreeHead(500, b"r" * 32), b"note")
    files = MemoryPublicFiles()
    many = [Kept(size, b"r" * 32, "2026-01-01T00:00:00Z") for size in range(HISTORY_MAX)]
    files.contents["history.json"] = format_history(ORIGIN, many)
    await CheckpointHistory(files, origin=ORIGIN, clock=FakeClock(), published=lambda: published).keep()
    sizes = [kept.size for kept in kept_checkpoints(files.contents["history.json"])]
    assert sizes == [500, *range(HISTORY_MAX - 1, 0, -1)]


async def test_two_replicas_take_nothing_from_each_other() -> None:
    class Racing(MemoryPublicFiles):
        """Another replica writes after the first read."""

        async def read(self, path: str) -> bytes | None:
            there = await super().read(path)
            if path == "history.json" and there is None:
                self.contents[path] = format_history(ORIGIN, [Kept(9, b"o" * 32, "2026-01-01T00:00:00Z")])
            return there

    files = Racing()
    published = PublishedCheckpoint(TreeHead(5, b"r" * 32), b"note")
    await CheckpointHistory(files, origin=ORIGIN, clock=FakeClock(), published=lambda: published).keep()
    assert [kept.size for kept in kept_checkpoints(files.contents["history.json"])] == [9, 5]


@pytest.mark.parametrize("stored_anyway", [False, True])
@pytest.mark.parametrize("fail_at", [0, 1])
async def test_what_fails_is_done_the_next_time(world: LogWorld, fail_at: int, stored_anyway: bool) -> None:
    await world.act(3)
    await world.log.step()
    failing = FailingPublicFiles(world.files)
    failing.fail_at, failing.stored_anyway = fail_at, stored_anyway
    history = history_of(world, failing)
    with pytest.raises(PublicFilesError):
        await history.keep()
    await history.attempt()
    assert [row["size"] for row in rows(world)] == [3]
    assert "history/3" in world.audited.contents


async def test_a_failure_does_not_end_the_loop(world: LogWorld, caplog: pytest.LogCaptureFixture) -> None:
    await world.act(3)
    await world.log.step()
    failing = FailingPublicFiles(world.files)
    failing.fail_at = 0
    await history_of(world, failing).attempt()
    assert "later again" in caplog.text


@pytest.mark.parametrize(
    "document", [None, b"", b"[]", b"{", b"\xff", b'{"checkpoints":[{"size":"x"}]}', b'{"checkpoints":7}', b"[" * 99999]
)
def test_a_list_that_cannot_be_read_is_begun_again(document: bytes | None) -> None:
    assert kept_checkpoints(document) == []
