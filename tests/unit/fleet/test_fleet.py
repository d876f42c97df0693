"""Ten thousand devices, three in ten of them offline: after the promised time nothing that was withdrawn is usable anywhere.

The services are real and write to SQLite; the clock is moved by the test; each device decides by hallmark_events, and
hears what a bad network lets through. Restrictions need not arrive: leases end by themselves.
"""

import dataclasses
import random
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from hallmark_events.event_set import EventSet
from hallmark_events.lease import Allowed, Lease, Standing, decide
from hallmark_events.types import DELETION_REQUESTED, Silence
from kms.core.names import ChildName
from kms.removal.model import RemovalState
from unit.fleet.device import (
    HEARTBEAT_LATE_SECONDS,
    RTC_WRONG_SECONDS,
    STORED_EVERY_HOURS,
    Device,
    Habits,
    Rtc,
    moment,
)
from unit.fleet.service import FleetService, artifact_named, fleet_service

DEVICES = 10_000
CONSENTS = 40
WITHDRAWN = 2
"""So many of the consents are taken back."""
OFFLINE = 0.3
WITHDRAWAL, PROMISED = 0.1, 24.1
"""Hours. The promise is the default: 24 hours."""
TOLERANCE = (HEARTBEAT_LATE_SECONDS + RTC_WRONG_SECONDS) / 3600
"""A device's time is behind by what the heartbeat took on its way, or as its real-time clock is wrong after a reboot."""


@dataclass
class Fleet:
    service: FleetService
    devices: dict[ChildName, Device] = field(default_factory=dict)
    consents: list[list[ChildName]] = field(default_factory=list)
    """Devices of each."""
    names: list[ChildName] = field(default_factory=list)
    lease_of: dict[str, ChildName] = field(default_factory=dict)
    """Lease name -> consent."""

    async def tell(self, at: float) -> None:
        """The server's news of now are sent off."""
        for news in await self.service.news():
            self.devices[news.device].send(at, news.event)
            if "/leases/" in news.event.subject:
                self.lease_of[news.event.subject] = ChildName.parse(news.event.own["consent"], "consents")

    async def meet(self, at: float, *, share: float = 0.8) -> None:
        """Those that are online speak to the server: most of them, and then they acknowledge and give receipts."""
        self.service.move_to(moment(at))
        ends = await self.service.ends()
        online = [
            each
            for each in self.devices.values()
            if each.habits.has_network(at) and each.name in ends and each.random.random() < share
        ]
        differing = [each for each in online if not each.meet(at, ends[each.name])]
        told = await self.service.state(each.name for each in differing)
        for each in differing:
            each.transfer(at, ends[each.name], told[each.name])
        await self._answer(online)

    async def _answer(self, online: Sequence[Device]) -> None:
        applied: list[tuple[Device, EventSet]] = [
            (device, command) for device in online for command in device.take_commands()
        ]
        if not applied:
            return
        ids = [(device.name, command.jti) for device, command in applied]
        await self.service.delivered(ids)
        await self.service.acknowledged(ids)
        for device, command in applied:
            if device.habits.gives_receipts:
                await self.service.take_receipt(device.name, command)

    def holders(self, consents: Sequence[ChildName]) -> set[ChildName]:
        """Devices that leases of these consents were given to."""
        given = zip(self.names, self.consents, strict=True)
        return {device for name, devices in given if name in consents for device in devices}

    def usable(self, at: float, consents: Sequence[ChildName]) -> set[ChildName]:
        """Devices that can use something by these consents now."""
        wanted = set(consents)
        return {
            name
            for name in self.holders(consents)
            if any(self.lease_of[lease] in wanted for lease in self.devices[name].usable(at))
        }


def habits(chance: random.Random) -> Habits:
    """Three in ten are away when consents are withdrawn; some of all lose power, and have clocks that are wrong."""
    away = None
    if chance.random() < OFFLINE:
        away = chance.uniform(0.05, 0.09), chance.choice((1e9, chance.uniform(25, 26)))
    off = None
    if chance.random() < 0.15:
        began = chance.uniform(0.1, 20)
        off = began, began + chance.uniform(0.01, 8)
    rtc = chance.choices(list(Rtc), weights=(60, 15, 15, 10))[0]
    return Habits(
        away=away,
        off=off,
        rtc=rtc,
        wound_at=chance.uniform(0.05, 20),
        gives_receipts=chance.random() < 0.8,
    )


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    """Everybody has heard of a lease a few minutes ago."""
    chance = random.Random(20261122)
    async with fleet_service(tmp_path) as service:
        made = Fleet(service)
        names = await service.enrol(DEVICES)
        made.devices = {name: Device(name, habits(chance), random.Random(chance.random())) for name in names}
        size = DEVICES // CONSENTS
        made.consents = [names[start : start + size] for start in range(0, DEVICES, size)]
        made.consents.append(names[::40])  # a second lease for some of all of them
        for number, devices in enumerate(made.consents):
            made.names.append(await service.grant(devices, artifact_named(number)))
        await service.publish()
        await made.tell(0.01)
        for at in (0.02, 0.03, 0.04):
            await made.meet(at, share=0.95)
        yield made


