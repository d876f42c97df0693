import asyncio
import dataclasses
import logging

import pytest
import sqlalchemy as sa

from hallmark_tlog.checkpoint import parse_checkpoint
from hallmark_tlog.note import parse_note
from hsm.errors import PinLocked, TokenUnavailable
from hsm.testing import Operation
from kms.core.clock import SystemClock
from kms.core.database import Database
from kms.log import store
from kms.log.errors import LogDamaged, LogForked, LogFrozen, LogRolledBack
from kms.log.model import PublishedCheckpoint, TreeHead
from kms.log.rounds.checkpoints import intend
from support.log_world import LogWorld
from support.public_files import AuditedPublicFiles, FailingPublicFiles


async def rows(world: LogWorld) -> list[tuple[int, bool]]:
    """(size, signed) of every checkpoint row."""
    found = await world.read(
        lambda tx: tx.execute(sa.text("SELECT size, note FROM tlog_checkpoint ORDER BY size")).all()
    )
    return [(row.size, row.note is not None) for row in found]


async def test_a_step_signs_and_publishes_the_whole_tree(world: LogWorld) -> None:
    await world.log.step()
    await world.act(3)
    await world.log.step()
    assert await rows(world) == [(0, True), (3, True)]
    assert [checkpoint.size for checkpoint in world.audited.shown] == [0, 3]


async def test_nothing_new_is_not_signed_again(world: LogWorld) -> None:
    await world.act(3)
    for _ in range(3):
        await world.log.step()
    assert world.provider.signatures_released == 2
    assert len(world.audited.shown) == 1


async def test_an_old_checkpoint_is_signed_again_with_the_same_body(world: LogWorld) -> None:
    await world.act(3)
    await world.log.step()
    before = parse_note(world.audited.contents["checkpoint"])
    for seconds in (599, 1):
        world.clock.advance(seconds)
        await world.log.step()
    after = parse_note(world.audited.contents["checkpoint"])
    assert after.text == before.text
    assert after.signatures != before.signatures
    assert await rows(world) == [(3, True)]
    assert world.provider.signatures_released == 4


async def test_a_clock_that_was_ahead_does_not_stop_the_refresh(world: LogWorld) -> None:
    world.clock.advance(10_000)
    await world.log.step()
    world.clock.advance(-10_000)
    await world.log.step()
    assert world.provider.signatures_released == 4


async def test_the_intent_is_committed_before_the_key_is_used(world: LogWorld) -> None:
    seen: list[list[tuple[int, bool]]] = []
    real = world.provider.sign_ed25519

    async def sign_ed25519(*arguments: object, **named: object) -> bytes:
        other = Database(f"sqlite:///{world.path}")  # another connection sees what is committed only
        try:
            world.database, mine = other, world.database
            seen.append(await rows(world))
            world.database = mine
        finally:
            other.close()
        return await real(*arguments, **named)

    world.provider.sign_ed25519 = sign_ed25519
    await world.act(3)
    await world.log.step()
    assert seen == [[(3, False)]]


async def test_an_unsigned_intent_is_finished_before_another_is_made(world: LogWorld) -> None:
    await world.act(3)
    world.provider.fail_next(Operation.SIGN, TokenUnavailable("gone"))
    with pytest.raises(TokenUnavailable):
        await world.log.step()
    assert await rows(world) == [(3, False)]
    await world.act(4)
    await world.reopen()
    await world.log.prepare()
    await world.log.step()
    assert await rows(world) == [(3, True)], "size 3 first, though 7 are sequenced"
    await world.log.step()
    assert await rows(world) == [(3, True), (7, True)]
    assert [checkpoint.size for checkpoint in world.audited.shown] == [3, 7]


async def test_a_signed_checkpoint_that_was_not_published_is_published_at_start(world: LogWorld) -> None:
    failing = FailingPublicFiles(world.files)
    world.files = failing
    await world.reopen()
    await world.log.prepare()
    failing.fail_at = failing.writes
    await world.act(3)
    with pytest.raises(Exception, match="no space left"):
        await world.log.step()
    assert await rows(world) == [(3, True)]
    assert world.audited.shown == []
    released = world.provider.signatures_released
    await world.reopen()
    await world.log.start()
    assert [checkpoint.size for checkpoint in world.audited.shown] == [3]
    assert world.provider.signatures_released == released


async def test_two_replicas_agree_and_each_folder_is_whole(world: LogWorld) -> None:
    """Their own folders, their own steps, one database: every folder passes its audits."""
    other_files = AuditedPublicFiles(world.settings.origin)
    other = world.on_same_data(other_files)
    await other.prepare()
    for count in (3, 250, 4, 1, 300):
        await world.act(count)
        await asyncio.gather(world.log.step(), other.step())
        await world.act(count)
        await world.log.step()
    await other.step()
    assert other_files.shown[-1] == world.audited.shown[-1]
    assert (await world.log.checkpoint()).head == (await other.checkpoint()).head
    assert len(await rows(world)) == len({size for size, _ in await rows(world)})


