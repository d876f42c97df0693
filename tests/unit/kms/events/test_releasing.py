import asyncio
import contextlib

import pytest

from hallmark.v1 import events_pb2
from hallmark_events.batch import BatchTree, join_path
from hallmark_tlog.policy import parse_policy
from hallmark_tlog.proof import verify_proof
from kms.app.events import satisfied_by
from kms.core.ids import new_id
from kms.events.appending import BatchLeaf
from kms.events.model import (
    GLOBAL,
    Batch,
    Draft,
    InitiatingEntity,
    Priority,
    Status,
    device_feed,
)
from kms.events.payload import event_payload
from kms.events.releasing import Releaser
from kms.log.model import LogEntry
from support.log_world import LogWorld
from unit.kms.events.bench import ISSUER, TENANT, URI, Replica, device_named, replica_of, start, told

DEVICE = events_pb2.FEED_DEVICE


async def _release(replica: Replica, releaser: Releaser | None = None) -> int:
    """While the log publishes."""
    releasing = asyncio.create_task((releaser or replica.parts.releaser).release_due())
    while not releasing.done():
        await replica.world.log.step()
        await asyncio.sleep(0.01)
    return await releasing


async def test_what_allows_something_waits_for_the_log(replica: Replica) -> None:
    await replica.act("artifacts/a", Status.SUSPENDED)
    async with replica.watching() as frames:
        await frames.take(3)
        await replica.act("artifacts/a", Status.VALID, held=True)
        waiting = asyncio.create_task(frames.take(2))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        assert await _release(replica) == 1
        event, bookmark = await waiting
    assert told([event, bookmark]) == ["a", "bookmark"]
    promise = event.event.log
    verify_proof(promise.tlog_proof, promise.entry, replica.world.log.verifier_keys(), origin=replica.world.log.origin)
    assert await _release(replica) == 0


async def test_a_restriction_that_came_first_is_not_lifted(replica: Replica) -> None:
    await replica.act("artifacts/a", Status.SUSPENDED)
    await replica.act("artifacts/a", Status.VALID, held=True)
    await replica.act("artifacts/a", Status.INVALID)
    assert await _release(replica) == 1
    answer = await replica.poll()
    assert [frame.bookmark.sequence for frame in answer.sets if frame.HasField("bookmark")] == [2]


async def test_held_events_of_one_subject_keep_their_order(replica: Replica) -> None:
    """Whatever the order in which they are found: the newer revision is what counts."""
    newer = await replica.act("artifacts/a", Status.SUSPENDED, held=True, revision=2)
    replica.world.clock.advance(1)
    await replica.act("artifacts/a", Status.VALID, held=True, revision=1)
    assert await _release(replica) == 2
    known = await replica.database.read(
        lambda tx: replica.events.known(tx, TENANT, GLOBAL, f"tenants/{TENANT}/artifacts/a")
    )
    assert known is not None
    assert (known.revision, known.status) == (2, Status.SUSPENDED)
    assert newer.revision == 2


async def test_two_replicas_release_each_event_once(world: LogWorld) -> None:
    async with replica_of(world) as here, replica_of(world, seed=2) as there:
        for name in "abc":
            await here.act(f"artifacts/{name}", Status.VALID, held=True)
        releasing = [asyncio.create_task(each.parts.releaser.release_due()) for each in (here, there)]
        while not all(task.done() for task in releasing):
            await world.log.step()
            await asyncio.sleep(0.01)
        answer = await here.poll()
    assert sorted(told(answer.sets)[1:-2]) == ["a", "b", "c"]
    assert answer.sets[-2].bookmark.sequence == 3


async def test_without_the_witnesses_nothing_is_allowed(replica: Replica) -> None:
    releaser = Releaser(replica.events, replica.world.clock, lambda _promise: False)
    await replica.act("artifacts/a", Status.VALID, held=True)
    assert await _release(replica, releaser) == 0
    assert told((await replica.poll()).sets)[1] == "bookmark"
    assert await _release(replica) == 1


async def test_any_published_proof_will_do_without_witnesses(replica: Replica) -> None:
    satisfies = satisfied_by(replica.world.log, parse_policy("quorum none\n"))
    (promise,) = await replica.world.act()
    assert satisfies(promise)


async def test_leases_come_in_batches_with_their_paths(replica: Replica) -> None:
    devices = [device_named(number) for number in range(1, 6)]
    now = replica.world.clock.now()
    drafts = [
        Draft(
            id=replica.events.new_id(now),
            tenant=TENANT,
            uri=URI,
            subject=f"tenants/{TENANT}/leases/{number}",
            revision=1,
            status=Status.VALID,
            event_time=now,
            effective_time=now,
            initiating_entity=InitiatingEntity.SYSTEM,
            priority=Priority.LEASE,
        )
        for number in range(5)
    ]
    payloads = [event_payload(draft, issuer=ISSUER) for draft in drafts]
    tree = BatchTree(payloads)
    batch_id = new_id(now, replica.events.randomness)

    def work(tx: object) -> None:
        entry = LogEntry(batch_id, "com.example.key.used", TENANT, f"tenants/{TENANT}", now, {"n": 1})
        promise = replica.world.log.record(tx, entry)  # type: ignore[arg-type]
        batch = Batch(id=batch_id, tenant=TENANT, tree_size=5, promise=promise)
        leaves = [
            BatchLeaf(draft, payload, index, join_path(tree.path(index).path), device_feed(device))
            for index, (draft, payload, device) in enumerate(zip(drafts, payloads, devices, strict=True))
        ]
        replica.events.hold_batch(tx, batch, leaves)  # type: ignore[arg-type]

    await replica.database.write(work)
    assert await _release(replica) == 5
    for index, device in enumerate(devices):
        event = (await replica.poll(start(DEVICE), device=device)).sets[1].event
        assert event.set == payloads[index]
        assert not event.HasField("signature")
        assert list(event.batch.path) == list(tree.path(index).path)
        assert event.log.tlog_proof


async def test_the_releaser_outlives_a_log_that_is_away(replica: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = iter([OSError("away"), OSError("away")])
    real = replica.database.read

    async def read(work: object) -> object:
        if getattr(work, "__name__", "") == "_oldest_held" and (failure := next(failures, None)) is not None:
            raise failure
        return await real(work)  # type: ignore[arg-type]

    await replica.act("artifacts/a", Status.VALID, held=True)
    replica.parts.hub.tick_seconds = 60
    monkeypatch.setattr("kms.events.releasing.IDLE_SECONDS", 0.01)
    monkeypatch.setattr(replica.database, "read", read)
    running = asyncio.create_task(replica.parts.releaser.run())
    async with asyncio.timeout(10):
        while "a" not in told((await replica.poll()).sets):
            await replica.world.log.step()
            await asyncio.sleep(0.02)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
