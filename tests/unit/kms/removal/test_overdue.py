"""What follows for a device that owes a receipt past its deadline."""

import asyncio
import json
from datetime import timedelta

from sqlalchemy.engine import Connection

from hallmark_events.event_set import EventSet
from hallmark_events.types import (
    ASSURANCE_LEVEL_CHANGE,
    CREDENTIAL_CHANGE,
    DELETION_REQUESTED,
    DEVICE_COMPLIANCE_CHANGE,
    StatusValue,
)
from kms.core.names import ChildName
from kms.devices.reappraiser import AssuranceNotes
from kms.devices.revocable_verdicts import RevocableVerdicts
from kms.events.model import Status
from kms.events.releasing import Releaser
from kms.removal.keeper import RemovalKeeper
from kms.removal.model import Removal, RemovalState
from kms.removal.overdue import OverdueDevices
from kms.revocation import assurance_store
from kms.revocation.assurance import AssuranceService
from kms.revocation.model import AssuranceChange, AssuranceLevel
from kms.status import lists
from unit.kms.removal.bench import ARTIFACT, CONSENT, PROMISE, Holder, RemovalBench


async def overdue(bench: RemovalBench, keeper: RemovalKeeper | None = None) -> tuple[Holder, Removal]:
    holder = await bench.enrol()
    made = await bench.withdraw(holder.name)
    await bench.deliver(made)
    bench.advance(PROMISE)
    await (keeper or bench.keeper).keep(bench.now)
    assert await bench.state(made) is RemovalState.OVERDUE
    return holder, made


async def blocked(bench: RemovalBench, *devices: ChildName) -> frozenset[ChildName]:
    def ask(tx: Connection) -> frozenset[ChildName]:
        return OverdueDevices().is_blocked(tx, frozenset(devices))

    return await bench.database.read(ask)


async def release(bench: RemovalBench) -> None:
    """What is held comes into its feeds, once the log has published it."""
    service = bench.base.service
    releasing = asyncio.create_task(Releaser(service.revocations.events, service.clock, lambda _: True).release_due())
    while not releasing.done():
        await service.log.step()
        await asyncio.sleep(0.01)
    assert await releasing == 1


async def types(bench: RemovalBench, device: ChildName) -> list[str]:
    return [event.uri for event in await bench.feed(device)]


async def test_it_is_told_blocked_and_revoked(bench: RemovalBench) -> None:
    holder, _ = await overdue(bench)
    events = [EventSet.parse(event.payload) for event in await bench.feed(holder.name)]
    assert [event.uri for event in events] == [DELETION_REQUESTED, DEVICE_COMPLIANCE_CHANGE, CREDENTIAL_CHANGE]
    compliance, revocation = events[1:]
    assert (compliance.members["previous_status"], compliance.members["current_status"]) == (
        "compliant",
        "not-compliant",
    )
    assert (compliance.subject, compliance.status) == (str(holder.name), StatusValue.SUSPENDED)
    assert (revocation.reason, revocation.status) == ("POLICY_VIOLATION", StatusValue.INVALID)
    assert revocation.revision == compliance.revision + 1
    assert await bench.device_state(holder.name) == "revoked"
    assert await blocked(bench, holder.name) == {holder.name}


async def test_the_others_are_not_blocked(bench: RemovalBench) -> None:
    holder, _ = await overdue(bench)
    other = await bench.enrol()
    elsewhere = ChildName("elsewhere", "devices", holder.name.id)
    assert await blocked(bench, other.name, holder.name, elsewhere) == {holder.name}
    assert await blocked(bench) == frozenset()


async def test_nothing_is_done_twice(bench: RemovalBench) -> None:
    holder, _ = await overdue(bench)
    before = await types(bench, holder.name)
    for _ in range(3):
        bench.advance(timedelta(hours=1))
        await bench.keep()
    assert await types(bench, holder.name) == before


