"""Who holds a key is known to whoever takes it back."""

import asyncio
from datetime import timedelta

import pytest

from hallmark.v1 import removal_pb2
from kms.core.errors import FailedPrecondition, Reason
from kms.releases import holder_store, store
from unit.kms.releases.bench import CONTENT_KEY, Phone, ReleaseBench, artifact


async def ask_all(bench: ReleaseBench) -> int:
    return await bench.parts.upkeep.request_removals(bench.base.service.clock.now())


async def asked_for(bench: ReleaseBench) -> list[tuple[str, str]]:
    return sorted((each.device, each.artifact) for each in await bench.removals())


def pairs(*phones: Phone, number: int = 1) -> list[tuple[str, str]]:
    return sorted((str(each.name), artifact(number)) for each in phones)


async def test_a_revocation_asks_every_holder_once(bench: ReleaseBench) -> None:
    await bench.create(1)
    await bench.create(2)
    first, second, other = [await bench.enrol() for _ in range(3)]
    for phone in (first, second, first):
        await bench.request_key(phone)
    await bench.request_key(other, 2)
    assert await ask_all(bench) == 0
    await bench.revoke(1)
    assert await ask_all(bench) == 2
    assert await asked_for(bench) == pairs(first, second)
    assert await ask_all(bench) == 0
    (removal, _) = await bench.removals()
    assert removal.reason == "the artifact was revoked"
    assert removal.deadline.ToDatetime() - removal.issue_time.ToDatetime() == timedelta(days=30)


async def test_two_replicas_ask_each_holder_once(bench: ReleaseBench) -> None:
    """The second has seen who is to be asked before the first asked."""
    await bench.create()
    phones = [await bench.enrol() for _ in range(2)]
    for phone in phones:
        await bench.request_key(phone)
    await bench.revoke()
    upkeep, now = bench.parts.upkeep, bench.base.service.clock.now()
    (release,) = await bench.database.read(lambda tx: store.removals_due(tx, limit=10))
    holders = await bench.database.read(lambda tx: holder_store.to_be_asked(tx, release.artifact, limit=10))
    await ask_all(bench)
    for holder in holders:
        await upkeep._ask(holder, now)
    assert await asked_for(bench) == pairs(*phones)


async def test_a_key_without_a_lease_does_not_lapse(bench: ReleaseBench) -> None:
    await bench.create()
    phone = await bench.enrol()
    await bench.request_key(phone)
    asked = await bench.ask_to_delete(phone)
    assert asked.lease_end_time.ToDatetime().year == 9999
    other = await bench.enrol()
    assert not (await bench.ask_to_delete(other)).HasField("lease_end_time"), "it never had anything"


async def test_a_key_under_a_lease_ends_with_it(bench: ReleaseBench) -> None:
    await bench.create(requires_consent=True)
    phone = await bench.enrol()
    consent = await bench.grant(phone)
    given = await bench.request_key(phone)
    await bench.withdraw(consent)
    (removal,) = await bench.removals()
    assert (removal.consent, removal.device) == (consent, str(phone.name))
    assert removal.lease_end_time.ToDatetime().year < 9999
    assert removal.lease_end_time.ToDatetime() >= given.lease.expire_time.ToDatetime()


async def test_after_a_deletion_only_consent_gives_it_back(bench: ReleaseBench) -> None:
    await bench.create()
    phone = await bench.enrol()
    await bench.request_key(phone)
    await bench.ask_to_delete(phone)
    with pytest.raises(FailedPrecondition) as refused:
        await bench.request_key(phone)
    assert refused.value.reason is Reason.LEASE_REQUIRED
    await bench.grant(phone)
    assert phone.open(await bench.request_key(phone)) == CONTENT_KEY


async def test_who_got_it_again_is_asked_again(bench: ReleaseBench) -> None:
    await bench.create()
    phone = await bench.enrol()
    await bench.request_key(phone)
    await bench.ask_to_delete(phone)
    bench.advance(timedelta(minutes=1))
    await bench.grant(phone)
    await bench.request_key(phone)
    await bench.revoke()
    assert await ask_all(bench) == 1
    assert len(await bench.removals()) == 2


async def test_a_device_that_owes_a_removal_gets_no_key(bench: ReleaseBench) -> None:
    for number in (1, 2):
        await bench.create(number)
    phone = await bench.enrol()
    await bench.request_key(phone)
    await bench.ask_to_delete(phone)
    bench.advance(timedelta(hours=24))
    while await bench.removal.keeper.deadlines.check_due(bench.base.service.clock.now()):
        pass
    (removal,) = await bench.removals()
    assert removal.state == removal_pb2.REMOVAL_STATE_OVERDUE
    with pytest.raises(FailedPrecondition) as refused:
        await bench.request_key(phone, 2)
    assert refused.value.reason is Reason.REMOVAL_OVERDUE


async def test_more_holders_than_are_asked_at_once(bench: ReleaseBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kms.releases.upkeep._AT_ONCE", 2)
    await bench.create()
    phones = [await bench.enrol() for _ in range(5)]
    for phone in phones:
        await bench.request_key(phone)
    await bench.revoke()
    assert await ask_all(bench) == 5
    assert await asked_for(bench) == pairs(*phones)


async def test_artifacts_that_are_no_release_are_revoked_as_before(bench: ReleaseBench) -> None:
    await bench.revoke(5)
    assert await ask_all(bench) == 0
    with pytest.raises(FailedPrecondition):
        await bench.create(5)


async def test_who_got_it_again_in_the_same_moment_is_asked_again(bench: ReleaseBench) -> None:
    """Or by a replica whose clock is behind: a deletion that was asked for never hides a later key."""
    await bench.create()
    phone = await bench.enrol()
    await bench.grant(phone)
    await bench.request_key(phone)
    await bench.ask_to_delete(phone)
    await bench.grant(phone)
    bench.base.service.clock.advance(-1)
    await bench.request_key(phone)
    await bench.revoke()
    assert await ask_all(bench) == 1


async def test_a_replica_whose_clock_is_behind_asks_once_too(bench: ReleaseBench) -> None:
    """It asks at a moment before the key was given, by its own clock."""
    await bench.create()
    phone = await bench.enrol()
    await bench.request_key(phone)
    await bench.revoke()
    behind = bench.base.service.clock.now() - timedelta(seconds=10)
    assert await asyncio.wait_for(bench.parts.upkeep.request_removals(behind), 5) == 1
    assert await ask_all(bench) == 0
    assert await asked_for(bench) == pairs(phone)