async def test_a_slow_replica_does_not_take_back_what_a_fast_one_showed(world: LogWorld) -> None:
    slow = world.on_same_data(world.files)
    await slow.prepare()
    await world.act(2)
    await slow._sequencer.drain()
    behind, is_due = await world.database.write(lambda tx: intend(tx, None, world.clock.now(), 600))
    assert is_due
    note = await slow._checkpoints._signer.sign(
        behind.head, world.clock.now(), await world.read(slow._checkpoints._signer.look)
    )
    await world.act(3)
    for _ in range(2):  # the intent that was there before, then all of it
        await world.log.step()
    assert parse_checkpoint(parse_note(world.audited.contents["checkpoint"]).text).size == 5
    await slow._publisher.publish(PublishedCheckpoint(behind.head, note))
    assert parse_checkpoint(parse_note(world.audited.contents["checkpoint"]).text).size == 5


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        ("UPDATE tlog_state SET size = 4", LogFrozen),
        ("UPDATE tlog_state SET root = zeroblob(32)", LogForked),
        ("UPDATE tlog_tile SET hashes = zeroblob(32 * 8)", LogDamaged),
        ("INSERT INTO tlog_checkpoint (size, root) VALUES (9, zeroblob(32))", LogDamaged),
    ],
)
async def test_it_does_not_sign_what_contradicts_itself(world: LogWorld, damage: str, error: type[LogFrozen]) -> None:
    await world.act(5)
    await world.log.step()
    await world.database.write(lambda tx: tx.execute(sa.text(damage)))
    world.clock.advance(10_000)
    released = world.provider.signatures_released
    with pytest.raises(error):
        await world.log._checkpoints.step()
    assert world.provider.signatures_released == released


async def test_a_database_that_went_back_under_a_running_log_is_noticed(world: LogWorld) -> None:
    await world.act(5)
    await world.log.step()
    await world.database.write(lambda tx: tx.execute(sa.text("DELETE FROM tlog_checkpoint")))
    await world.database.write(lambda tx: tx.execute(sa.text("UPDATE tlog_state SET size = 2")))
    with pytest.raises(LogRolledBack):
        await world.log._checkpoints.step()


async def test_an_intent_needs_the_published_tree_as_prefix(world: LogWorld) -> None:
    await world.act(5)
    await world.log.step()
    published = await world.log.checkpoint()
    other = PublishedCheckpoint(TreeHead(4, b"x" * 32), published.note)
    world.clock.advance(10_000)
    with pytest.raises(LogForked):
        await world.database.write(lambda tx: intend(tx, other, world.clock.now(), 600))


async def test_failures_are_logged_once_and_retried_slowly(world: LogWorld, caplog: pytest.LogCaptureFixture) -> None:
    loop = world.log._checkpoints
    world.provider.fail_next(Operation.SIGN, PinLocked("the PIN is locked"), times=100)
    with caplog.at_level(logging.WARNING, logger="kms.log.rounds.checkpoints"):
        for _ in range(3):
            assert not await loop.attempt()
        assert isinstance(loop.failure, PinLocked)
        world.provider._failures[Operation.SIGN].clear()
        assert await loop.attempt()
    assert [record.message for record in caplog.records] == [
        "no checkpoint could be published, trying again: the PIN is locked",
        "checkpoints are published again",
    ]
    assert loop.failure is None


async def test_the_running_loop_does_not_turn_hot_without_its_hsm(world: LogWorld) -> None:
    attempts = 0
    loop = world.log._checkpoints
    real = loop.step

    async def step() -> None:
        nonlocal attempts
        attempts += 1
        await real()

    loop.step = step
    world.provider.fail_next(Operation.SIGN, TokenUnavailable("gone"), times=10_000)
    task = asyncio.create_task(loop.run())
    for _ in range(40):
        world.log._sequenced.notify()
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait([task])
    assert 1 <= attempts <= 4


async def test_checkpoints_keep_their_distance(world: LogWorld) -> None:
    world.settings = dataclasses.replace(world.settings, min_checkpoint_interval_seconds=0.15)
    world.clock = SystemClock()
    await world.reopen()
    await world.log.start()
    before = asyncio.get_running_loop().time()
    for _ in range(3):
        [promise] = await world.act()
        await world.log.confirm(promise, published=True)
    assert asyncio.get_running_loop().time() - before >= 0.3
    assert await world.read(store.entry_count) == 3
