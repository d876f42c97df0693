"""Rows of the table of writes: events put into feeds, held, released, acknowledged, cleaned away, histories replaced."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from fault.kms.write_table import CHECKPOINTS, Row
from hallmark_events.batch import BatchTree, join_path
from kms.core.ids import new_id
from kms.events.acks import AcknowledgementService
from kms.events.appending import BatchLeaf, Events, Overtaken
from kms.events.cleaning import clean
from kms.events.model import (
    GLOBAL,
    Batch,
    Draft,
    InitiatingEntity,
    Priority,
    SignedEvent,
    Status,
    device_feed,
)
from kms.events.payload import event_payload
from kms.events.releasing import Releaser
from kms.events.replacing import replace_history
from kms.log.model import LogEntry
from unit.kms.events.bench import ISSUER, TENANT, URI, Replica, device_named, event_world, replica_of

_MINE: Final = device_named(1)
_FEEDS: Final = (GLOBAL, device_feed(_MINE))


@dataclass
class _World:
    replica: Replica
    ids: dict[str, str] = field(default_factory=dict)

    def events(self, database: Any) -> Events:
        return replace(self.replica.events, database=database)

    def draft(self, subject: str, *, status: Status = Status.INVALID, priority: Priority = Priority.URGENT) -> Draft:
        now = self.replica.world.clock.now()
        event_id = self.ids.setdefault(subject, self.replica.events.new_id(now))
        return Draft(
            id=event_id,
            tenant=TENANT,
            uri=URI,
            subject=f"tenants/{TENANT}/{subject}",
            revision=1,
            status=status,
            event_time=now,
            effective_time=now,
            initiating_entity=InitiatingEntity.ADMIN,
            priority=priority,
        )

    def entry(self, draft: Draft) -> LogEntry:
        return LogEntry(draft.id, "com.example.key.used", TENANT, draft.subject, draft.event_time, {"n": 1})


@contextlib.asynccontextmanager
async def _world(folder: Path) -> AsyncIterator[_World]:
    async with event_world(folder) as world, replica_of(world, follows=False) as replica:
        yield _World(replica)


async def _append(world: _World, _: Any, database: Any, _attempt: int) -> None:
    """As acts do: what is there already is not done again."""
    events, draft = world.events(database), world.draft("keys/a")
    signed = await events.sign(draft, draft.event_time)

    def work(tx: Any) -> None:
        known = events.known(tx, TENANT, GLOBAL, draft.subject)
        if known is None:
            promise = world.replica.world.log.record(tx, world.entry(draft))
            events.append(tx, signed, promise, _FEEDS[:1], held_for=_FEEDS[1:])

    with contextlib.suppress(Overtaken):
        await database.write(work)


async def _hold_all(world: _World, database: Any) -> None:
    """One event alone, and three in a batch."""
    events, log = world.events(database), world.replica.world.log
    alone = world.draft("artifacts/a", status=Status.VALID)
    signed: SignedEvent = await events.sign(alone, alone.event_time)
    leases = [world.draft(f"leases/{name}", status=Status.VALID, priority=Priority.LEASE) for name in "abc"]
    payloads = [event_payload(draft, issuer=ISSUER) for draft in leases]
    tree = BatchTree(payloads)
    batch_id = world.ids.setdefault("batch", new_id(alone.event_time, events.randomness))

    def work(tx: Any) -> None:
        from kms.events import history

        if history.find_events(tx, [alone.id]):
            return
        events.hold(tx, signed, log.record(tx, world.entry(alone)), _FEEDS)
        promise = log.record(tx, world.entry(replace(alone, id=batch_id)))
        batch = Batch(id=batch_id, tenant=TENANT, tree_size=3, promise=promise)
        leaves = [
            BatchLeaf(draft, payload, index, join_path(tree.path(index).path), device_feed(device_named(index + 1)))
            for index, (draft, payload) in enumerate(zip(leases, payloads, strict=True))
        ]
        events.hold_batch(tx, batch, leaves)

    await database.write(work)


async def _hold(world: _World, _: Any, database: Any, _attempt: int) -> None:
    await _hold_all(world, database)


async def _held(world: _World) -> None:
    await _hold_all(world, world.replica.database)


async def _release(world: _World, _: Any, database: Any, _attempt: int) -> None:
    releaser = Releaser(world.events(database), world.replica.world.clock, lambda _promise: True)
    releasing = asyncio.create_task(releaser.release_due())
    while not releasing.done():
        await world.replica.world.log.step()
        await asyncio.sleep(0.01)
    await releasing


async def _appended(world: _World) -> tuple[str, str]:
    first = await world.replica.act("leases/a", Status.VALID, feeds=_FEEDS, priority=Priority.LEASE)
    second = await world.replica.act("leases/a", Status.VALID, feeds=_FEEDS, priority=Priority.LEASE)
    service = AcknowledgementService(world.replica.database, None)
    now = world.replica.world.clock.now()
    await service.acknowledge(_MINE, {first.id: ("invalid_key", "")}, now)
    return first.id, second.id


async def _acknowledge(world: _World, ids: tuple[str, str], database: Any, _attempt: int) -> None:
    now = world.replica.world.clock.now()
    await AcknowledgementService(database, None).acknowledge(_MINE, dict.fromkeys(ids, ("", "")), now)


async def _clean(world: _World, _: Any, database: Any, _attempt: int) -> None:
    await clean(database, world.replica.world.clock.now() + timedelta(days=2))


async def _released(world: _World) -> None:
    """A batch whose leases were all renewed since."""
    await _held(world)
    await _release(world, None, world.replica.database, 0)
    for index, name in enumerate("abc"):
        feeds = [device_feed(device_named(index + 1))]
        await world.replica.act(f"leases/{name}", Status.VALID, feeds=feeds, priority=Priority.LEASE)


async def _epoch(world: _World) -> bytes:
    await _appended(world)
    return (await world.replica.events.newest(TENANT, GLOBAL, world.replica.world.clock.now())).epoch


async def _replace(world: _World, epoch: bytes, database: Any, _attempt: int) -> None:
    await replace_history(world.events(database), TENANT, epoch, world.replica.world.clock.now())


def _row(run: Any, prepare: Any = None) -> Row:
    return Row(
        world=_world,
        run=run,
        prepare=prepare,
        database=lambda world: world.replica.database,
        harmless=CHECKPOINTS,
    )


ROWS: Final[dict[str, Row]] = {
    "an event": _row(_append),
    "events that are held": _row(_hold),
    "events that are released": _row(_release, _held),
    "AcknowledgeEvents": _row(_acknowledge, _appended),
    "cleaning of replaced leases": _row(_clean, _appended),
    "cleaning of a batch": _row(_clean, _released),
    "a new history": _row(_replace, _epoch),
}
