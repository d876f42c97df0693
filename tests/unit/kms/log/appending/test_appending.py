import asyncio
import dataclasses
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from hallmark_tlog.entry import parse_entry, verify_opening
from hallmark_tlog.proof import verify_proof
from hsm.errors import TokenUnavailable
from hsm.testing import Operation
from kms.core.errors import AlreadyExists, InvalidArgument, Reason, ResourceExhausted, Unavailable
from kms.core.identity import Caller, Role
from kms.log.appending.appending import Appended, AppendWait, event_key_of
from kms.log.entries import openings_store
from kms.log.errors import LogFrozen
from kms.log.keys.succession import Succession
from kms.log.model import LogSettings
from support.append_world import BACKEND, AppendWorld, append_world, event, until
from support.public_files import AuditedPublicFiles

PERSONAL = {"approver": "Ada Lovelace", "mail": "ada@example.com"}


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[AppendWorld]:
    async with append_world(tmp_path) as world:
        yield world


async def entries(bench: AppendWorld) -> int:
    return len(await bench.world.stored())


@pytest.mark.parametrize("wait", AppendWait)
async def test_how_far_an_append_waits(bench: AppendWorld, wait: AppendWait) -> None:
    appended = await bench.append(event(facts={"n": "1"}), wait)
    assert appended.receipt is not None
    assert appended.receipt.leaf_index == 0
    if wait is AppendWait.PUBLISHED:
        assert bench.verify(appended.receipt.tlog_proof, appended.promise.entry).index == 0
    else:
        assert appended.receipt.tlog_proof is None
    entry = parse_entry(appended.promise.entry)
    assert entry.details == {"by": BACKEND.spiffe_id, "facts": {"n": "1"}}
    assert [stored.data for stored in await bench.world.stored()] == [appended.promise.entry]


async def test_facts_about_people_are_in_the_log_as_commitments_only(bench: AppendWorld) -> None:
    appended = await bench.append(event(personal=PERSONAL, person="p-1"))
    entry = parse_entry(appended.promise.entry)
    for name, value in PERSONAL.items():
        assert value.encode() not in appended.promise.entry
        assert verify_opening(entry, name, value, appended.salts[name]).value == value
    key = appended.promise.event_key
    assert await bench.world.read(lambda tx: openings_store.find_salts(tx, "default", [key])) == {key: appended.salts}
    assert await bench.world.read(lambda tx: openings_store.find_salts(tx, "another", [key])) == {}


async def test_the_same_event_again_is_answered_with_its_entry(bench: AppendWorld) -> None:
    one = event(personal=PERSONAL, facts={"a": "b"})
    first = await bench.append(one)
    again = await bench.append(one)
    assert (again.replayed, again.promise.entry, again.salts) == (True, first.promise.entry, first.salts)
    assert again.receipt is not None
    assert bench.verify(again.receipt.tlog_proof, again.promise.entry).index == 0
    assert await entries(bench) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"event_type": "com.example.model.withdrawn"},
        {"subject": "models/y"},
        {"facts": {"a": "c"}},
        {"facts": {}},
        {"by": "spiffe://hallmark.test/tenants/default/backend/c"},
        {"tenant": "another"},
        {"personal": {**PERSONAL, "mail": "eve@example.com"}},
        {"personal": {"approver": "Ada Lovelace"}},
        {"personal": {}},
    ],
    ids=str,
)
async def test_another_event_under_the_same_request_id_is_refused(bench: AppendWorld, change) -> None:
    one = event(personal=PERSONAL, facts={"a": "b"})
    await bench.append(one)
    with pytest.raises(AlreadyExists) as refused:
        await bench.append(dataclasses.replace(one, **change))
    assert refused.value.reason is Reason.REQUEST_ID_REUSED
    assert await entries(bench) == 1


async def test_after_the_salts_were_erased_a_repetition_gets_its_entry_and_no_salts(bench: AppendWorld) -> None:
    one = event(personal=PERSONAL, person="p-1")
    first = await bench.append(one)
    assert await bench.world.database.write(lambda tx: openings_store.erase_person(tx, "default", "p-1")) == 1
    again = await bench.append(one)
    assert (again.replayed, again.promise.entry, again.salts) == (True, first.promise.entry, {})
    with pytest.raises(AlreadyExists):
        await bench.append(dataclasses.replace(one, personal={"approver": "Ada Lovelace"}))


@pytest.mark.parametrize("wait", AppendWait)
async def test_whoever_waits_however_long_hears_of_a_repetition(bench: AppendWorld, wait: AppendWait) -> None:
    """Its place and proof are known before anybody has looked into the log for the event itself."""
    one = event(personal=PERSONAL)
    first = await bench.append(one)
    for _ in range(5):
        again = await bench.append(one, wait)
        assert (again.replayed, again.promise.entry, again.salts) == (True, first.promise.entry, first.salts)
        with pytest.raises(AlreadyExists):
            await bench.append(dataclasses.replace(one, subject="models/y"), wait)
    assert await entries(bench) == 1


async def test_twins_in_one_batch_are_one_entry(bench: AppendWorld) -> None:
    one = event(personal=PERSONAL)
    other = dataclasses.replace(one, subject="models/y")
    first, refused, again, alone = await bench.append_many([one, other, one, event()])
    assert isinstance(refused, AlreadyExists)
    assert (first.replayed, again.replayed, alone.replayed) == (False, True, False)
    assert (again.promise.entry, again.salts) == (first.promise.entry, first.salts)
    assert await entries(bench) == 2


