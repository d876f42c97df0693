"""Reports of compromise: what they come to, and how they go on after they were interrupted."""

import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from hsm.errors import TokenUnavailable
from hsm.testing import Operation
from kms.core.errors import AlreadyExists, FailedPrecondition, NotFound, Reason, Unavailable
from kms.core.names import KeyName, KeyVersionName
from kms.keys.lifecycle import Action
from kms.keys.model import KeyVersionState as S
from support.trust_world import NAME, TrustWorld, trust_world

FIRST = KeyVersionName("default", "manifest", 1)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[TrustWorld]:
    async with trust_world(tmp_path) as world:
        yield world


async def states(world: TrustWorld) -> list[S]:
    """Newest first."""
    return [version.state for version in (await world.key()).versions]


async def events(world: TrustWorld) -> list[str]:
    page = await world.replica.revocations.list("default", None, limit=100, now=world.now)
    return [str(event.revocation.subject) for event in page.events]


async def test_the_primary_version_is_replaced(world: TrustWorld) -> None:
    outcome = await world.report(FIRST)
    assert outcome.key.primary == 2
    assert await states(world) == [S.ACTIVE, S.COMPROMISED]
    assert await events(world) == [str(FIRST)]
    assert (await world.event_types())[-3:] == ["key.compromise-reported", "revocation.created", "key.rotated"]
    assert (await world.base.sign(b"m")).key_version.endswith("/2")


async def test_the_version_that_waits_takes_over_when_it_is_not_concerned(world: TrustWorld) -> None:
    await world.base.rotate(lead=timedelta(days=1))
    assert (await world.report(FIRST)).key.primary == 2
    assert await states(world) == [S.ACTIVE, S.COMPROMISED]


async def test_an_old_version_leaves_the_primary_one_in_place(world: TrustWorld) -> None:
    await world.base.rotate()
    assert (await world.report(FIRST)).key.primary == 2
    assert await states(world) == [S.ACTIVE, S.COMPROMISED]


@pytest.mark.parametrize("stop", [Action.SUSPEND, Action.DEACTIVATE])
async def test_a_key_that_an_operator_stopped_is_not_started_again(world: TrustWorld, stop: Action) -> None:
    await world.base.rotate()
    await world.act(2, stop)
    outcome = await world.report(FIRST)
    assert outcome.key.primary is None
    assert len(await states(world)) == 2
    assert (await world.report()).key.primary is None, "nor when all of it is reported"


async def test_resuming_does_not_start_a_key_that_an_operator_stopped(world: TrustWorld) -> None:
    await world.base.rotate()
    await world.act(2, Action.SUSPEND)
    world.base.world.provider.fail_next(Operation.SIGN, TokenUnavailable("gone"))
    with pytest.raises(Unavailable):
        await world.report(FIRST)
    world.advance(60)
    assert await world.another(50).compromise.resume(world.now) == 1
    assert await states(world) == [S.SUSPENDED, S.COMPROMISED]


async def test_a_report_from_a_clock_that_was_ahead_is_carried_out(world: TrustWorld) -> None:
    world.base.world.provider.fail_next(Operation.SIGN, TokenUnavailable("gone"))
    world.base.world.clock.jump(86_400)
    with pytest.raises(Unavailable):
        await world.report(FIRST)
    world.base.world.clock.jump(-86_400)
    assert await world.replica.compromise.resume(world.now) == 1
    assert await states(world) == [S.ACTIVE, S.COMPROMISED]


async def test_a_revoked_key_gets_no_fresh_version(world: TrustWorld) -> None:
    await world.base.revoke(NAME, compromised=False)
    outcome = await world.report()
    assert (outcome.key.primary, len(outcome.key.versions)) == (None, 1)
    assert await states(world) == [S.COMPROMISED]


async def test_a_version_whose_destruction_waits_is_revoked_all_the_same(world: TrustWorld) -> None:
    await world.act(1, Action.DEACTIVATE)
    await world.act(1, Action.SCHEDULE_DESTROY)
    outcome = await world.report(FIRST)
    version = outcome.key.version(1)
    assert version is not None
    assert (version.state, version.state_before) == (S.DESTROY_SCHEDULED, S.COMPROMISED)
    assert await events(world) == [str(FIRST)]


async def test_a_second_report_of_the_same_version_names_the_same_revocation(world: TrustWorld) -> None:
    first, second = await world.report(FIRST), await world.report(FIRST)
    assert (first.revocations, second.replayed) == (second.revocations, False)
    assert len((await world.key()).versions) == 2


@pytest.mark.parametrize("failing", range(2))
async def test_while_the_hsm_is_away_the_versions_stop_at_once_and_the_rest_follows(
    world: TrustWorld, failing: int
) -> None:
    """0: the revocation can not be signed; 1: no fresh version can be made."""
    request = world.base.request()
    operation = (Operation.SIGN, Operation.GENERATE)[failing]
    world.base.world.provider.fail_next(operation, TokenUnavailable("gone"))
    with pytest.raises(Unavailable):
        await world.report(request=request)
    assert await states(world) == [S.COMPROMISED]
    with pytest.raises(FailedPrecondition):
        await world.base.sign(b"m")
    outcome = await world.report(request=request)
    assert (outcome.key.primary, outcome.replayed) == (2, False)
    assert await events(world) == [str(FIRST)]
    assert (await world.report(request=request)).replayed
    assert (await world.event_types()).count("key.compromise-reported") == 1


async def test_a_report_whose_caller_gave_up_is_carried_out_by_any_replica(world: TrustWorld) -> None:
    request = world.base.request()
    world.base.world.provider.fail_next(Operation.SIGN, TokenUnavailable("gone"))
    with pytest.raises(Unavailable):
        await world.report(request=request)
    other = world.another(50)
    assert await other.compromise.resume(world.now) == 0, "its caller may still be trying"
    world.advance(60)
    world.base.world.provider.fail_next(Operation.SIGN, TokenUnavailable("gone"))
    assert await other.compromise.resume(world.now) == 0
    assert await other.compromise.resume(world.now) == 1
    assert await states(world) == [S.ACTIVE, S.COMPROMISED]
    assert await events(world) == [str(FIRST)]
    assert (await world.report(request=request)).replayed
    assert await other.compromise.resume(world.now) == 0


async def test_what_was_made_after_the_report_is_not_revoked_by_its_retry(world: TrustWorld) -> None:
    request = world.base.request()
    world.base.world.provider.fail_next(Operation.SIGN, TokenUnavailable("gone"))
    with pytest.raises(Unavailable):
        await world.report(request=request)
    await world.base.rotate()
    outcome = await world.report(request=request)
    assert outcome.key.primary == 2
    assert await states(world) == [S.ACTIVE, S.COMPROMISED]


async def test_a_request_id_is_for_one_report(world: TrustWorld) -> None:
    request_id = str(uuid.uuid4())
    world.base.world.provider.fail_next(Operation.SIGN, TokenUnavailable("gone"))
    with pytest.raises(Unavailable):
        await world.report(request=world.base.request(b"one", request_id))
    with pytest.raises(AlreadyExists) as refused:
        await world.report(request=world.base.request(b"two", request_id))
    assert refused.value.reason is Reason.REQUEST_ID_REUSED


@pytest.mark.parametrize(
    "name", [KeyName("default", "nothing"), KeyName("system", "trust-bundle"), KeyVersionName("default", "manifest", 9)]
)
async def test_what_is_not_there_or_the_services_own_is_not_found(world: TrustWorld, name: KeyName) -> None:
    with pytest.raises(NotFound):
        await world.report(name)
    assert await states(world) == [S.ACTIVE]
