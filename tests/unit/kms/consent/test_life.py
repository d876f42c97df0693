"""GIVEN -> RENEWED -> WITHDRAWN | REVOKED | EXPIRED, and the last three are for ever."""

import asyncio
import uuid
from datetime import UTC, timedelta

import pytest

from hallmark.v1 import consent_pb2
from hallmark_tlog.entry import parse_entry
from kms.consent.model import ConsentState
from kms.core.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, Reason
from kms.events.model import Status
from kms.status import lists
from support.clock import START
from unit.kms.consent.bench import DELETION_REQUESTED, ConsentBench, artifact, device, span

DAY = 86400.0
REQUEST_ID = "5d5b6a0e-58cf-4d0a-9a8e-3f4f6f0c1d11"


async def granted(bench: ConsentBench, **fields: object) -> consent_pb2.Consent:
    bench.devices.enrol(device(1), device(2))
    consent = (await bench.grant(devices=[device(1), device(2)], artifacts=[1, 2], **fields)).consent  # type: ignore[arg-type]
    await bench.publish()
    return consent


async def test_renewing_prolongs_from_now(bench: ConsentBench) -> None:
    consent = await granted(bench, validity_duration=span(10 * DAY))
    bench.service.clock.advance(5 * DAY)
    response = await bench.renew(consent.name, validity_duration=span(10 * DAY))
    assert response.consent.state == consent_pb2.CONSENT_STATE_RENEWED
    assert response.consent.revision == 2
    assert response.consent.expire_time.ToDatetime(tzinfo=UTC) == START + timedelta(days=15)
    assert parse_entry(response.log.entry).event_type == "consent.renewed"
    await bench.publish()
    events = {placed.event.subject: placed.event for placed in await bench.feed(device(1))}
    assert (events[consent.name].revision, events[consent.name].status) == (2, Status.VALID)


async def test_a_renewal_never_shortens(bench: ConsentBench) -> None:
    consent = await granted(bench)
    with pytest.raises(InvalidArgument) as refused:
        await bench.renew(consent.name, validity_duration=span(DAY))
    assert refused.value.field == "validity_duration"


async def test_a_renewal_is_replayed(bench: ConsentBench) -> None:
    consent = await granted(bench)
    bench.service.clock.advance(60)
    first = await bench.renew(consent.name, request_id=REQUEST_ID)
    again = await bench.renew(consent.name, request_id=REQUEST_ID)
    assert (again.replayed, again.consent, again.log) == (True, first.consent, first.log)
    with pytest.raises(AlreadyExists):
        await bench.renew(consent.name, request_id=REQUEST_ID, validity_duration=span(400 * DAY))
    assert (await bench.get(consent.name)).revision == 2


async def test_a_withdrawal_ends_everything_at_once(bench: ConsentBench) -> None:
    consent = await granted(bench)
    response = await bench.withdraw(consent.name, reason="no longer wanted")
    assert response.consent.state == consent_pb2.CONSENT_STATE_WITHDRAWN
    assert response.consent.end_reason == "no longer wanted"
    assert response.deadline.ToDatetime(tzinfo=UTC) == START + timedelta(days=1)
    assert not any(lease.live for lease in await bench.leases(consent=consent.name))
    for number in (1, 2):
        placed = [each.event for each in await bench.feed(device(number))]
        told = {event.subject: event for event in placed}
        assert (told[consent.name].revision, told[consent.name].status) == (2, Status.INVALID)
        assert sum(event.uri == DELETION_REQUESTED for event in placed) == 2
    entry = parse_entry(response.log.entry)
    assert (entry.event_type, set(entry.commitments)) == ("consent.ended", {"reason"})


async def test_every_device_is_asked_for_every_artifact(bench: ConsentBench) -> None:
    consent = await granted(bench)
    response = await bench.withdraw(consent.name)
    asked = {(each.order.device, each.order.artifact) for each in bench.removals.made}
    assert asked == {(device(a), artifact(b)) for a in (1, 2) for b in (1, 2)}
    assert sorted(response.removals) == sorted(str(each.removal) for each in bench.removals.made)
    assert {each.order.deadline for each in bench.removals.made} == {START + timedelta(days=1)}
    assert {each.order.user for each in bench.removals.made} == {consent.pii_principal_id}


