"""From a new status list, an anchor or a policy to an event in the feed: all stored evidence is judged again."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from attestation.policy import AndroidPolicy
from attestation.x509 import parse_certificate
from hallmark.v1 import devices_pb2, revocation_pb2
from kms.approvals.model import ApprovalPolicy
from kms.approvals.service import ApprovalService
from kms.collateral.model import CollateralKind
from kms.collateral.service import CollateralService, Offer
from kms.collateral.shelf import CollateralShelf
from kms.consent.removal_port import NobodyBlocked
from kms.core.errors import Reason, ResourceExhausted
from kms.devices.model import Device
from kms.devices.reappraiser import AssuranceNotes, Pass, Reappraiser, Refresh
from kms.revocation.assurance import AssuranceService
from unit.kms.devices.bench import DeviceBench, devices_running

LOST = revocation_pb2.AssuranceChange(
    current_level=revocation_pb2.ASSURANCE_LEVEL_NOT_APPRAISED,
    previous_level=revocation_pb2.ASSURANCE_LEVEL_APPRAISED,
)


@dataclass
class World:
    """Devices judged by what really lies on the shelf."""

    bench: DeviceBench
    shelf: CollateralShelf
    collateral: CollateralService
    reappraiser: Reappraiser

    async def publish(self, *revoked: str) -> None:
        """A status list of now, for everybody."""
        entries = {serial: {"status": "REVOKED"} for serial in revoked}
        now = self.bench.service.clock.now()
        data = json.dumps({"entries": entries}).encode()
        offer = Offer(kind=CollateralKind.ANDROID_STATUS, data=data, source="test", fetched_at=now)
        await self.collateral.take_in(offer, now=now)

    async def events(self) -> list[revocation_pb2.RevocationEvent]:
        return list((await self.bench.service.list()).events)

    async def standing(self, device: devices_pb2.Device) -> bool:
        return (await self.bench.get(device.name)).latest_verdict.appraised


def _refresher(shelf: CollateralShelf) -> Refresh:
    async def refresh(_owner: str) -> None:
        await shelf.load_if_changed()

    return refresh


@contextlib.asynccontextmanager
async def reappraiser_running(folder: Path) -> AsyncIterator[World]:
    async with devices_running(folder) as bench:
        service = bench.service
        common = {"database": service.database, "log": service.log, "randomness": service.randomness}
        shelf = CollateralShelf(service.database, bench.status.anchors)
        approvals = ApprovalService(**common, policy=ApprovalPolicy())
        collateral = CollateralService(**common, approvals=approvals, shelf=shelf)
        bench.devices.verifier._collateral = bench.reappraisal.rejudging.collateral = shelf
        bench.reappraisal.in_transaction = AssuranceNotes(randomness=service.randomness)
        reappraiser = Reappraiser(
            database=service.database,
            clock=service.clock,
            reappraisal=bench.reappraisal,
            assurance=AssuranceService(service.revocations, NobodyBlocked()),
            refresh=_refresher(shelf),
        )
        collateral.changed = reappraiser.wake
        world = World(bench, shelf, collateral, reappraiser)
        await world.publish()
        yield world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with reappraiser_running(tmp_path) as world:
        yield world


def _serial(world: World) -> str:
    return parse_certificate(world.bench.phone.attester.chain[0]).serial


async def test_a_new_list_is_heard_by_who_watches(world: World) -> None:
    _, device = await world.bench.enrol()
    assert await world.reappraiser.catch_up() == 0
    assert not await world.events()
    world.bench.service.clock.advance(3600)
    await world.publish(_serial(world))
    assert await world.reappraiser.catch_up() == 1
    (event,) = await world.events()
    assert event.subject == device.name
    assert event.reason == revocation_pb2.REVOCATION_REASON_UNSPECIFIED
    after = await world.bench.get(device.name)
    assert list(after.latest_verdict.reasons) == ["REVOKED"]
    expected = revocation_pb2.AssuranceChange()
    expected.CopyFrom(LOST)
    expected.verdict = after.latest_verdict.name
    assert event.assurance_change == expected
    ((uri, claims),) = json.loads(event.payload)["events"].items()
    assert uri.endswith("/caep/event-type/assurance-level-change")
    assert (claims["previous_level"], claims["current_level"]) == ("appraised", "not-appraised")
    assert claims["change_direction"] == "decrease"
    entry = json.loads(event.log.entry)
    assert (entry["type"], entry["subject"]) == ("assurance.changed", device.name)
    assert await world.reappraiser.catch_up() == 0, "said once"


async def test_what_is_taken_back_is_heard_too(world: World) -> None:
    _, device = await world.bench.enrol()
    for revoked in ((_serial(world),), ()):
        world.bench.service.clock.advance(60)
        await world.publish(*revoked)
        await world.reappraiser.catch_up()
    assert await world.standing(device)
    levels = [event.assurance_change.current_level for event in await world.events()]
    assert levels == [revocation_pb2.ASSURANCE_LEVEL_NOT_APPRAISED, revocation_pb2.ASSURANCE_LEVEL_APPRAISED]


async def test_the_device_may_still_be_revoked_and_counts_as_one_revocation(world: World) -> None:
    _, device = await world.bench.enrol()
    await world.publish(_serial(world))
    await world.reappraiser.catch_up()
    answer = await world.bench.service.revoke(device.name, revocation_pb2.REVOCATION_REASON_DEVICE_LOST)
    assert not answer.replayed
    again = await world.bench.service.revoke(device.name, revocation_pb2.REVOCATION_REASON_DEVICE_LOST)
    assert again.replayed
    kinds = [event.HasField("assurance_change") for event in await world.events()]
    assert kinds == [True, False]


async def test_another_policy_judges_again(world: World) -> None:
    _, device = await world.bench.enrol()
    now = world.bench.service.clock.now()
    world.bench.policies.policy = replace(world.bench.policies.policy, android=AndroidPolicy(min_os_patch_level=209901))
    await world.bench.service.database.write(lambda tx: world.reappraiser.note(tx, "default", now))
    world.reappraiser.wake("default")
    assert await world.reappraiser.catch_up() == 1
    assert not await world.standing(device)
    (event,) = await world.events()
    assert event.assurance_change.current_level == revocation_pb2.ASSURANCE_LEVEL_NOT_APPRAISED


async def test_it_goes_on_where_it_was_killed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        await world.bench.enrol()
    await world.publish(_serial(world))
    judged = 0
    real = Reappraiser._judge

    async def dies(self: Reappraiser, device: Device) -> bool:
        nonlocal judged
        judged += 1
        if judged == 2:
            raise asyncio.CancelledError
        return await real(self, device)

    with monkeypatch.context() as patch:
        patch.setattr(Reappraiser, "_judge", dies)
        with pytest.raises(asyncio.CancelledError):
            await world.reappraiser.catch_up()
    assert len(await world.events()) == 1
    assert await world.reappraiser.catch_up() == 2
    assert len(await world.events()) == 3


async def test_a_note_that_was_not_told_is_told_later(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.bench.enrol()
    await world.publish(_serial(world))

    async def away(*_: object, **__: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(AssuranceService, "_announce", away)
        with pytest.raises(asyncio.CancelledError):
            await world.reappraiser.catch_up()
    assert not await world.events()
    await world.reappraiser.catch_up()
    assert len(await world.events()) == 1


async def test_only_what_the_change_concerns_is_judged(world: World) -> None:
    _, device = await world.bench.enrol()
    page = await world.bench.reappraisal.devices("default")
    assert [str(found.name) for found in page] == [device.name]
    concerned = {topic: Pass("system", topic, 1).concerns(page[0]) for topic in (*CollateralKind, "anchors", "policy")}
    assert {topic for topic, yes in concerned.items() if yes} == {"android-status", "anchors", "policy"}


async def test_it_waits_while_fresh_evidence_is_judged(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.bench.enrol()
    await world.publish(_serial(world))
    real = world.bench.reappraisal.rejudging.verifier.judge_case
    refused = 0

    async def busy(case: object) -> object:
        nonlocal refused
        refused += 1
        if refused == 1:
            raise ResourceExhausted(Reason.QUEUE_FULL, "busy", retry_after_seconds=0.01)
        return await real(case)

    monkeypatch.setattr(world.bench.reappraisal.rejudging.verifier, "judge_case", busy)
    assert await world.reappraiser.catch_up() == 1


async def test_it_runs_by_itself_and_watchers_hear_at_once(world: World) -> None:
    await world.bench.enrol()
    running = asyncio.create_task(world.reappraiser.run())
    try:
        await asyncio.sleep(0)
        await world.publish(_serial(world))
        async with asyncio.timeout(5):
            while not await world.events():  # noqa: ASYNC110 - the feed is what is waited for
                await asyncio.sleep(0.02)
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def test_what_is_in_force_is_found_for_a_replay(world: World) -> None:
    response = await world.bench.attest_phone()
    await world.publish("ab")
    replay = devices_pb2.ReplayVerdictRequest(name=response.verdict.name)
    again = await world.bench.servicer.ReplayVerdict(replay, world.bench.service.call("ReplayVerdict"))
    assert not again.differences
