import asyncio
import dataclasses
import logging

import pytest
import sqlalchemy as sa

from hallmark_tlog.proof import verify_proof
from hallmark_tlog.vkey import parse_vkey
from hsm.errors import TokenUnavailable
from hsm.testing import Operation
from kms.core.clock import SystemClock
from kms.core.errors import DeadlineExceeded, Reason, ResourceExhausted, Unavailable
from kms.log.errors import EntryTooLarge, EventRecordedTwice, LogDamaged, LogFrozen
from kms.log.model import LogEntry
from support.log_world import ORIGIN, LogWorld


@pytest.fixture
async def running(bare_world: LogWorld) -> LogWorld:
    bare_world.clock = SystemClock()
    await bare_world.reopen()
    await bare_world.log.start()
    return bare_world


async def test_a_promise_turns_into_a_proof(running: LogWorld) -> None:
    [promise] = await running.act()
    assert (promise.leaf_index, promise.tlog_proof) == (None, None)
    published = await running.log.confirm(promise, published=True)
    assert published.leaf_index == 0
    assert published.tlog_proof is not None
    fact = verify_proof(published.tlog_proof, promise.entry, running.log.verifier_keys(), origin=ORIGIN)
    assert fact.index == 0
    assert (published.event_key, published.entry) == (promise.event_key, promise.entry)


async def test_committed_is_enough_for_who_does_not_wait(running: LogWorld) -> None:
    [promise] = await running.act()
    assert await running.log.confirm(promise, published=False) == promise
    for _ in range(500):
        if (await running.log.checkpoint()).head.size:
            break
        await asyncio.sleep(0.01)
    assert (await running.log.inclusion_proof(promise.event_key)).entry.data == promise.entry


async def test_an_old_promise_is_confirmed_without_anything_new(running: LogWorld) -> None:
    [promise] = await running.act()
    first = await running.log.confirm(promise, published=True)
    signed = running.provider.signatures_released
    assert await running.log.confirm(promise, published=True) == first
    assert await running.log.confirm(first, published=True) == first
    assert running.provider.signatures_released == signed


async def test_many_wait_at_once(running: LogWorld) -> None:
    promises = [promise for _ in range(20) for promise in await running.act(15)]
    confirmed = await asyncio.gather(*(running.log.confirm(promise, published=True) for promise in promises))
    assert [promise.leaf_index for promise in confirmed] == list(range(300))


async def test_what_rolled_back_is_not_in_the_log(world: LogWorld) -> None:
    def fails(tx: sa.Connection) -> None:
        world.log.record(tx, world.entry())
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await world.database.write(fails)
    await world.act()
    await world.log.step()
    assert [entry.data for entry in await world.stored()] == [promise.entry for promise in world.recorded]


async def test_several_acts_of_one_transaction_are_all_recorded_or_none(world: LogWorld) -> None:
    entries = [world.entry() for _ in range(3)]
    promises = await world.database.write(lambda tx: world.log.record_many(tx, entries))
    assert [promise.entry for promise in promises] == [entry.encode() for entry in entries]
    with pytest.raises(EventRecordedTwice, match=entries[2].event_key):
        await world.database.write(lambda tx: world.log.record_many(tx, [world.entry(), entries[2]]))
    await world.log.step()
    with pytest.raises(EventRecordedTwice, match=entries[1].event_key):
        await world.database.write(lambda tx: world.log.record_many(tx, [world.entry(), entries[1], world.entry()]))
    assert [entry.data for entry in await world.stored()] == [promise.entry for promise in promises]


async def test_closing_publishes_a_last_checkpoint(running: LogWorld) -> None:
    await running.act(4)  # nobody confirmed, nobody woke the loops
    await running.log.close()
    assert running.audited.shown[-1].size == 4


async def test_closing_without_an_hsm_leaves_the_rest_to_the_next_start(
    running: LogWorld, caplog: pytest.LogCaptureFixture
) -> None:
    await running.act(4)
    running.provider.fail_next(Operation.SIGN, TokenUnavailable("gone"), times=2)
    with caplog.at_level(logging.WARNING, logger="kms.log.service"):
        await running.log.close()
    assert [record.message for record in caplog.records] == ["the last checkpoint is left to the next start: gone"]
    running.provider._failures[Operation.SIGN].clear()
    await running.reopen()
    await running.log.start()
    assert running.audited.shown[-1].size == 4


async def test_the_queue_is_bounded(bare_world: LogWorld) -> None:
    bare_world.settings = dataclasses.replace(bare_world.settings, queue_max=5)
    await bare_world.reopen()
    await bare_world.log.prepare()
    await bare_world.act(5)
    with pytest.raises(ResourceExhausted) as caught:
        await bare_world.act()
    assert (caught.value.reason, caught.value.retry_after_seconds) == (Reason.QUEUE_FULL, 1)
    await bare_world.log.step()
    await bare_world.act(5)


