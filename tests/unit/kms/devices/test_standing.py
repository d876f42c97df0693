"""Thousands of devices come back at the same moment; one of them was revoked."""

import asyncio
import threading
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from kms.core.database import Database, metadata
from kms.core.errors import PermissionDenied, Reason
from kms.core.identity import Caller, Role
from kms.core.names import ChildName
from kms.devices.standing import LOOKED_UP_AT_ONCE, REMEMBERED_SECONDS, DeviceStanding
from support.clock import FakeClock
from support.database import fresh_database


class World:
    """Devices of two tenants, and how often the database was asked."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = FakeClock()
        self.standing = DeviceStanding(database, self.clock)
        self.reads = 0
        self.has_read, self.may_answer = threading.Event(), threading.Event()
        self.may_answer.set()
        sa.event.listen(database.engine, "after_cursor_execute", self._count)

    def _count(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "FROM device" in statement:
            self.reads += 1
            self.has_read.set()
            assert self.may_answer.wait(10)

    async def enrol(self, count: int, tenant: str = "default") -> list[Caller]:
        now = datetime(2026, 1, 1, tzinfo=UTC)
        verdict = str(uuid.uuid4())
        ids = [str(uuid.uuid4()) for _ in range(count)]
        judged = {"tenant": tenant, "id": verdict, "verdict": "{}", "evidence": b"", "challenge": b""}
        rows = [
            {
                "tenant": tenant,
                "id": each,
                "state": "attested",
                "key_spki": b"",
                "latest_verdict": verdict,
                "create_time": now,
                "update_time": now,
            }
            for each in ids
        ]

        def write(tx: sa.Connection) -> None:
            tx.execute(metadata.tables["attestation_verdict"].insert().values(create_time=now, **judged))
            tx.execute(metadata.tables["device"].insert(), rows)

        await self.database.write(write)
        return [
            Caller(f"spiffe://x/tenants/{tenant}/device/d-{each}", tenant, Role.DEVICE, f"d-{each}") for each in ids
        ]

    async def refuses(self, caller: Caller) -> None:
        with pytest.raises(PermissionDenied) as refused:
            await self.standing.check(caller)
        assert refused.value.reason is Reason.DEVICE_REVOKED


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    with fresh_database(tmp_path) as database:
        yield World(database)


def name_of(caller: Caller) -> ChildName:
    return ChildName(caller.tenant, "devices", caller.name.removeprefix("d-"))


async def test_a_storm_is_looked_up_in_a_few_reads(world: World) -> None:
    callers = await world.enrol(LOOKED_UP_AT_ONCE * 2 + 1) + await world.enrol(3, "other")
    await asyncio.gather(*(world.standing.check(caller) for caller in callers))
    assert world.reads <= 4, "two full reads and the rest, which has a query for each tenant"
    await asyncio.gather(*(world.standing.check(caller) for caller in callers))
    assert world.reads <= 4, "remembered"
    world.clock.advance(REMEMBERED_SECONDS)
    await world.standing.check(callers[0])
    assert 1 <= world.reads <= 5


async def test_a_device_of_another_tenant_with_the_same_id_is_another_device(world: World) -> None:
    (caller,) = await world.enrol(1)
    stranger = Caller("spiffe://x", "other", Role.DEVICE, caller.name)
    results = await asyncio.gather(world.standing.check(caller), world.standing.check(stranger), return_exceptions=True)
    assert results[0] is None
    assert isinstance(results[1], PermissionDenied)


async def test_what_somebody_knows_already_counts_at_once_and_for_ever(world: World) -> None:
    caller, other = await world.enrol(2)
    await world.standing.check(caller)
    world.standing.revoked(name_of(caller))
    await world.refuses(caller)
    world.clock.advance(10 * REMEMBERED_SECONDS)
    await world.refuses(caller)  # though this replica's database may be behind
    await world.standing.check(other)


async def test_a_lookup_that_began_before_the_revocation_does_not_undo_it(world: World) -> None:
    (caller,) = await world.enrol(1)
    asked = asyncio.ensure_future(world.standing.check(caller))
    await asyncio.sleep(0)
    world.standing.revoked(name_of(caller))
    with pytest.raises(PermissionDenied):
        await asked
    await world.refuses(caller)


async def test_devices_that_ask_no_more_are_not_remembered(world: World) -> None:
    callers = await world.enrol(20)
    for caller in callers:
        await world.standing.check(caller)
        world.clock.advance(REMEMBERED_SECONDS / 2)
    assert len(world.standing._seen) <= 2
    world.standing.revoked(name_of(callers[0]))
    world.standing.forget(name_of(callers[0]))
    await world.refuses(callers[0])


async def test_what_was_forgotten_is_looked_up_again(world: World) -> None:
    (caller,) = await world.enrol(1)
    await world.standing.check(caller)
    await world.database.write(lambda tx: tx.execute(metadata.tables["device"].update().values(state="revoked")))
    await world.standing.check(caller)
    world.standing.forget(name_of(caller))
    await world.refuses(caller)


async def test_an_answer_that_is_older_than_a_change_does_not_count(world: World) -> None:
    """The row was read, then the device was revoked and its feed grew, then the answer came."""
    (caller,) = await world.enrol(1)
    world.may_answer.clear()
    asked = asyncio.ensure_future(world.standing.check(caller))
    assert await asyncio.to_thread(world.has_read.wait, 10)
    await world.database.write(lambda tx: tx.execute(metadata.tables["device"].update().values(state="revoked")))
    world.standing.forget(name_of(caller))
    world.may_answer.set()
    with pytest.raises(PermissionDenied):
        await asked
    await world.refuses(caller)
