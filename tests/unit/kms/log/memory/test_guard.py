"""The one way to fork: an old backup. And the many ways a database can contradict itself."""

import dataclasses
from pathlib import Path

import pytest
import sqlalchemy as sa

from kms.log.errors import LogDamaged, LogForked, LogFrozen, LogRolledBack, OriginChanged
from support.log_world import LogWorld
from support.public_files import MemoryPublicFiles


async def published(world: LogWorld, count: int) -> None:
    await world.act(count)
    await world.log.step()


async def refuses_to_start(world: LogWorld, error: type[LogFrozen], match: str) -> None:
    signed = world.provider.signatures_released
    with pytest.raises(error, match=match):
        await world.log.start()
    assert world.provider.signatures_released == signed, "nothing was signed"


async def test_a_restored_backup_is_refused(world: LogWorld) -> None:
    await published(world, 5)
    await world.close()
    backup = world.backup()
    await world.open()
    await world.log.prepare()
    await published(world, 3)
    await world.close()
    world.restore(backup)
    await world.open()
    await refuses_to_start(world, LogRolledBack, "size 8 was published, the database holds only 5 entries")


async def test_a_restored_backup_that_grew_past_the_published_size_is_refused(world: LogWorld) -> None:
    await published(world, 5)
    await world.close()
    backup, shown = world.backup(), dict(world.audited.contents)
    await world.open()
    await world.log.prepare()
    await published(world, 3)
    real = dict(world.audited.contents)
    await world.close()
    # With the public folder out of sight the guard cannot know, and the log grows another branch.
    world.restore(backup)
    world.audited.contents, world.audited.shown = shown, world.audited.shown[:1]
    await world.open()
    await world.log.prepare()
    await published(world, 9)
    await world.close()
    world.audited.contents = real
    await world.open()
    await refuses_to_start(world, LogForked, "does not begin with the published one")


async def test_a_new_database_behind_an_old_folder_is_refused_before_keys_are_made(
    world: LogWorld, tmp_path: Path
) -> None:
    await published(world, 5)
    (tmp_path / "new").mkdir()
    new = LogWorld(tmp_path / "new", files=world.audited)
    await new.open()
    await refuses_to_start(new, LogRolledBack, "size 5 was published, the database holds only 0")
    assert new.provider._token._keys == {}
    await new.close()


async def test_another_logs_keys_are_refused_even_at_size_zero(world: LogWorld, tmp_path: Path) -> None:
    await world.log.step()
    (tmp_path / "new").mkdir()
    new = LogWorld(tmp_path / "new", files=world.audited)
    await new.open()
    await refuses_to_start(new, LogForked, "was not signed by the keys in this database")
    await new.close()


async def test_the_folder_of_another_origin_is_refused(world: LogWorld) -> None:
    await published(world, 1)
    world.audited.contents["checkpoint"] = world.audited.contents["checkpoint"].replace(
        b"log.example", b"alt.example", 1
    )
    await world.reopen()
    await refuses_to_start(world, LogForked, "holds the log 'alt.example/hallmark'")


@pytest.mark.parametrize("content", [b"", b"\xff", b"not a note\n", b"x\n1\ny\n\n"])
async def test_a_published_checkpoint_that_cannot_be_read_is_refused(world: LogWorld, content: bytes) -> None:
    await published(world, 1)
    world.audited.contents["checkpoint"] = content
    await world.reopen()
    await refuses_to_start(world, LogForked, "cannot be read")


async def test_a_forged_checkpoint_is_refused(world: LogWorld) -> None:
    await published(world, 3)
    note = world.audited.contents["checkpoint"]
    world.audited.contents["checkpoint"] = note.replace(b"\n3\n", b"\n2\n", 1)
    await world.reopen()
    await refuses_to_start(world, LogForked, "not signed by the keys")


async def test_another_origin_in_the_settings_is_refused(world: LogWorld) -> None:
    await published(world, 1)
    world.settings = dataclasses.replace(world.settings, origin="alt.example/hallmark")
    await world.reopen()
    await refuses_to_start(world, OriginChanged, r"holds the log 'log\.example/hallmark'")


async def test_a_lost_folder_is_published_again(world: LogWorld) -> None:
    for count in (3, 4, 300):
        await published(world, count)
    before = dict(world.audited.contents)
    world.audited.contents, world.audited.added, world.audited.shown = {}, set(), world.audited.shown[-1:]
    await world.reopen()
    await world.log.start()
    missing = before.keys() - world.audited.contents.keys()
    assert missing == {"tile/0/000.p/3", "tile/0/000.p/7", "tile/entries/000.p/3", "tile/entries/000.p/7"}, (
        "partial tiles whose full tile is there are the only ones that may be left out"
    )
    assert {path: before[path] for path in world.audited.contents} == world.audited.contents


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE tlog_state SET root = zeroblob(32)",
        "UPDATE tlog_tile SET hashes = zeroblob(length(hashes)) WHERE level = 0 AND idx = 1",
        "DELETE FROM tlog_tile WHERE level = 0 AND idx = 1",
        "DELETE FROM tlog_entry WHERE idx = 299",
        "DELETE FROM tlog_entry WHERE idx = 280",
        "UPDATE tlog_entry SET data = x'78' WHERE idx = 299",
        "UPDATE tlog_entry SET leaf_hash = zeroblob(32) WHERE idx = 299",
        "INSERT INTO tlog_entry (idx, leaf_hash, event_key, data) VALUES (300, zeroblob(32), 'x', x'78')",
        "UPDATE tlog_checkpoint SET root = zeroblob(32)",
        "INSERT INTO tlog_checkpoint (size, root) VALUES (301, zeroblob(32))",
        "UPDATE tlog_state SET size = 301",
    ],
)
async def test_a_database_that_contradicts_itself_is_refused(world: LogWorld, damage: str) -> None:
    await published(world, 300)
    await world.database.write(lambda tx: tx.execute(sa.text(damage)))
    await world.reopen()
    await refuses_to_start(world, LogDamaged, "refuses to sign")


async def test_without_damage_it_starts(world: LogWorld) -> None:
    for count in (1, 254, 1, 300):
        await published(world, count)
        await world.reopen()
        await world.log.prepare()
    assert [checkpoint.size for checkpoint in world.audited.shown] == [1, 255, 256, 556]


async def test_a_fresh_folder_and_database_begin_at_size_zero(tmp_path: Path) -> None:
    world = LogWorld(tmp_path, files=MemoryPublicFiles())
    await world.open()
    await world.log.start()
    assert (await world.log.checkpoint()).head.size == 0
    await world.close()