async def test_an_entry_fits_in_a_bundle(world: LogWorld) -> None:
    def entry(characters: int) -> LogEntry:
        return dataclasses.replace(world.entry(), details={"x": "y" * characters})

    rest = 65_535 - len(entry(0).encode())
    await world.database.write(lambda tx: world.log.record(tx, entry(rest)))
    with pytest.raises(EntryTooLarge):
        await world.database.write(lambda tx: world.log.record(tx, entry(rest + 1)))
    await world.log.step()


async def test_without_its_hsm_the_log_takes_entries_and_says_why_it_is_late(running: LogWorld) -> None:
    running.provider.fail_next(Operation.SIGN, TokenUnavailable("the token is gone"), times=1000)
    [promise] = await running.act()
    with pytest.raises(Unavailable, match=r"the log entry is committed.*the token is gone") as caught:
        await running.log.confirm(promise, published=True, timeout_seconds=0.4)
    assert caught.value.reason == Reason.HSM_UNAVAILABLE
    assert len(await running.stored()) == 1, "sequenced all the same"
    [second] = await running.act()
    running.provider._failures[Operation.SIGN].clear()
    assert (await running.log.confirm(second, published=True)).leaf_index == 1
    assert (await running.log.confirm(promise, published=True)).leaf_index == 0


async def test_it_starts_without_its_hsm_once_it_has_keys(running: LogWorld) -> None:
    await running.act()
    await running.close()
    running.provider.fail_next(Operation.SIGN, TokenUnavailable("gone"), times=2)
    await running.open()
    await running.log.start()
    [promise] = await running.act()
    assert (await running.log.confirm(promise, published=True)).leaf_index == 1


async def test_a_first_start_needs_the_hsm(bare_world: LogWorld) -> None:
    bare_world.provider.fail_next(Operation.GENERATE, TokenUnavailable("gone"))
    with pytest.raises(Unavailable, match="the keys of the log can not be made: gone") as caught:
        await bare_world.log.start()
    assert caught.value.reason == Reason.HSM_UNAVAILABLE
    await bare_world.log.start()


async def test_late_for_no_known_reason_is_a_deadline(world: LogWorld) -> None:
    [promise] = await world.act()
    with pytest.raises(DeadlineExceeded, match=promise.event_key):
        await world.log.confirm(promise, published=True, timeout_seconds=0.01)


async def test_a_caller_that_goes_away_leaves_nothing(running: LogWorld) -> None:
    [promise] = await running.act()
    waiting = asyncio.create_task(running.log.confirm(promise, published=True))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert not running.log._waiters.is_proof_awaited
    assert (await running.log.confirm(promise, published=True)).leaf_index == 0


async def test_closing_tells_who_waits_to_come_back(running: LogWorld) -> None:
    running.provider.fail_next(Operation.SIGN, TokenUnavailable("gone"), times=1000)
    [promise] = await running.act()
    waiting = asyncio.create_task(running.log.confirm(promise, published=True))
    await asyncio.sleep(0.05)
    await running.log.close()
    with pytest.raises(Unavailable) as caught:
        await waiting
    assert caught.value.reason == Reason.SHUTTING_DOWN
    await running.log.close()


async def test_damage_found_while_running_freezes_the_log(running: LogWorld, caplog: pytest.LogCaptureFixture) -> None:
    [promise] = await running.act()
    await running.log.confirm(promise, published=True)
    await running.database.write(lambda tx: tx.execute(sa.text("UPDATE tlog_tile SET hashes = zeroblob(32)")))
    [promise] = await running.act()
    with caplog.at_level(logging.CRITICAL, logger="kms.log.service"), pytest.raises(LogDamaged):
        await running.log.confirm(promise, published=True)
    assert [record.levelname for record in caplog.records] == ["CRITICAL"]
    with pytest.raises(LogFrozen):
        await running.act()
    signed = running.provider.signatures_released
    await asyncio.sleep(0.05)
    assert running.provider.signatures_released == signed


async def test_verifier_keys_are_public(running: LogWorld) -> None:
    lines = (await running.files.read("verifier-keys") or b"").decode().splitlines()
    assert [parse_vkey(line) for line in lines] == running.log.verifier_keys()


async def test_there_is_a_checkpoint_from_the_beginning(running: LogWorld) -> None:
    checkpoint = await running.log.checkpoint()
    assert checkpoint.head.size == 0
    assert checkpoint.note == await running.files.read("checkpoint")


async def test_before_the_first_checkpoint_reading_says_retry(world: LogWorld) -> None:
    with pytest.raises(Unavailable, match="no checkpoint is published yet"):
        await world.log.inclusion_proof(0)
