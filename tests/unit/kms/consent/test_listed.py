"""What the public lists say of leases when something happens to their device: all that a reader of files ever hears."""

import asyncio
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.consent.given import GivenLeases, RevocableHolders
from kms.core.database import metadata
from kms.core.names import ChildName
from kms.devices.revocable import RevocableDevices
from kms.events.model import Status
from kms.revocation.model import RevocationReason
from kms.status import lists
from support.clock import START
from unit.kms.consent.bench import ConsentBench, device, span
from unit.kms.devices.bench import devices_running

DAY = 86_400


async def listed(bench: ConsentBench) -> dict[str, Status | None]:
    """Device -> its only lease."""
    leases = await bench.leases()
    return await bench.service.database.read(lambda tx: {each.device: lists.value(tx, each.name) for each in leases})


async def test_what_is_not_renewed_is_not_prolonged_by_files_either(bench: ConsentBench) -> None:
    bench.devices.enrol(device(1), device(2))
    await bench.grant(devices=[device(1), device(2)])
    bench.devices.appraised.discard(device(1))
    clock = bench.service.clock
    clock.advance(DAY / 2)
    await bench.renewer.renew_due(clock.now())
    assert await listed(bench) == {str(device(1)): Status.SUSPENDED, str(device(2)): Status.VALID}
    bench.devices.appraised.add(device(1))
    clock.advance(DAY / 16)
    await bench.renewer.renew_due(clock.now())
    assert set((await listed(bench)).values()) == {Status.VALID}


async def test_a_device_that_asks_gets_it_back_too(bench: ConsentBench) -> None:
    bench.devices.enrol(device(1))
    name = (await bench.grant(devices=[device(1)])).consent.name
    bench.devices.overdue.add(device(1))
    bench.service.clock.advance(DAY)
    await bench.renewer.renew_due(bench.service.clock.now())
    assert set((await listed(bench)).values()) == {Status.SUSPENDED}
    bench.devices.overdue.clear()
    await bench.acquire(name, device(1))
    assert set((await listed(bench)).values()) == {Status.VALID}


async def test_an_overdue_device_and_one_that_has_paid(bench: ConsentBench) -> None:
    bench.devices.enrol(device(1), device(2))
    await bench.grant(devices=[device(1), device(2)], validity_duration=span(DAY))
    database, held, now = bench.service.database, GivenLeases(), bench.service.clock.now()
    await database.write(lambda tx: held.suspend_in(tx, device(1)))
    assert await listed(bench) == {str(device(1)): Status.SUSPENDED, str(device(2)): Status.VALID}
    await database.write(lambda tx: held.resume_in(tx, device(1), now))
    assert await listed(bench) == {str(device(1)): Status.SUSPENDED, str(device(2)): Status.VALID}, "not yet"
    assert await bench.renewer.renew_due(now) == 1
    assert set((await listed(bench)).values()) == {Status.VALID}


async def test_withdrawn_is_for_ever(bench: ConsentBench) -> None:
    bench.devices.enrol(device(1))
    name = (await bench.grant(devices=[device(1)])).consent.name
    await bench.service.database.write(lambda tx: GivenLeases().suspend_in(tx, device(1)))
    await bench.withdraw(name)
    now = bench.service.clock.now()
    await bench.service.database.write(lambda tx: GivenLeases().resume_in(tx, device(1), now))
    await asyncio.gather(bench.renewer.renew_due(now), bench.renewer.renew_due(now))
    assert set((await listed(bench)).values()) == {Status.INVALID}


async def test_leases_end_with_their_device(bench: ConsentBench) -> None:
    bench.devices.enrol(device(1), device(2))
    await bench.grant(devices=[device(1), device(2)])

    class Devices(RevocableDevices):
        def revoke_in(
            self,
            tx: Connection,
            subject: ChildName,  # type: ignore[override]
            *,
            reason: RevocationReason,
            effective_time: datetime,
            now: datetime,
        ) -> None:
            """The devices of this bench have no rows."""

    def revoke(tx: Connection) -> None:
        reason = RevocationReason.POLICY_VIOLATION
        RevocableHolders(Devices()).revoke_in(tx, device(1), reason=reason, effective_time=START, now=START)

    await bench.service.database.write(revoke)
    assert await listed(bench) == {str(device(1)): Status.INVALID, str(device(2)): Status.VALID}
    assert {each.device for each in await bench.leases() if each.live} == {str(device(2))}
    bench.service.clock.advance(DAY / 2)
    assert await bench.renewer.renew_due(bench.service.clock.now()) == 1


async def test_a_device_is_revoked_as_before(tmp_path: Path) -> None:
    async with devices_running(tmp_path) as bench:
        subjects = bench.service.revocations.subjects
        subjects["devices"] = RevocableHolders(subjects["devices"])
        name = (await bench.enrol())[1].name
        await bench.service.revoke(name)
        state = sa.select(metadata.tables["device"].c.state)
        assert await bench.service.database.read(lambda tx: tx.execute(state).scalar_one()) == "revoked"
        assert await bench.service.database.read(lambda tx: lists.value(tx, name)) is Status.INVALID