async def test_nothing_that_was_withdrawn_is_usable_after_the_promised_time(fleet: Fleet) -> None:
    withdrawn, kept = fleet.names[:WITHDRAWN], fleet.names[WITHDRAWN:]
    concerned = fleet.holders(withdrawn)
    assert len(fleet.usable(0.045, withdrawn)) > 0.95 * len(concerned), "everybody has begun"

    fleet.service.move_to(moment(WITHDRAWAL))
    for name in withdrawn:
        await fleet.service.withdraw(name)
    await fleet.tell(WITHDRAWAL)
    for at in (0.11, 0.15, 1, 6):
        await fleet.meet(at)
    still = fleet.usable(6, withdrawn)
    assert all(fleet.devices[name].heard_at < WITHDRAWAL for name in still), "whoever heard of it obeys"
    assert len(still) < (OFFLINE + 0.05) * len(concerned)

    fleet.service.move_to(moment(12.01))
    assert await fleet.service.renew_due() == sum(map(len, fleet.consents[WITHDRAWN:]))
    await fleet.service.publish()
    await fleet.tell(12.01)
    for at in (12.1, 20):
        await fleet.meet(at)
    assert len(fleet.usable(23.9, withdrawn)) > 0, "until its lease ends a device that hears nothing goes on"

    fleet.service.move_to(moment(PROMISED + TOLERANCE))
    await fleet.service.keep()
    for at in (PROMISED + TOLERANCE, 24.5):
        assert fleet.usable(at, withdrawn) == set(), f"after {at} hours"
    await _others_go_on(fleet, kept, concerned)
    await _states_add_up(fleet, concerned)
    await _nothing_comes_back(fleet, withdrawn)


@pytest.mark.parametrize("seen_first", [True, False])
def test_setting_the_clock_back_gains_no_more_than_the_time_without_power(seen_first: bool) -> None:
    """The limit that hallmark_events.trusted_time names: offline, off for four hours, the clock then set back by them.

    Where the right time was seen once after the reboot, nothing is gained at all.
    """
    habits = Habits(away=(0.05, 1e9), off=(10.0, 14.0))
    device = Device(ChildName("default", "devices", str(uuid.UUID(int=1))), habits, random.Random(1))
    device.trusted = device.trusted.heard(moment(0.02), device.clocks(0.02))
    lease = _lease(until=24.0)
    off, gained = 4.0, 0.0
    if seen_first:
        device.boot(14.0)
        device.trusted = device.trusted.ticked(device.clocks(14.0))
    for tenth in range(140, 400):
        at = tenth / 10
        device.boot(at)
        clocks = dataclasses.replace(device.clocks(at), rtc=moment(at - off))
        device.trusted = device.trusted.ticked(clocks)
        if isinstance(decide(lease, device.trusted, clocks, Standing()), Allowed):
            gained = at - 24.0
    assert gained < 0.01 if seen_first else 3.5 < gained <= off + STORED_EVERY_HOURS


def _lease(until: float) -> Lease:
    name = "tenants/default/{}/" + str(uuid.UUID(int=2))
    return Lease(
        lease=name.format("leases"),
        consent=name.format("consents"),
        device=name.format("devices"),
        artifact=artifact_named(1),
        kind="lora-adapter",
        not_before=moment(0),
        expires_at=moment(until),
        max_staleness=timedelta(days=2),
        offline_grace=timedelta(0),
        on_silence=Silence.SUSPEND,
        on_expiry=Silence.SHRED,
        status=None,
        revision=1,
    )


async def _others_go_on(fleet: Fleet, kept: Sequence[ChildName], concerned: set[ChildName]) -> None:
    """No device of another consent is touched: neither what it may use nor what the service holds of it."""
    of_kept = {name for name in fleet.lease_of if fleet.lease_of[name] in set(kept)}
    for device in fleet.devices.values():
        assert not device.shredded & of_kept or device.heard_at < 12.01, "only who did not hear of the renewal"
        entries = [device.state.get(name) for name in device.state.subjects()]
        commands = [entry for entry in entries if entry is not None and entry.uri == DELETION_REQUESTED]
        assert not commands or device.name in concerned
    online = {
        name
        for name in fleet.holders(kept)
        if fleet.devices[name].habits.away is None and fleet.devices[name].habits.off is None
    }
    assert len(fleet.usable(24.5, kept) & online) > 0.95 * len(online)
    leases = {(row["consent"], row["live"]) for row in await fleet.service.rows("lease")}
    assert leases == {(name.id, name in kept) for name in fleet.names}
    assert {row["device"] for row in await fleet.service.rows("removal")} == {name.id for name in concerned}
    revoked = {row["id"] for row in await fleet.service.rows("device") if row["state"] == "revoked"}
    assert revoked <= {name.id for name in concerned}


async def _states_add_up(fleet: Fleet, concerned: set[ChildName]) -> None:
    report = await fleet.service.report()
    states = Counter({state: count for state, count in report.states.items() if count})
    assert states.total() == len(concerned)
    assert states.keys() == {RemovalState.DELETED, RemovalState.LAPSED, RemovalState.OVERDUE}
    assert sum(report.grades.values()) == states[RemovalState.DELETED]
    assert report.to_acknowledgement is not None
    assert report.to_receipt is not None
    assert report.to_receipt.count == states[RemovalState.DELETED]
    assert report.to_acknowledgement.count == states[RemovalState.DELETED] + states[RemovalState.OVERDUE]
    by_device = {row["device"]: row["state"] for row in await fleet.service.rows("removal")}
    for name in concerned:
        device = fleet.devices[name]
        match RemovalState(by_device[name.id]):
            case RemovalState.DELETED:
                assert device.habits.gives_receipts
            case RemovalState.OVERDUE:
                assert not device.habits.gives_receipts
            case state:
                assert state is RemovalState.LAPSED
                assert device.habits.away is not None or not device.known
    assert len(report.overdue) == states[RemovalState.OVERDUE]


async def _nothing_comes_back(fleet: Fleet, withdrawn: Sequence[ChildName]) -> None:
    """Those that return hear of it late; what was shredded stays so."""
    await fleet.tell(26)
    for at in (26, 26.1):
        await fleet.meet(at)
    for at in (26.3, 30, 40, 60):
        assert fleet.usable(at, withdrawn) == set()