async def test_revoking_is_a_setting(bench: RemovalBench) -> None:
    holder, _ = await overdue(bench, bench.not_revoking())
    assert await bench.device_state(holder.name) == "attested"
    assert bench.leases.suspended == {holder.name}
    assert await types(bench, holder.name) == [DELETION_REQUESTED, DEVICE_COMPLIANCE_CHANGE]
    assert await blocked(bench, holder.name) == {holder.name}


async def test_a_late_receipt_counts_but_does_not_undo_the_revocation(bench: RemovalBench) -> None:
    holder, made = await overdue(bench)
    bench.advance(timedelta(hours=2))
    await bench.submit(made, await bench.receipt(made, sign=holder.sign))
    found = await bench.removal(made.name)
    assert (found.state, found.receipt_time) == (RemovalState.DELETED, bench.now)
    await bench.keep()
    assert await bench.device_state(holder.name) == "revoked"
    assert await blocked(bench, holder.name) == frozenset()
    assert len(await bench.logged("device.compliance-changed")) == 1


async def test_a_device_that_was_not_revoked_is_compliant_again_by_proof(bench: RemovalBench) -> None:
    keeper = bench.not_revoking()
    holder, made = await overdue(bench, keeper)
    second = await bench.withdraw(holder.name)
    await bench.submit(made, await bench.receipt(made))
    await keeper.keep(bench.now)
    assert (await types(bench, holder.name))[-1] != DEVICE_COMPLIANCE_CHANGE  # held until the log has it
    assert await blocked(bench, holder.name) == frozenset()
    assert not bench.leases.suspended
    await release(bench)
    last = EventSet.parse((await bench.feed(holder.name))[-1].payload)
    assert (last.uri, last.status, last.members["current_status"]) == (
        DEVICE_COMPLIANCE_CHANGE,
        StatusValue.VALID,
        "compliant",
    )
    assert await bench.state(second) is RemovalState.ISSUED
    await keeper.keep(bench.now)
    assert len(await bench.logged("device.compliance-changed")) == 2


async def test_it_stays_overdue_while_it_owes_another_receipt(bench: RemovalBench) -> None:
    keeper = bench.not_revoking()
    holder = await bench.enrol()
    first, second = await bench.withdraw(holder.name), await bench.withdraw(holder.name)
    for each in (first, second):
        await bench.deliver(each)
    bench.advance(PROMISE)
    await keeper.keep(bench.now)
    await bench.submit(first, await bench.receipt(first))
    await keeper.keep(bench.now)
    assert await blocked(bench, holder.name) == {holder.name}
    assert len(await bench.logged("device.compliance-changed")) == 1


async def test_a_device_that_is_revoked_already_is_not_told_again(bench: RemovalBench) -> None:
    holder = await bench.enrol()
    made = await bench.withdraw(holder.name)
    await bench.deliver(made)
    await bench.base.service.revoke(str(holder.name))
    bench.advance(PROMISE)
    await bench.keep()
    assert await bench.state(made) is RemovalState.OVERDUE
    assert await types(bench, holder.name) == [DELETION_REQUESTED, CREDENTIAL_CHANGE]


async def regained(bench: RemovalBench, device: ChildName) -> None:
    """It attested anew after it had lost its appraisal, as kms.devices notes it."""
    change = AssuranceChange(
        id=bench.orders.events.new_id(bench.now),
        subject=device,
        verdict=f"tenants/{device.tenant}/verdicts/0193b3f0-0000-7000-8000-000000000009",
        current=AssuranceLevel.APPRAISED,
        previous=AssuranceLevel.NOT_APPRAISED,
        event_time=bench.now,
    )
    await bench.database.write(lambda tx: assurance_store.insert_note(tx, change))


async def standing(bench: RemovalBench, device: ChildName) -> tuple[StatusValue, Status | None]:
    """By its feed and by the public list."""
    newest = [event for event in await bench.feed(device) if event.subject == str(device)][-1]
    listed = await bench.database.read(lambda tx: lists.value(tx, str(device)))
    return EventSet.parse(newest.payload).status, listed