async def test_the_public_status_says_so_in_the_same_moment(bench: ConsentBench) -> None:
    consent = await granted(bench)
    subjects = [consent.name, *(lease.name for lease in await bench.leases(consent=consent.name))]

    async def values() -> set[Status | None]:
        return set(await bench.service.database.read(lambda tx: [lists.value(tx, subject) for subject in subjects]))

    assert await values() == {Status.VALID}
    await bench.withdraw(consent.name)
    assert await values() == {Status.INVALID}


async def test_a_withdrawal_overtakes_a_grant_that_waits_for_the_log(bench: ConsentBench) -> None:
    bench.devices.enrol(device(1))
    name = (await bench.grant(devices=[device(1)])).consent.name
    await bench.withdraw(name)
    await bench.publish()
    told = {placed.event.subject: placed.event for placed in await bench.feed(device(1))}
    assert told[name].status is Status.INVALID
    assert await bench.rows("event_held") == []


async def test_withdrawing_twice_is_answered_with_the_first(bench: ConsentBench) -> None:
    consent = await granted(bench)
    first = await bench.withdraw(consent.name, request_id=REQUEST_ID)
    bench.service.clock.advance(60)
    for request_id in (REQUEST_ID, str(uuid.uuid4())):
        again = await bench.withdraw(consent.name, request_id=request_id)
        assert (again.replayed, again.consent, again.log) == (True, first.consent, first.log)
        assert (again.deadline, again.removals) == (first.deadline, first.removals)
    with pytest.raises(AlreadyExists):
        await bench.withdraw(consent.name, request_id=REQUEST_ID, reason="other words")
    assert len(bench.removals.made) == 4


async def test_a_consent_without_devices_tells_only_the_log(bench: ConsentBench) -> None:
    name = (await bench.grant()).consent.name
    response = await bench.withdraw(name)
    assert parse_entry(response.log.entry).event_type == "consent.ended"
    assert not response.removals
    assert await bench.rows("event") == []


async def test_somebody_else_revokes(bench: ConsentBench) -> None:
    consent = await granted(bench)
    await bench.revoke(consent.name)
    found = await bench.get(consent.name)
    assert (found.state, found.end_reason) == (consent_pb2.CONSENT_STATE_REVOKED, "POLICY_VIOLATION")
    assert not any(lease.live for lease in await bench.leases(consent=consent.name))
    told = {placed.event.subject: placed.event for placed in await bench.feed(device(2))}
    assert told[consent.name].status is Status.INVALID
    assert b"https://w3id.org/dpv#ConsentRevoked" in told[consent.name].payload
    assert bench.removals.made == []
    assert await bench.expiry.request_removals(bench.service.clock.now()) == 1
    assert len(bench.removals.made) == 4
    assert await bench.expiry.request_removals(bench.service.clock.now()) == 0


async def test_time_ends_it_without_any_message(bench: ConsentBench) -> None:
    consent = await granted(bench, validity_duration=span(2 * DAY))
    await bench.service.database.read(lambda tx: None)
    bench.service.clock.advance(2 * DAY)
    found = await bench.get(consent.name)
    assert found.state == consent_pb2.CONSENT_STATE_EXPIRED
    assert found.end_time == found.expire_time
    assert [each.name for each in (await bench.consents(state=consent_pb2.CONSENT_STATE_EXPIRED)).consents] == [
        found.name
    ]
    assert not (await bench.consents(state=consent_pb2.CONSENT_STATE_GIVEN)).consents
    assert not any(lease.live for lease in await bench.leases(consent=consent.name))
    with pytest.raises(FailedPrecondition):
        await bench.acquire(consent.name, device(1))


async def test_expiry_is_told_too(bench: ConsentBench) -> None:
    consent = await granted(bench, validity_duration=span(2 * DAY))
    clock = bench.service.clock
    assert await bench.expiry.expire_due(clock.now()) == 0
    clock.advance(2 * DAY)
    assert await bench.expiry.expire_due(clock.now()) == 1
    assert await bench.expiry.expire_due(clock.now()) == 0
    assert (await bench.rows("consent"))[0]["state"] == ConsentState.EXPIRED
    told = {placed.event.subject: placed.event for placed in await bench.feed(device(1))}
    assert told[consent.name].status is Status.INVALID
    assert bench.removals.made == [], "leases simply end"
    assert sum('"EXPIRED"' in entry for entry in await bench.entries()) == 1


