"""Leases: never longer than was promised, renewed only while everything they rest on is good."""

import asyncio
import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from hallmark_events.batch import BatchPath, split_path, verify_batch
from kms.consent import renewing
from kms.consent.given import GivenLeases
from kms.core.errors import FailedPrecondition, InvalidArgument, NotFound, Reason
from kms.events.model import Status
from kms.status import lists
from support.clock import START
from unit.kms.consent.bench import ConsentBench, artifact, device, span

DAY = 86400.0
LEASE = DAY - 300
REQUEST_ID = "5d5b6a0e-58cf-4d0a-9a8e-3f4f6f0c1d11"


async def granted(bench: ConsentBench, *, devices: int = 1, **fields: object) -> str:
    named = [device(number) for number in range(1, devices + 1)]
    bench.devices.enrol(*named)
    return (await bench.grant(devices=named, **fields)).consent.name  # type: ignore[arg-type]


def ends(bench: ConsentBench, seconds: float) -> datetime:
    return bench.service.clock.now() + timedelta(seconds=seconds)


async def test_a_lease_is_a_little_shorter_than_the_promise(bench: ConsentBench) -> None:
    await granted(bench, removal_time=span(7200))
    (lease,) = await bench.leases()
    assert lease.expire_time.ToDatetime(tzinfo=UTC) == START + timedelta(seconds=7200 - 72)
    assert lease.max_staleness.seconds == 7200 - 72, "never longer than the lease"
    assert (lease.on_silence, lease.on_expiry) == (1, 2)


