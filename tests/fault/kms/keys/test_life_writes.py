"""Every write of every act on keys x {failed, failed but stored}: whoever tries again, the act happens exactly once.

The clock jobs are tried again by another replica when the claim of the one that failed is old.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from fault.kms.revocation.flaky import ConnectionLost, Fault, FlakyDatabase
from kms.core.idempotency import RequestKey
from kms.core.names import AliasName, KeyName, KeyVersionName
from kms.keys.algorithms import DEFAULT
from kms.keys.due import CLAIM_LIFETIME
from kms.keys.key_update import KeyUpdate
from kms.keys.lifecycle import Action
from kms.keys.policies import KeySettings, RotationPolicy
from support.trust_world import NAME, Replica, TrustWorld, trust_world

FIRST = KeyVersionName("default", "manifest", 1)
ALIAS = AliasName("default", "current")
OTHER = KeyName("default", "other")
DAY = 86_400
Step: TypeAlias = Callable[[TrustWorld, Replica, RequestKey], Awaitable[Any]]


class CountingDatabase(FlakyDatabase):
    """Also counts the writes. What is not a write passes through."""

    def __init__(self, database: Any) -> None:
        super().__init__(database)
        self.writes = 0

    async def write(self, work: Any) -> Any:
        self.writes += 1
        return await super().write(work)

    async def drop_overwritten(self) -> None:
        await self._database.drop_overwritten()


@dataclass(frozen=True)
class Act:
    """prepare: what has to be there first. run: the act, under one request_id; the clock jobs ignore it."""

    run: Step
    prepare: Callable[[TrustWorld], Awaitable[Any]] | None = None
    is_clock_work: bool = False


async def create(world: TrustWorld, replica: Replica, request: RequestKey) -> None:
    await replica.keys.create(OTHER, algorithm=DEFAULT, labels={}, request=request, now=world.now, published=False)


async def rotate(world: TrustWorld, replica: Replica, request: RequestKey) -> None:
    await replica.rotation.rotate(NAME, request=request, now=world.now, published=False)


async def publish(world: TrustWorld, replica: Replica, request: RequestKey) -> None:
    await replica.rotation.rotate(NAME, lead=timedelta(days=1), request=request, now=world.now, published=False)


async def take_the_waiting(world: TrustWorld, replica: Replica, request: RequestKey) -> None:
    await replica.rotation.rotate(NAME, lead=timedelta(0), request=request, now=world.now, published=False)


async def update(world: TrustWorld, replica: Replica, request: RequestKey) -> None:
    change = KeyUpdate(labels={"a": "b"}, rotation=RotationPolicy(period=timedelta(days=9)))
    await replica.keys.update(NAME, change, etag="", request=request, now=world.now, published=False)


async def suspend(world: TrustWorld, replica: Replica, request: RequestKey) -> None:
    await replica.life.change(FIRST, Action.SUSPEND, request=request, now=world.now, published=False)


async def set_alias(world: TrustWorld, replica: Replica, request: RequestKey) -> None:
    await replica.aliases.set(ALIAS, NAME, etag="", request=request, now=world.now, published=False)


async def delete_alias(world: TrustWorld, replica: Replica, request: RequestKey) -> None:
    await replica.aliases.delete(ALIAS, etag="", request=request, now=world.now)


async def report(world: TrustWorld, replica: Replica, request: RequestKey) -> None:
    await world.report(NAME, request=request, replica=replica)


async def clock(world: TrustWorld, replica: Replica, request: RequestKey) -> None:
    """Without the scheduler's own catching of errors, so that the fault is seen."""
    scheduler = replica.scheduler
    for job in (scheduler.promote, scheduler.rotate, scheduler.replan, replica.destroyer.run_due):
        await job(world.now)
    bundle = await replica.maker.current("default", world.now)
    assert bundle.sequence >= 1
    await replica.publisher.publish_due(world.now)


async def with_schedule(world: TrustWorld) -> None:
    change = KeyUpdate(rotation=RotationPolicy(period=timedelta(days=2)))
    request = world.base.request()
    await world.replica.keys.update(NAME, change, etag="", request=request, now=world.now, published=False)
    world.advance(2 * DAY)