async def test_assurance_that_is_regained_does_not_lift_what_it_owes(bench: RemovalBench) -> None:
    keeper = bench.not_revoking()
    telling = AssuranceService(bench.base.service.revocations, OverdueDevices())
    holder, made = await overdue(bench, keeper)
    assert await standing(bench, holder.name) == (StatusValue.SUSPENDED, Status.SUSPENDED)
    await regained(bench, holder.name)
    assert await telling.announce_due(bench.now) == 1
    assert (await types(bench, holder.name))[-1] == ASSURANCE_LEVEL_CHANGE
    assert await standing(bench, holder.name) == (StatusValue.SUSPENDED, Status.SUSPENDED)
    await bench.submit(made, await bench.receipt(made))
    await keeper.keep(bench.now)
    await release(bench)
    assert await standing(bench, holder.name) == (StatusValue.VALID, Status.VALID)


async def test_it_becomes_overdue_while_regained_assurance_waits(bench: RemovalBench) -> None:
    """Signed as VALID, held for the log: the newer restriction is in the feed by then."""
    keeper = bench.not_revoking()
    telling = AssuranceService(bench.base.service.revocations, OverdueDevices())
    holder = await bench.enrol()
    made = await bench.withdraw(holder.name)
    await bench.deliver(made)
    await regained(bench, holder.name)
    await telling.announce_due(bench.now)
    bench.advance(PROMISE)
    await keeper.keep(bench.now)
    await release(bench)
    assert await standing(bench, holder.name) == (StatusValue.SUSPENDED, Status.SUSPENDED)


async def test_it_becomes_overdue_between_the_signature_and_its_transaction(bench: RemovalBench) -> None:
    class FromNowOn(OverdueDevices):
        asked = 0

        def is_blocked(self, tx: Connection, devices: frozenset[ChildName]) -> frozenset[ChildName]:
            self.asked += 1
            return devices if self.asked > 1 else frozenset()

    holder = await bench.enrol()
    await regained(bench, holder.name)
    telling = AssuranceService(bench.base.service.revocations, FromNowOn())
    assert await telling.announce_due(bench.now) == 1
    assert (await standing(bench, holder.name))[0] is StatusValue.SUSPENDED


async def test_a_receipt_does_not_lift_what_the_appraisal_took(bench: RemovalBench) -> None:
    keeper, service = bench.not_revoking(), bench.base.service
    bench.base.reappraisal.in_transaction = AssuranceNotes(randomness=service.randomness)
    verdicts = RevocableVerdicts(service.randomness)
    service.revocations.subjects = {**service.revocations.subjects, "verdicts": verdicts}
    telling = AssuranceService(service.revocations, OverdueDevices())
    holder, made = await overdue(bench, keeper)
    await service.revoke((await bench.base.get(str(holder.name))).latest_verdict.name)
    await telling.announce_due(bench.now)
    await bench.submit(made, await bench.receipt(made))
    await keeper.keep(bench.now)
    newest = EventSet.parse((await bench.feed(holder.name))[-1].payload)
    assert (newest.members["current_status"], newest.status) == ("compliant", StatusValue.SUSPENDED)
    assert await standing(bench, holder.name) == (StatusValue.SUSPENDED, Status.SUSPENDED)


async def test_the_log_names_a_device_only_where_something_is_taken_from_it(bench: RemovalBench) -> None:
    holder, made = await overdue(bench)
    await bench.submit(made, await bench.receipt(made, sign=holder.sign))
    entries = [entry for kind in _OF_REMOVALS for entry in await bench.logged(kind)]
    assert len(entries) == 3
    told = (holder.name.id, ARTIFACT.digest, CONSENT.id, "pairwise-pseudonym")
    assert [each for each in told if each in json.dumps(entries)] == []
    (compliance,) = await bench.logged("device.compliance-changed")
    assert compliance["subject"] == str(holder.name)
    assert [each for each in told[1:] if each in json.dumps(compliance)] == []


_OF_REMOVALS = ("removal.requested", "removal.overdue", "removal.completed")