async def test_staleness_goes_by_kind(bench: ConsentBench) -> None:
    bench.devices.enrol(device(1))
    kinds = [{"artifact": str(artifact(number)), "kind": number} for number in (1, 4, 5)]
    await bench.grant(devices=[device(1)], artifact_messages=kinds)
    hours = {lease.artifact: lease.max_staleness.seconds // 3600 for lease in await bench.leases()}
    assert hours == {str(artifact(1)): 23, str(artifact(4)): 4, str(artifact(5)): 1}


async def test_a_lease_never_outlasts_its_consent(bench: ConsentBench) -> None:
    await granted(bench, validity_duration=span(3600))
    (lease,) = await bench.leases()
    assert lease.expire_time.ToDatetime(tzinfo=UTC) == START + timedelta(hours=1)
    bench.service.clock.advance(1800)
    assert await bench.renewer.renew_due(bench.service.clock.now()) == 0, "there is nothing to prolong"


async def test_it_is_renewed_when_half_of_it_is_over(bench: ConsentBench) -> None:
    await granted(bench)
    clock = bench.service.clock
    clock.advance(LEASE / 2 - 1)
    assert await bench.renewer.renew_due(clock.now()) == 0
    clock.advance(1)
    assert await bench.renewer.renew_due(clock.now()) == 1
    (lease,) = await bench.leases()
    assert (lease.revision, lease.expire_time.ToDatetime(tzinfo=UTC)) == (2, ends(bench, LEASE))
    assert await bench.renewer.renew_due(clock.now()) == 0


async def test_a_batch_is_one_entry_and_each_leaf_is_proved(bench: ConsentBench) -> None:
    await granted(bench, devices=5)
    await bench.publish()
    bench.service.clock.advance(DAY / 2)
    before = sum("leases.issued" in entry for entry in await bench.entries())
    assert await bench.renewer.renew_due(bench.service.clock.now()) == 5
    await bench.publish()
    entries = [entry for entry in await bench.entries() if "leases.issued" in entry]
    assert len(entries) == before + 1
    assert all(json.loads(entry)["details"]["tree_size"] == 256 for entry in entries)
    roots = {json.loads(entry)["details"]["root_sha256"] for entry in entries}
    for number in range(1, 6):
        (event,) = [each.event for each in await bench.feed(device(number)) if "/leases/" in each.event.subject]
        place = event.place
        assert (event.signature, event.revision) == (None, 2)
        assert place is not None
        root = json.loads(place.batch.promise.entry)["details"]["root_sha256"]
        path = BatchPath(place.leaf_index, place.batch.tree_size, split_path(place.path))
        verify_batch(event.payload, path, bytes.fromhex(root))
        assert root in roots
        assert place.batch.promise.tlog_proof is not None


async def test_what_is_not_good_any_more_is_not_renewed(bench: ConsentBench) -> None:
    await granted(bench, devices=5)
    bench.devices.appraised.discard(device(1))
    bench.devices.revoked.add(device(2))
    bench.devices.overdue.add(device(3))
    clock = bench.service.clock
    clock.advance(DAY / 2)
    assert await bench.renewer.renew_due(clock.now()) == 2
    renewed = {lease.device for lease in await bench.leases() if lease.revision == 2}
    assert renewed == {str(device(4)), str(device(5))}
    bench.devices.appraised.add(device(1))
    assert await bench.renewer.renew_due(clock.now()) == 0, "not before its next turn"
    clock.advance(DAY / 16)
    assert await bench.renewer.renew_due(clock.now()) == 1


async def test_nothing_is_lent_of_an_artifact_that_is_withheld(bench: ConsentBench) -> None:
    name = await granted(bench, artifacts=[1, 2])
    bench.devices.kept_back.add(artifact(1))
    bench.service.clock.advance(DAY / 2)
    assert await bench.renewer.renew_due(bench.service.clock.now()) == 1
    with pytest.raises(FailedPrecondition):
        await bench.acquire(name, device(1), 1)
    assert len(await bench.leases(consent=(await bench.grant(devices=[device(1)])).consent.name)) == 0


async def test_prolonging_the_consent_prolongs_the_leases_that_ended_with_it(bench: ConsentBench) -> None:
    name = await granted(bench, validity_duration=span(3600))
    bench.service.clock.advance(1800)
    await bench.renew(name)
    assert await bench.renewer.renew_due(bench.service.clock.now()) == 1
    (lease,) = await bench.leases()
    assert lease.expire_time.ToDatetime(tzinfo=UTC) == ends(bench, LEASE)


async def test_a_device_asks_for_itself(bench: ConsentBench) -> None:
    bench.devices.enrol(device(1), device(2))
    name = (await bench.grant()).consent.name
    lease = await bench.acquire(name, device(1), itself=True)
    assert (lease.device, lease.live) == (str(device(1)), True)
    await bench.publish()
    assert [placed.event.subject for placed in await bench.feed(device(1))] == [lease.name]
    assert not await bench.feed(device(2))


async def test_a_device_that_a_consent_does_not_name_learns_nothing_of_it(bench: ConsentBench) -> None:
    name = await granted(bench)
    bench.devices.enrol(device(2))
    with pytest.raises(NotFound):
        await bench.acquire(name, device(2), itself=True)
    assert (await bench.acquire(name, device(2))).device == str(device(2)), "others may say so for it"


async def test_a_lease_that_is_not_due_stays_as_it_is(bench: ConsentBench) -> None:
    name = await granted(bench)
    first = await bench.acquire(name, device(1))
    assert first.revision == 1
    bench.service.clock.advance(DAY / 2)
    assert (await bench.acquire(name, device(1))).revision == 2
    bench.service.clock.advance(2 * DAY)
    again = await bench.acquire(name, device(1))
    assert (again.revision, again.live, again.name) == (3, True, first.name)


async def test_acquiring_is_replayed(bench: ConsentBench) -> None:
    name = await granted(bench)
    bench.devices.enrol(device(2))
    first = await bench.acquire(name, device(2), request_id=REQUEST_ID)
    assert await bench.acquire(name, device(2), request_id=REQUEST_ID) == first
    assert len(await bench.leases(device=str(device(2)))) == 1


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("appraised", Reason.VERDICT_REFUSED),
        ("revoked", Reason.DEVICE_REVOKED),
        ("overdue", Reason.REMOVAL_OVERDUE),
    ],
)
async def test_devices_that_get_none(bench: ConsentBench, state: str, reason: Reason) -> None:
    bench.devices.enrol(device(1))
    name = (await bench.grant()).consent.name
    if state == "appraised":
        bench.devices.appraised.discard(device(1))
    else:
        getattr(bench.devices, state).add(device(1))
    with pytest.raises(FailedPrecondition) as refused:
        await bench.acquire(name, device(1))
    assert refused.value.reason is reason
    with pytest.raises(NotFound):
        await bench.acquire(name, device(9))
    assert not await bench.leases()


