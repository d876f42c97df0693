"""The background work goes on after something was away for a moment."""

import asyncio
import contextlib
import logging

import pytest

from fault.kms.revocation.flaky import Fault, FlakyDatabase
from kms.removal.model import RemovalState
from unit.kms.removal.bench import PROMISE, RemovalBench


async def test_what_fails_is_said_and_done_in_the_next_round(
    bench: RemovalBench, caplog: pytest.LogCaptureFixture
) -> None:
    holder = await bench.enrol()
    made = await bench.withdraw(holder.name)
    await bench.deliver(made)
    bench.advance(PROMISE)
    own, flaky = bench.database, FlakyDatabase(bench.database)
    flaky.plan(next(iter(Fault)))
    bench.use(flaky)
    with caplog.at_level(logging.WARNING, logger="kms.removal.keeper"):
        await bench.keeper.keep(bench.now)
    assert "removals wait" in caplog.text
    bench.use(own)
    await bench.keeper.keep(bench.now)
    assert await bench.state(made) is RemovalState.OVERDUE
    assert await bench.device_state(holder.name) == "revoked"
    assert len(await bench.logged("removal.overdue")) == 1


async def test_it_runs_until_it_is_cancelled(bench: RemovalBench) -> None:
    holder = await bench.enrol()
    made = await bench.withdraw(holder.name)
    bench.keeper.interval_seconds = 0.01
    running = asyncio.create_task(bench.keeper.run())
    bench.advance(PROMISE)
    for _ in range(500):
        if await bench.state(made) is RemovalState.LAPSED:
            break
        await asyncio.sleep(0.01)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert await bench.state(made) is RemovalState.LAPSED
