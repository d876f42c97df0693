"""Rotations by the clock: with a lead, with several replicas, after downtime."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hsm.errors import TokenUnavailable
from hsm.testing import Operation
from kms.core.names import KeyName, KeyVersionName
from kms.keys.algorithms import DEFAULT
from kms.keys.key_update import KeyUpdate
from kms.keys.lifecycle import Action
from kms.keys.model import KeyVersionState as S
from kms.keys.policies import KeySettings, RotationPolicy
from kms.public.errors import PublicFilesUnavailable
from support.public_files import FailingPublicFiles
from support.trust_world import NAME, TrustWorld, trust_world

DAY = 86_400
WEEKLY = RotationPolicy(period=timedelta(days=7), publish_lead=timedelta(days=1))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[TrustWorld]:
    async with trust_world(tmp_path) as world:
        yield world


async def set_rotation(world: TrustWorld, rotation: RotationPolicy) -> None:
    update = KeyUpdate(rotation=rotation)
    request = world.base.request()
    await world.replica.keys.update(NAME, update, etag="", request=request, now=world.now, published=False)


async def states(world: TrustWorld) -> list[S]:
    """Newest first."""
    return [version.state for version in (await world.key()).versions]


async def test_the_next_version_is_published_first_and_signs_when_its_lead_is_over(world: TrustWorld) -> None:
    await set_rotation(world, WEEKLY)
    world.advance(6 * DAY - 1)
    await world.replica.scheduler.step()
    assert await states(world) == [S.ACTIVE]
    world.advance(1)
    await world.replica.scheduler.step()
    assert await states(world) == [S.PRE_ACTIVE, S.ACTIVE]
    assert (await world.replica.trust.readiness_of(NAME, NAME.tenant, world.now)).bundle_sequence == 2
    world.advance(DAY - 1)
    await world.replica.scheduler.step()
    assert (await world.key()).primary == 1
    world.advance(1)
    await world.replica.scheduler.step()
    assert await states(world) == [S.ACTIVE, S.DEACTIVATED]
    assert (await world.key()).next_rotation_time == world.now + timedelta(days=6)
    assert (await world.event_types()).count("key.rotated") == 1


async def test_after_a_long_downtime_a_key_is_rotated_once(world: TrustWorld) -> None:
    await set_rotation(world, RotationPolicy(period=timedelta(days=1)))
    world.advance(100 * DAY)
    for _ in range(3):
        await world.replica.scheduler.step()
    assert await states(world) == [S.ACTIVE, S.DEACTIVATED]
    assert (await world.key()).next_rotation_time == world.now + timedelta(days=1)


async def test_a_promotion_that_downtime_delayed_happens_at_the_first_round(world: TrustWorld) -> None:
    await world.base.rotate(lead=timedelta(hours=1))
    await world.replica.scheduler.step()
    world.advance(100 * DAY)
    await world.another(2).scheduler.step()
    assert await states(world) == [S.ACTIVE, S.DEACTIVATED]


async def test_of_several_replicas_one_rotates(world: TrustWorld) -> None:
    await set_rotation(world, RotationPolicy(period=timedelta(days=1)))
    replicas = [world.replica, *(world.another(seed) for seed in range(20, 24))]
    generated = len(world.base.world.provider._token._keys)
    for _ in range(5):
        world.advance(DAY)
        await asyncio.gather(*(replica.scheduler.step() for replica in replicas))
    assert len(await states(world)) == 6
    assert len(world.base.world.provider._token._keys) == generated + 5, "no key pair without a row"


async def test_of_several_replicas_one_promotes(world: TrustWorld) -> None:
    await world.base.rotate(lead=timedelta(hours=1))
    await world.replica.scheduler.step()
    world.advance(3600)
    await asyncio.gather(*(world.another(seed).scheduler.step() for seed in range(20, 25)))
    assert await states(world) == [S.ACTIVE, S.DEACTIVATED]
    assert (await world.event_types()).count("key-version.activated") == 1


async def published_states(world: TrustWorld) -> list[list[str]]:
    """Of the versions of NAME in each public bundle, oldest bundle first, newest version first."""
    found = []
    for number in range(1, 100):
        document = world.files.contents.get(f"trust/default/bundle-{number}.json")
        if document is None:
            return found
        payload = json.loads(base64.b64decode(json.loads(document)["payload"]))
        (key,) = (key for key in payload["keys"] if key["key"] == str(NAME))
        found.append([version["state"] for version in key["versions"]])
    raise AssertionError("too many")


async def test_a_version_that_no_bundle_showed_is_published_for_its_whole_lead_first(world: TrustWorld) -> None:
    """Killed between the rotation and the next bundle, and back long after the lead."""
    await world.replica.scheduler.step()
    await world.base.rotate(lead=timedelta(hours=1))
    world.advance(7200)
    await world.replica.scheduler.step()
    assert (await world.key()).primary == 1
    assert (await published_states(world))[-1] == ["PRE_ACTIVE", "ACTIVE"]
    world.advance(3599)
    await world.replica.scheduler.step()
    assert (await world.key()).primary == 1
    world.advance(1)
    await world.replica.scheduler.step()
    assert await states(world) == [S.ACTIVE, S.DEACTIVATED]


async def test_a_bundle_that_can_not_be_published_holds_the_version_back(world: TrustWorld) -> None:
    await world.base.rotate(lead=timedelta(hours=1))
    failing = FailingPublicFiles(world.files)
    failing.fail_at, failing.stored_anyway = 0, False
    await world.another(40, files=failing).scheduler.step()
    world.advance(3600)
    await world.replica.scheduler.step()
    assert (await world.key()).primary == 1
    world.advance(3600)
    await world.replica.scheduler.step()
    assert (await world.key()).primary == 2


async def test_an_operator_need_not_wait_for_a_bundle(world: TrustWorld) -> None:
    await world.base.rotate(lead=timedelta(hours=1))
    assert (await world.act(2, Action.ACTIVATE)).primary == 2


OWN = KeyName("system", "trust-bundle")


async def make(world: TrustWorld, tenant: str) -> None:
    name, request = KeyName(tenant, "k"), world.base.request()
    await world.replica.keys.create(name, algorithm=DEFAULT, labels={}, request=request, now=world.now, published=False)


async def rotate_own(world: TrustWorld) -> None:
    await world.replica.rotation.rotate(OWN, request=world.base.request(), now=world.now, published=False)


async def test_a_key_of_the_service_waits_for_the_bundles_of_every_tenant(world: TrustWorld) -> None:
    """Also for a tenant whose file can not be written for days, though not for one that joins."""
    await make(world, "others")
    await world.replica.scheduler.step()
    await rotate_own(world)
    original = world.files.add

    async def add(files: Any) -> None:
        if "others" in files[0].path:
            raise PublicFilesUnavailable(files[0].path, "no space left on device")
        await original(files)

    world.files.add = add  # type: ignore[method-assign]
    await world.replica.scheduler.step()
    world.advance(9 * DAY)
    await world.replica.scheduler.step()
    assert (await world.key(OWN)).primary == 1
    world.files.add = original  # type: ignore[method-assign]
    await world.replica.scheduler.step()
    world.advance(7 * DAY)
    await make(world, "newcomers")
    await world.replica.scheduler.step()
    assert (await world.key(OWN)).primary == 1
    world.advance(DAY)
    await world.replica.scheduler.step()
    assert (await world.key(OWN)).primary == 2


async def test_a_version_that_waits_does_not_start_a_key_that_an_operator_stopped(world: TrustWorld) -> None:
    await world.base.rotate(lead=timedelta(hours=1))
    await world.replica.scheduler.step()
    await world.act(1, Action.SUSPEND)
    world.advance(7200)
    await world.replica.scheduler.step()
    assert await states(world) == [S.PRE_ACTIVE, S.SUSPENDED]
    await world.act(1, Action.RESUME)
    await world.replica.scheduler.step()
    assert await states(world) == [S.ACTIVE, S.DEACTIVATED]


async def test_a_key_that_is_stopped_while_its_promotion_is_on_the_way_stays_stopped(world: TrustWorld) -> None:
    await world.base.rotate(lead=timedelta(hours=1))
    published = world.now
    await world.act(1, Action.SUSPEND)
    world.advance(7200)
    waiting = KeyVersionName("default", "manifest", 2)
    assert not await world.replica.rotation.promote_due(waiting, world.now, published=published)
    await world.act(1, Action.RESUME)
    assert await world.replica.rotation.promote_due(waiting, world.now, published=published)


async def test_while_the_hsm_is_away_a_rotation_waits_and_is_made_up_for(world: TrustWorld) -> None:
    await set_rotation(world, RotationPolicy(period=timedelta(days=1)))
    world.advance(DAY)
    world.base.world.provider.fail_next(Operation.GENERATE, TokenUnavailable("gone"))
    await world.replica.scheduler.step()
    assert await states(world) == [S.ACTIVE]
    await world.replica.scheduler.step()
    assert await states(world) == [S.ACTIVE], "the claim keeps others from trying at once"
    world.advance(61)
    await world.another(5).scheduler.step()
    assert await states(world) == [S.ACTIVE, S.DEACTIVATED]


async def test_a_key_that_was_stopped_is_not_started_by_its_schedule(world: TrustWorld) -> None:
    await set_rotation(world, RotationPolicy(period=timedelta(days=1)))
    await world.act(1, Action.SUSPEND)
    before = (await world.key()).revision
    world.advance(10 * DAY)
    for _ in range(10):
        await world.replica.scheduler.step()
        world.advance(1)
    assert await states(world) == [S.SUSPENDED]
    assert (await world.key()).revision <= before + 1, "it is looked at again later, not every second"
    await world.act(1, Action.RESUME)
    world.advance(3600)
    await world.replica.scheduler.step()
    assert await states(world) == [S.ACTIVE, S.DEACTIVATED]


async def test_a_version_that_waits_for_an_operator_holds_the_schedule_up_quietly(world: TrustWorld) -> None:
    await set_rotation(world, RotationPolicy(period=timedelta(days=1)))
    await world.base.rotate(lead=timedelta(hours=1))
    await world.act(2, Action.SCHEDULE_DESTROY)
    await world.act(2, Action.RESTORE)
    before = (await world.key()).revision
    world.advance(3 * DAY)
    for _ in range(5):
        await world.replica.scheduler.step()
    assert await states(world) == [S.PRE_ACTIVE, S.ACTIVE]
    assert (await world.key()).revision <= before + 1


async def test_a_revoked_key_is_left_alone(world: TrustWorld) -> None:
    await set_rotation(world, RotationPolicy(period=timedelta(days=1)))
    await world.base.rotate(lead=timedelta(hours=1))
    await world.base.revoke(NAME, compromised=False)
    world.advance(10 * DAY)
    await world.replica.scheduler.step()
    assert await states(world) == [S.DEACTIVATED, S.DEACTIVATED]


async def test_a_key_can_be_made_with_a_schedule(world: TrustWorld) -> None:
    key = await world.base.create("other", settings=KeySettings(rotation=WEEKLY))
    assert key.next_rotation_time == world.now + timedelta(days=6)


async def test_one_job_that_fails_does_not_stop_the_others(world: TrustWorld) -> None:
    async def broken(_now: object) -> int:
        raise RuntimeError("a fault of ours")

    scheduler = world.replica.scheduler
    scheduler.jobs = {"broken": broken, **scheduler.jobs}
    await scheduler.step()
    assert world.files.contents["trust/default/latest.json"]


async def test_it_runs_until_it_is_cancelled(world: TrustWorld) -> None:
    scheduler = world.replica.scheduler
    scheduler.interval_seconds = 0.01
    rounds, twice = [], asyncio.Event()

    async def count(now: object) -> int:
        rounds.append(now)
        if len(rounds) == 2:
            twice.set()
        return 0

    scheduler.jobs = {"count": count}
    running = asyncio.create_task(scheduler.run())
    async with asyncio.timeout(10):
        await twice.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