async def test_only_what_the_consent_names(bench: ConsentBench) -> None:
    name = await granted(bench)
    with pytest.raises(InvalidArgument) as refused:
        await bench.acquire(name, device(1), 2)
    assert refused.value.field == "artifact"
    with pytest.raises(NotFound):
        await bench.acquire(f"tenants/default/consents/{uuid.uuid4()}", device(1))


@pytest.mark.parametrize("first", ["renewal", "withdrawal"])
async def test_a_withdrawal_at_the_very_moment_of_a_renewal(bench: ConsentBench, first: str) -> None:
    """Whichever commits first: afterwards nothing is live, and nothing was given after the end."""
    name = await granted(bench, devices=3)
    await bench.publish()
    bench.service.clock.advance(DAY / 2)
    acts = [bench.renewer.renew_due(bench.service.clock.now()), bench.withdraw(name)]
    await asyncio.gather(*(acts if first == "renewal" else acts[::-1]))
    await bench.publish()
    assert not any(lease.live for lease in await bench.leases())
    for number in range(1, 4):
        told = {placed.event.subject: placed.event.status for placed in await bench.feed(device(number))}
        assert told[name] is Status.INVALID


async def test_a_withdrawal_between_the_tree_and_its_transaction(bench: ConsentBench) -> None:
    mine = await granted(bench, devices=2)
    other = (await bench.grant(devices=[device(1)], subject="bob")).consent.name
    bench.service.clock.advance(DAY / 2)
    renewer = bench.renewer
    found = await bench.service.database.read(lambda tx: renewer._select(tx, now=bench.service.clock.now(), limit=100))
    assert found is not None
    await bench.withdraw(mine)
    with pytest.raises(renewing._Changed):
        await renewer._renew(found, bench.service.clock.now())
    assert all(lease.revision == 1 for lease in await bench.leases())
    assert await renewer.renew_due(bench.service.clock.now()) == 1
    assert [lease.consent for lease in await bench.leases() if lease.live] == [other]


async def test_what_a_device_was_asked_to_delete_it_never_gets_again(bench: ConsentBench) -> None:
    name = await granted(bench)
    held, clock = GivenLeases(), bench.service.clock
    last = await bench.service.database.read(lambda tx: held.last_end(tx, device(1), artifact(1)))
    assert last == START + timedelta(seconds=LEASE)
    await bench.service.database.write(lambda tx: held.end_in(tx, device(1), artifact(1), clock.now()))
    (lease,) = await bench.leases()
    assert not lease.live
    assert await bench.service.database.read(lambda tx: lists.value(tx, lease.name)) is Status.INVALID
    with pytest.raises(FailedPrecondition):
        await bench.acquire(name, device(1))
    clock.advance(DAY / 2)
    assert await bench.renewer.renew_due(clock.now()) == 0


async def test_the_last_end_of_a_consent_that_ended_is_what_was_promised(bench: ConsentBench) -> None:
    name = await granted(bench, lease_terms={"duration": span(3600)})
    bench.service.clock.advance(600)
    await bench.withdraw(name)
    held = GivenLeases()
    last = await bench.service.database.read(lambda tx: held.last_end(tx, device(1), artifact(1)))
    assert last == START + timedelta(days=1, seconds=600)
    assert await bench.service.database.read(lambda tx: held.last_end(tx, device(2), artifact(1))) is None


async def test_leases_are_listed_in_pages(bench: ConsentBench) -> None:
    name = await granted(bench, devices=5)
    other = (await bench.grant(devices=[device(1)])).consent.name
    assert len(await bench.leases(page_size=2)) == 2
    assert len(await bench.leases(consent=name)) == 5
    assert {lease.consent for lease in await bench.leases(device=str(device(1)))} == {name, other}