async def with_a_version_that_waits(world: TrustWorld) -> None:
    await world.base.rotate(lead=timedelta(days=1))
    await world.replica.maker.current("default", world.now)
    await world.replica.publisher.publish_due(world.now)
    world.advance(DAY)


async def with_a_version_to_destroy(world: TrustWorld) -> None:
    await world.base.create("other", settings=KeySettings(destroy_wait=timedelta(days=1)))
    await world.act(1, Action.DEACTIVATE)
    await world.act(1, Action.SCHEDULE_DESTROY)
    world.advance(31 * DAY)


async def with_a_plan_of_a_clock_that_was_ahead(world: TrustWorld) -> None:
    await with_schedule(world)
    world.base.world.clock.jump(100 * DAY)
    await world.replica.scheduler.rotate(world.now)
    world.base.world.clock.jump(-100 * DAY)


async def with_an_alias(world: TrustWorld) -> None:
    await set_alias(world, world.replica, world.base.request())


ACTS = {
    "CreateKey": Act(create),
    "RotateKey": Act(rotate),
    "RotateKey with a lead": Act(publish),
    "RotateKey takes the waiting version": Act(take_the_waiting, with_a_version_that_waits),
    "UpdateKey": Act(update),
    "ChangeKeyVersionState": Act(suspend),
    "SetAlias": Act(set_alias),
    "DeleteAlias": Act(delete_alias, with_an_alias),
    "ReportKeyCompromise": Act(report, with_a_version_that_waits),
    "scheduled rotation": Act(clock, with_schedule, is_clock_work=True),
    "promotion": Act(clock, with_a_version_that_waits, is_clock_work=True),
    "planning again": Act(clock, with_a_plan_of_a_clock_that_was_ahead, is_clock_work=True),
    "destruction": Act(clock, with_a_version_to_destroy, is_clock_work=True),
}


async def summary(world: TrustWorld) -> dict[str, Any]:
    """What must be the same however the act came about. Not the number of bundles: one too many is harmless."""
    found: dict[str, Any] = {}
    keys = await world.base.keys.list("default", after="", limit=10)
    for key in keys:
        versions = [(version.state, version.material is None) for version in key.versions]
        found[key.name.key] = versions, key.primary, key.aliases, dict(key.labels), key.settings
    page = await world.replica.revocations.list("default", None, limit=10, now=world.now)
    found["revocations"] = [str(event.revocation.subject) for event in page.events]
    types = Counter(await world.event_types())
    types.pop("trust-bundle.issued", None)
    found["log"] = types
    return found


async def run(folder: Path, act: Act, fault: Fault | None, at: int) -> tuple[dict[str, Any], int]:
    """The summary, and how many writes the first attempt made."""
    async with trust_world(folder) as world:
        if act.prepare is not None:
            await act.prepare(world)
        flaky = CountingDatabase(world.base.world.database)
        flaky.plan(*[None] * at, fault)
        request = world.base.request(b"body")
        with contextlib.suppress(ConnectionLost):
            await act.run(world, world.another(70, database=flaky), request)
        writes = flaky.writes
        if act.is_clock_work:
            world.advance(CLAIM_LIFETIME.total_seconds())
        await act.run(world, world.another(71), request)
        return await summary(world), writes


@pytest.mark.parametrize("name", ACTS)
async def test_every_write_of(name: str, tmp_path: Path) -> None:
    act = ACTS[name]

    async def in_folder(number: int, fault: Fault | None, at: int) -> tuple[dict[str, Any], int]:
        folder = tmp_path / str(number)
        await asyncio.to_thread(folder.mkdir)
        return await run(folder, act, fault, at)

    expected, writes = await in_folder(0, None, 0)
    assert writes >= 1
    number = 0
    for at in range(writes):
        for fault in Fault:
            number += 1
            found, _ = await in_folder(number, fault, at)
            assert found == expected, f"write {at} {fault.value}"