@pytest.mark.parametrize("how", ["withdraw", "revoke", "expire"])
async def test_an_end_is_for_ever(bench: ConsentBench, how: str) -> None:
    consent = await granted(bench, validity_duration=span(2 * DAY))
    match how:
        case "withdraw":
            await bench.withdraw(consent.name)
        case "revoke":
            await bench.revoke(consent.name)
        case _:
            bench.service.clock.advance(2 * DAY)
            await bench.expiry.expire_due(bench.service.clock.now())
    state = (await bench.get(consent.name)).state
    acts = [bench.renew(consent.name), bench.acquire(consent.name, device(1))]
    if how != "withdraw":
        acts.append(bench.withdraw(consent.name))
    if how != "revoke":
        acts.append(bench.revoke(consent.name))
    for act in acts:
        with pytest.raises(FailedPrecondition) as refused:
            await act
        assert refused.value.reason is Reason.STATE_TRANSITION_INVALID
    assert (await bench.get(consent.name)).state == state


async def test_of_two_withdrawals_at_once_one_is_the_first(bench: ConsentBench) -> None:
    consent = await granted(bench)
    responses = await asyncio.gather(*(bench.withdraw(consent.name) for _ in range(4)))
    assert sorted(response.replayed for response in responses) == [False, True, True, True]
    assert len({response.log.event_key for response in responses}) == 1
    assert len(bench.removals.made) == 4


async def test_a_lease_that_is_given_during_the_withdrawal_is_asked_back_too(bench: ConsentBench) -> None:
    """The requests are signed before the transaction; a lease that comes in between makes it begin anew."""
    bench.devices.enrol(device(1), device(2))
    name = (await bench.grant(devices=[device(1)])).consent.name
    prepare, calls = bench.removals.prepare, 0

    async def and_meanwhile(order, now):  # type: ignore[no-untyped-def]
        nonlocal calls
        calls += 1
        if calls == 1:
            await bench.acquire(name, device(2))
        return await prepare(order, now)

    bench.removals.prepare = and_meanwhile  # type: ignore[method-assign]
    await bench.withdraw(name)
    assert {each.order.device for each in bench.removals.made} == {device(1), device(2)}
    assert not any(lease.live for lease in await bench.leases(consent=name))


async def test_another_tenants_consent_is_not_there(bench: ConsentBench) -> None:
    other = (await bench.grant(tenant="other")).consent.name
    for call in (bench.get, bench.renew, bench.withdraw, bench.receipt, bench.revoke):
        with pytest.raises(NotFound):
            await call(other)


async def test_lists_are_filtered_and_paged(bench: ConsentBench) -> None:
    bench.devices.enrol(device(1))
    names = []
    for number in range(5):
        bench.service.clock.advance(1)
        made = await bench.grant(subject=f"person-{number % 2}", devices=[device(1)] if number == 3 else [])
        names.append(made.consent.name)
    first = await bench.consents(page_size=3)
    rest = await bench.consents(page_size=3, page_token=first.next_page_token)
    assert [each.name for each in (*first.consents, *rest.consents)] == names
    assert not rest.next_page_token
    mine = await bench.consents(subject="person-1", controller="https://bank.example")
    assert [each.name for each in mine.consents] == names[1::2]
    assert [each.name for each in (await bench.consents(device=str(device(1)))).consents] == [names[3]]
    assert not (await bench.consents(subject="person-1", controller="https://shop.example")).consents
    with pytest.raises(InvalidArgument):
        await bench.consents(subject="person-1")
    with pytest.raises(InvalidArgument):
        await bench.consents(page_token="%%%")


async def test_the_log_tells_nothing_of_devices_artifacts_and_people(bench: ConsentBench) -> None:
    """Everything that happens to a consent: granted, renewed, its lease renewed, withdrawn."""
    bench.devices.enrol(device(1))
    made = (await bench.grant(devices=[device(1)], withdrawal_method="Write to us")).consent
    await bench.renew(made.name)
    bench.service.clock.advance(43_200)
    assert await bench.renewer.renew_due(bench.service.clock.now()) == 1
    (lease,) = await bench.leases()
    await bench.withdraw(made.name, reason="moved to Bern")
    entries = "".join(await bench.entries())
    assert made.name in entries
    told = (
        device(1).id,
        artifact(1).digest,
        made.pii_principal_id,
        made.controller,
        "dpv",
        lease.name,
        "Bern",
        "Write",
    )
    assert [each for each in told if each in entries] == []
