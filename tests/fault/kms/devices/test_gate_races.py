"""The use of a gated key at one replica while another one revokes the device: whoever commits first is right."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from kms.core.database import Database, metadata
from kms.core.names import ChildName
from kms.devices import store
from kms.devices.gate import DeviceVerdicts
from kms.keys.verdict_gate import Vouched
from support.clock import START
from support.keys_world import KeysWorld, keys_world

DEVICE = ChildName("default", "devices", "0190c2a4-0000-7000-8000-000000000001")
VERDICT = ChildName("default", "verdicts", "0190c2a4-0000-7000-8000-000000000002")
VOUCHED = Vouched(DEVICE, str(VERDICT))


def _insert(tx: sa.Connection) -> None:
    tables = metadata.tables
    tx.execute(
        tables["attestation_verdict"]
        .insert()
        .values(tenant="default", id=VERDICT.id, verdict="{}", evidence=b"", challenge=b"", create_time=START)
    )
    tx.execute(
        tables["device"]
        .insert()
        .values(
            tenant="default",
            id=DEVICE.id,
            state="attested",
            key_spki=b"",
            latest_verdict=VERDICT.id,
            create_time=START,
            update_time=START,
        )
    )


@pytest.fixture
async def world(tmp_path: Path, postgresql_tables: str) -> AsyncIterator[KeysWorld]:
    async with keys_world(tmp_path, postgresql_tables) as world:
        await world.world.database.write(_insert)
        yield world


@pytest.fixture
async def other(world: KeysWorld) -> AsyncIterator[Database]:
    database = Database(world.world.url)
    yield database
    database.close()


def _slowly(
    work: Callable[[sa.Connection], object], done: threading.Event, commit: threading.Event
) -> Callable[[sa.Connection], object]:
    """Its locks are held until `commit`."""

    def piece(tx: sa.Connection) -> object:
        found = work(tx)
        done.set()
        assert commit.wait(20)
        return found

    return piece


def _revoke(tx: sa.Connection) -> None:
    store.set_revoked(tx, DEVICE, effective_time=START, now=START)


def _look(tx: sa.Connection) -> frozenset[Vouched]:
    return DeviceVerdicts().still_standing(tx, {VOUCHED})


async def test_a_use_that_waited_for_a_revocation_sees_it(world: KeysWorld, other: Database) -> None:
    done, commit = threading.Event(), threading.Event()
    revoking = asyncio.create_task(world.world.database.write(_slowly(_revoke, done, commit)))
    assert await asyncio.to_thread(done.wait, 20)
    looking = asyncio.create_task(other.write(_look))
    await asyncio.sleep(0.3)
    assert not looking.done(), "it waits for the lock"
    commit.set()
    await revoking
    assert await looking == frozenset()


async def test_a_revocation_waits_for_the_uses_that_looked_before_it(world: KeysWorld, other: Database) -> None:
    done, commit = threading.Event(), threading.Event()
    using = asyncio.create_task(other.write(_slowly(_look, done, commit)))
    assert await asyncio.to_thread(done.wait, 20)
    revoking = asyncio.create_task(world.world.database.write(_revoke))
    await asyncio.sleep(0.3)
    assert not revoking.done(), "it is answered when nothing that looked before it can commit any more"
    commit.set()
    assert await using == {VOUCHED}
    await revoking
    assert await other.write(_look) == frozenset()


async def test_uses_of_one_device_do_not_wait_for_each_other(world: KeysWorld, other: Database) -> None:
    done, commit = threading.Event(), threading.Event()
    using = asyncio.create_task(other.write(_slowly(_look, done, commit)))
    assert await asyncio.to_thread(done.wait, 20)
    assert await world.world.database.write(_look) == {VOUCHED}
    commit.set()
    await using
