"""Every write of consents and leases x {failed, failed but stored}: the same call again leaves what one call leaves.

`fault.kms.test_write_table` runs all rows; here each write of the riskiest act is named, with what it must not do.
"""

from pathlib import Path

import pytest

from fault.kms.revocation.flaky import ConnectionLost, Fault, FlakyDatabase
from unit.kms.consent.bench import artifact, consents_running, device

REQUEST_ID = "6b1f6a0e-58cf-4d0a-9a8e-3f4f6f0c1d11"


@pytest.mark.parametrize("fault", list(Fault))
async def test_a_withdrawal_is_whole_or_not_there(tmp_path: Path, fault: Fault) -> None:
    async with consents_running(tmp_path) as bench:
        bench.devices.enrol(device(1))
        name = (await bench.grant(devices=[device(1)])).consent.name
        database = bench.events.database
        flaky = FlakyDatabase(database)
        flaky.plan(fault)
        bench.events.database = flaky  # type: ignore[assignment]
        with pytest.raises(ConnectionLost):
            await bench.withdraw(name, request_id=REQUEST_ID)
        bench.events.database = database
        ended = (await bench.get(name)).HasField("end_time")
        assert ended is not any(lease.live for lease in await bench.leases())
        assert ended is bool(await bench.feed(device(1)))
        response = await bench.withdraw(name, request_id=REQUEST_ID)
        assert (response.replayed, len(response.removals)) == (ended, 1)
        placed = [each.event.uri.rpartition("/")[2] for each in await bench.feed(device(1))]
        assert sorted(placed) == ["consent-status-change", "deletion-requested"]


@pytest.mark.parametrize("fault", list(Fault))
async def test_a_batch_of_renewals_is_whole_or_not_there(tmp_path: Path, fault: Fault) -> None:
    async with consents_running(tmp_path) as bench:
        bench.devices.enrol(device(1), device(2))
        await bench.grant(devices=[device(1), device(2)], artifacts=[1, 2])
        bench.service.clock.advance(43_200)
        database = bench.events.database
        flaky = FlakyDatabase(database)
        flaky.plan(fault)
        bench.events.database = flaky  # type: ignore[assignment]
        with pytest.raises(ConnectionLost):
            await bench.renewer.renew_due(bench.service.clock.now())
        bench.events.database = database
        revisions = {lease.revision for lease in await bench.leases()}
        assert len(revisions) == 1
        await bench.renewer.renew_due(bench.service.clock.now())
        assert {lease.revision for lease in await bench.leases()} == {2}
        assert len(await bench.rows("event_batch")) == 2
        assert {lease.artifact for lease in await bench.leases()} == {str(artifact(1)), str(artifact(2))}
