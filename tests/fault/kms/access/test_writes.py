"""Every write of access rules: failed, and failed but stored; and that a change which is stored counts, whatever the
caller was told.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fault.kms.revocation.flaky import ConnectionLost, Fault, FlakyDatabase
from fault.kms.rows_of_access import ROWS
from kms.core.errors import NotFound
from unit.kms.access.bench import ADMINS, BACKEND, CLASSICAL, AccessBench, access_running, replica_of

SIGN, PAY = "SigningService.Sign", "tenants/default/keys/pay"


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[AccessBench]:
    async with access_running(tmp_path) as bench:
        yield bench


@pytest.mark.parametrize("name", ROWS)
async def test_every_write_of(name: str, tmp_path: Path) -> None:
    row = ROWS[name]
    expected, watched = await row.live(tmp_path / "without")
    assert watched.writes >= 1
    for at in range(watched.writes):
        for fault in Fault:
            found, _ = await row.live(tmp_path / f"{at}-{fault.name}", *[None] * at, fault)
            assert found == expected, f"write {at} of {watched.writes}: {fault.value}"


@pytest.mark.parametrize("fault", Fault)
async def test_what_is_stored_counts_though_the_answer_was_lost(bench: AccessBench, fault: Fault) -> None:
    """The one who asked does not know; every replica looks, and none is in between."""
    name = (await bench.set(ADMINS)).policy.name
    flaky = FlakyDatabase(bench.service.database)
    flaky.plan(fault)
    bench.servicer.policies.database = flaky  # type: ignore[assignment]
    with pytest.raises(ConnectionLost):
        await bench.activate(name)
    stored = fault is Fault.LOST_AFTER
    for rules in (bench.rules, await replica_of(bench)):
        await rules.decisions.source.refresh()
        if stored:
            with pytest.raises(NotFound):
                await rules.decisions.check(BACKEND, SIGN, (PAY,), CLASSICAL)
        else:
            assert await rules.decisions.check(BACKEND, SIGN, (PAY,), CLASSICAL) == ()
