"""A revoked verdict: the device counts as not appraised with the commit, is told so, and comes back by attesting anew."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kms.consent.removal_port import NobodyBlocked
from kms.core.errors import FailedPrecondition, NotFound, Reason
from kms.core.names import ChildName
from kms.devices import store
from kms.devices.appraised import appraised
from kms.devices.gate import DeviceVerdicts
from kms.devices.reappraiser import AssuranceNotes
from kms.devices.revocable_verdicts import RevocableVerdicts
from kms.events import history
from kms.events.model import Status, device_feed
from kms.keys.attestation_gate import AttestationGate
from kms.keys.verdict_gate import Claimant, Vouched
from kms.revocation.assurance import AssuranceService
from kms.status import lists
from support.gate_world import GateWorld, gate_world

MISSING = "tenants/default/verdicts/0190c2a4-0000-7000-8000-000000000001"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[GateWorld]:
    async with gate_world(tmp_path) as world:
        service = world.bench.service
        verdicts = RevocableVerdicts(service.randomness)
        service.revocations.subjects = {**service.revocations.subjects, "verdicts": verdicts}
        world.bench.reappraisal.in_transaction = AssuranceNotes(randomness=service.randomness)
        yield world


async def _told(world: GateWorld, device: ChildName) -> list[tuple[str, dict[str, Any]]]:
    """(subject, members) of the device's feed, once everything noted is told."""
    service = world.bench.service
    await AssuranceService(service.revocations, NobodyBlocked()).announce_due(world.now)
    feed = device_feed(device)
    placed = await service.database.read(lambda tx: history.events_after(tx, "default", feed, 0, limit=20))
    return [(each.event.subject, *json.loads(each.event.payload)["events"].values()) for each in placed]


async def _value(world: GateWorld, device: ChildName) -> Status | None:
    return await world.bench.service.database.read(lambda tx: lists.value(tx, str(device)))


async def test_gated_keys_close_with_the_commit_on_every_replica(world: GateWorld) -> None:
    device = await world.enrol()
    verdict, database = await world.verdict_of(device), world.bench.service.database
    key = await world.create("gated", AttestationGate())
    who = Claimant(device)
    await world.sign(key, who)
    vouched = Vouched(device=device, verdict=verdict)
    assert await database.read(lambda tx: DeviceVerdicts().still_standing(tx, [vouched])) == {vouched}
    assert await database.read(lambda tx: appraised(tx, [device])) == {device}
    await world.bench.service.revoke(verdict)
    assert await database.read(lambda tx: DeviceVerdicts().still_standing(tx, [vouched])) == frozenset()
    assert await database.read(lambda tx: appraised(tx, [device])) == frozenset()
    with pytest.raises(FailedPrecondition) as refused:
        await world.sign(key, who)
    assert refused.value.reason == Reason.VERDICT_REFUSED
    found = await world.bench.get(str(device))
    assert (found.latest_verdict.name, found.latest_verdict.appraised) == (verdict, False)
    assert found.latest_verdict.reasons[0] == "VERDICT_REVOKED"
    assert await _value(world, device) is Status.SUSPENDED


async def test_the_device_is_told_and_comes_back(world: GateWorld) -> None:
    device = await world.enrol()
    verdict = await world.verdict_of(device)
    await world.bench.service.revoke(verdict)
    (revoked, lost) = await _told(world, device)
    assert revoked[0] == verdict
    assert (revoked[1]["change_type"], revoked[1]["credential_type"]) == ("revoke", "attestation-verdict")
    assert lost[0] == str(device)
    assert (lost[1]["current_level"], lost[1]["hallmark.v1"]["status"]) == ("not-appraised", "SUSPENDED")
    world.bench.service.clock.advance(1)
    assert await world.bench.reappraisal.reappraise(device, now=world.now) is None, "the same evidence does not help"
    await world.attest_again(device)
    assert (await world.bench.get(str(device))).latest_verdict.appraised
    assert await _value(world, device) is Status.VALID
    assert len(await _told(world, device)) == 2, "what allows something waits for the log"
    listed = (await world.bench.service.list()).events
    assert [event.assurance_change.current_level for event in listed] == [0, 2, 1]


async def test_an_older_verdict_changes_nothing_for_the_device(world: GateWorld) -> None:
    device = await world.enrol()
    first = await world.verdict_of(device)
    world.bench.service.clock.advance(1)
    await world.attest_again(device)
    await world.bench.service.revoke(first)
    assert (await world.bench.get(str(device))).latest_verdict.appraised
    assert [subject for subject, _ in await _told(world, device)] == [first]
    assert await _value(world, device) is Status.VALID


async def test_what_was_lost_already_is_not_told_twice(world: GateWorld) -> None:
    device = await world.enrol()
    await world.refuse(device)
    await world.bench.service.revoke(await world.verdict_of(device))
    assert [subject for subject, _ in await _told(world, device)].count(str(device)) == 1


async def test_a_verdict_that_is_not_there(world: GateWorld) -> None:
    with pytest.raises(NotFound):
        await world.bench.service.revoke(MISSING)


async def test_the_ak_that_it_enrolled_is_forgotten(world: GateWorld) -> None:
    device = await world.enrol()
    verdict = ChildName.parse(await world.verdict_of(device), "verdicts")
    database = world.bench.service.database
    table = store._device
    await database.write(lambda tx: tx.execute(table.update().values(tpm_ak_name=b"ak", tpm_activation=verdict.id)))
    assert await database.read(lambda tx: store.find_tpm_enrolment(tx, device)) is not None
    await world.bench.service.revoke(str(verdict))
    assert await database.read(lambda tx: store.find_tpm_enrolment(tx, device)) is None
