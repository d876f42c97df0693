"""What the report counts in tables of other features is what these features wrote."""

from datetime import timedelta
from pathlib import Path

from hallmark_tlog.cose import Algorithm
from kms.audit import other_tables
from kms.log.receipts.receipt_keys import ReceiptKeys
from support.approvals_world import TENANT as APPROVALS_TENANT
from support.approvals_world import approvals_world
from support.clock import START
from support.log_world import ORIGIN, LogWorld
from unit.kms.devices.bench import devices_running
from unit.kms.revocation.bench import TENANT

DAY = timedelta(days=1)


async def test_devices_that_are_attested(tmp_path: Path) -> None:
    async with devices_running(tmp_path) as bench:
        _, first = await bench.enrol()
        await bench.enrol()

        async def count(tenant: str | None) -> int:
            return await bench.service.database.read(lambda tx: other_tables.devices(tx, tenant))

        assert (await count(TENANT), await count(None), await count("other")) == (2, 2, 0)
        await bench.service.revoke(first.name)
        assert await count(TENANT) == 1


async def test_approvals_that_were_given(tmp_path: Path) -> None:
    async with approvals_world(tmp_path) as world:
        world.require(2)
        proposal = await world.propose("alice")
        await world.approve(proposal, "bob")
        now = world.clock.now()

        async def count(tenant: str | None, **span: object) -> int:
            span = {"since": now - DAY, "until": now + DAY, **span}
            return await world.world.database.read(lambda tx: other_tables.approvals(tx, tenant, **span))

        assert (await count(APPROVALS_TENANT), await count(None), await count("other")) == (1, 1, 0)
        assert await count(None, until=now) == 0


async def test_keys_of_receipts(tmp_path: Path) -> None:
    world = LogWorld(tmp_path)
    log = await world.open()
    await log.prepare()
    try:
        keys = ReceiptKeys(world.database, world.provider, world.files, ORIGIN)
        assert await world.database.read(other_tables.classical_receipt_keys) == 0
        await keys.ensure(Algorithm.EDDSA, START)
        await keys.ensure(Algorithm.ML_DSA_44, START)
        assert await world.database.read(other_tables.classical_receipt_keys) == 1
    finally:
        await world.close()
