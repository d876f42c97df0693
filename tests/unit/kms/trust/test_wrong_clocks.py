"""A clock that goes ahead and comes back stops nothing for as long as it was ahead, and destroys nothing."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from kms.keys import due
from kms.keys.key_update import KeyUpdate
from kms.keys.lifecycle import Action
from kms.keys.model import KeyVersionState as S
from kms.keys.policies import RotationPolicy
from support.trust_world import NAME, TrustWorld, trust_world

DAY = 86_400
YEAR = 365 * DAY


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[TrustWorld]:
    async with trust_world(tmp_path) as world:
        yield world


async def step(world: TrustWorld) -> None:
    await world.replica.scheduler.step()


async def rotate_weekly(world: TrustWorld, *, lead: timedelta = timedelta(0)) -> None:
    rotation = RotationPolicy(period=timedelta(days=7), publish_lead=lead, verify_tail=timedelta(days=1))
    request = world.base.request()
    update = KeyUpdate(rotation=rotation)
    await world.replica.keys.update(NAME, update, etag="", request=request, now=world.now, published=False)
    await step(world)


async def be_ahead(world: TrustWorld, rounds: int = 1) -> None:
    """The clock is a year ahead for some rounds, a day apart."""
    world.base.world.clock.jump(YEAR)
    for _ in range(rounds):
        await step(world)
        world.advance(DAY)
    world.base.world.clock.jump(-YEAR)


async def signed_at(world: TrustWorld) -> datetime:
    return (await world.replica.trust.bundle("default", world.now)).signature.sign_time


@pytest.mark.parametrize("lead", [timedelta(0), timedelta(days=2)])
@pytest.mark.parametrize("rounds", [1, 2, 4])
async def test_rotations_go_on_after_a_clock_was_ahead(world: TrustWorld, lead: timedelta, rounds: int) -> None:
    await rotate_weekly(world, lead=lead)
    await be_ahead(world, rounds)
    before = len((await world.key()).versions)
    for _ in range(4 * 7):
        world.advance(DAY)
        await step(world)
    key = await world.key()
    assert 3 <= len(key.versions) - before <= 5
    assert key.next_rotation_time is not None
    assert key.next_rotation_time <= world.now + timedelta(days=7)
    primary = key.version(key.primary or 0)
    assert primary is not None
    assert primary.activate_time is not None
    assert primary.activate_time <= world.now


async def test_what_signs_has_begun_and_what_ended_has_ended(world: TrustWorld) -> None:
    """Or verifiers who go by the bundle would refuse a good signature for a year."""
    await rotate_weekly(world)
    await be_ahead(world)
    await step(world)
    new, old = (await world.key()).versions
    assert (new.state, old.state) == (S.ACTIVE, S.DEACTIVATED)
    assert new.activate_time == world.now
    assert old.deactivate_time == world.now


async def test_an_early_promotion_of_an_operators_far_rotation_plans_from_there(world: TrustWorld) -> None:
    await rotate_weekly(world)
    await world.base.rotate(lead=timedelta(days=100))
    await step(world)
    planned = (await world.key()).next_rotation_time
    assert planned == world.now + timedelta(days=107), "it waits for the version that waits"
    await world.act(2, Action.ACTIVATE)
    await step(world)
    revision = (await world.key()).revision
    assert (await world.key()).next_rotation_time == world.now + timedelta(days=7)
    await step(world)
    assert (await world.key()).revision == revision


async def test_a_bundle_from_a_clock_that_was_ahead_is_made_again(world: TrustWorld) -> None:
    await step(world)
    await be_ahead(world)
    assert await signed_at(world) == world.now
    world.advance(DAY)
    await step(world)
    assert await signed_at(world) == world.now, "and refreshed each day"


async def test_replicas_whose_clocks_differ_a_little_do_not_take_turns(world: TrustWorld) -> None:
    await step(world)
    bundle = await world.replica.trust.bundle("default", world.now)
    world.base.world.clock.jump(-30)
    assert await world.replica.trust.bundle("default", world.now) == bundle


async def test_a_clock_that_jumped_ahead_destroys_nothing(world: TrustWorld) -> None:
    await world.act(1, Action.DEACTIVATE)
    await world.act(1, Action.SCHEDULE_DESTROY)
    world.advance(10 * DAY)
    world.base.world.clock.jump(YEAR)
    await step(world)
    world.base.world.clock.jump(-YEAR)
    await world.act(1, Action.RESTORE)
    assert (await world.key()).versions[0].state is S.DEACTIVATED


async def test_what_was_to_be_destroyed_is_destroyed_when_the_time_has_passed_all_the_same(world: TrustWorld) -> None:
    await world.act(1, Action.DEACTIVATE)
    await world.act(1, Action.SCHEDULE_DESTROY)
    world.base.world.clock.jump(YEAR)
    world.advance(30 * DAY - 1)
    await step(world)
    assert (await world.key()).versions[0].state is S.DESTROY_SCHEDULED
    world.advance(1)
    await step(world)
    version = (await world.key()).versions[0]
    assert (version.state, version.destroy_time) == (S.DESTROYED, world.now)


async def test_a_claim_from_a_clock_that_was_ahead_is_free(world: TrustWorld) -> None:
    """A rotation that failed while the clock was ahead."""
    await rotate_weekly(world)
    clock = world.base.world.clock
    clock.jump(YEAR)
    now = world.now
    await world.base.world.database.write(lambda tx: due.claim_rotation(tx, NAME, now))
    clock.jump(-YEAR)
    world.advance(7 * DAY)
    await step(world)
    assert len((await world.key()).versions) == 2