async def test_twins_of_an_event_from_before_get_the_entry_that_is_in_the_log(bench: AppendWorld) -> None:
    one = event(personal=PERSONAL)
    before = await bench.append(one)
    answers = await bench.append_many([one, one])
    for answer in answers:
        assert (answer.replayed, answer.promise.entry, answer.salts) == (True, before.promise.entry, before.salts)
        assert bench.verify(answer.receipt.tlog_proof, answer.promise.entry).index == 0


async def test_twins_in_one_round_are_one_entry(bench: AppendWorld) -> None:
    one = event(personal=PERSONAL)
    answers = await asyncio.gather(*(bench.append(one) for _ in range(5)))
    assert sorted(answer.replayed for answer in answers) == [False, True, True, True, True]
    assert len({answer.promise.entry for answer in answers}) == 1
    assert len({tuple(sorted(answer.salts.items())) for answer in answers}) == 1
    assert await entries(bench) == 1


async def test_an_entry_that_is_too_large_falls_alone(bench: AppendWorld) -> None:
    large = event(facts={f"n{number}": "x" * 4096 for number in range(17)})
    first, refused, last = await bench.append_many([event(), large, event()])
    assert isinstance(refused, InvalidArgument)
    assert refused.reason is Reason.MESSAGE_TOO_LARGE
    assert isinstance(first, Appended)
    assert isinstance(last, Appended)
    with pytest.raises(InvalidArgument):
        await bench.append(large)
    assert await entries(bench) == 2


async def test_one_request_id_of_two_callers_is_two_events(bench: AppendWorld) -> None:
    request_id = str(uuid.uuid4())
    other = Caller("spiffe://hallmark.test/tenants/default/backend/c", "default", Role.BACKEND, "c")
    keys = {event_key_of(caller, request_id) for caller in (BACKEND, other)}
    assert len(keys) == 2
    assert all(key.startswith(request_id) and len(key) <= 64 for key in keys)
    for wrong in ("", "x", request_id.upper() + "1"):
        with pytest.raises(InvalidArgument):
            event_key_of(BACKEND, wrong)
    assert await entries(bench) == 0


async def test_who_gives_up_before_the_round_leaves_nothing(bench: AppendWorld) -> None:
    async with bench.world.log._sequencer._one_at_a_time:
        waiting = asyncio.create_task(bench.append(event(personal=PERSONAL)))
        await asyncio.sleep(0.02)
        waiting.cancel()
        await asyncio.wait([waiting])
    await bench.append(event())
    assert await entries(bench) == 1
    assert await bench.world.read(lambda tx: tx.execute(sa.text("SELECT count(*) FROM tlog_opening")).scalar()) == 0


async def test_a_queue_that_is_full_refuses_at_once(tmp_path: Path) -> None:
    async with append_world(tmp_path, queue_max=3) as bench:
        async with bench.world.log._sequencer._one_at_a_time:
            waiting = [asyncio.create_task(bench.append(event())) for _ in range(4)]
            # One of them may be in the hands of a round already that waits for its turn.
            await until(lambda: any(task.done() for task in waiting) or len(bench.world.log._sequencer._pending) == 3)
            with pytest.raises(ResourceExhausted):
                await bench.append_many([event() for _ in range(4)])
        await asyncio.wait(waiting)


async def test_a_log_that_is_frozen_says_so_to_who_waits_and_who_comes(bench: AppendWorld) -> None:
    await bench.append(event())
    await bench.world.database.write(lambda tx: tx.execute(sa.text("UPDATE tlog_state SET root = zeroblob(32)")))
    for _ in range(2):
        with pytest.raises(LogFrozen):
            await bench.append(event())
    assert await entries(bench) == 1


async def test_an_event_whose_proof_is_late_stands(bench: AppendWorld) -> None:
    bench.world.provider.fail_next(Operation.SIGN, TokenUnavailable("gone"), times=1000)
    one = event()
    waiting = asyncio.create_task(bench.append(one))
    while await entries(bench) == 0:  # noqa: ASYNC110 - the database is what is waited for
        await asyncio.sleep(0.01)
    await bench.world.log.close()
    with pytest.raises(Unavailable):
        await waiting
    with pytest.raises(Unavailable):
        await bench.append(event())
    bench.world.provider._failures[Operation.SIGN].clear()
    await bench.restart()
    again = await bench.append(one)
    assert again.replayed
    assert again.receipt is not None
    bench.verify(again.receipt.tlog_proof, again.promise.entry)
    assert await entries(bench) == 1


async def test_an_event_of_a_log_that_was_closed_keeps_its_place_and_proof(bench: AppendWorld) -> None:
    one = event(personal=PERSONAL)
    first = await bench.append(one)
    world, vkeys = bench.world, bench.world.log.verifier_keys()
    await Succession(world.database, world.provider, world.log, world.clock).run("log.example/next", rollback=None)
    world.settings = LogSettings(origin="log.example/next", min_checkpoint_interval_seconds=0)
    world.files = AuditedPublicFiles("log.example/next")
    await bench.restart()
    again, fresh = await bench.append_many([one, event()])
    assert (again.replayed, again.promise.entry, again.salts) == (True, first.promise.entry, first.salts)
    assert not fresh.replayed
    proved = verify_proof(again.receipt.tlog_proof, again.promise.entry, vkeys)
    assert proved.index == 0
    placed = await bench.append(one, AppendWait.SEQUENCED)
    assert placed.receipt is not None
    assert placed.receipt.leaf_index == 0
