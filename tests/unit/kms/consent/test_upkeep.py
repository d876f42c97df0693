"""What runs beside the calls: it goes on after a fault, and a clock that is set ahead brings nothing forward."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from hallmark.v1 import consent_pb2
from kms.consent.upkeep import ConsentUpkeep
from unit.kms.consent.bench import ConsentBench, device, span


@contextlib.asynccontextmanager
async def running(upkeep: ConsentUpkeep) -> AsyncIterator[None]:
    """Begun, and stopped afterwards."""
    task = asyncio.create_task(upkeep.run())
    await asyncio.sleep(0.05)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(done: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await done():  # noqa: ASYNC110 - the tables say so, nothing else
            await asyncio.sleep(0.01)


def upkeep_of(bench: ConsentBench) -> ConsentUpkeep:
    return ConsentUpkeep(expiry=bench.expiry, renewer=bench.renewer, clock=bench.service.clock, interval_seconds=0.01)


async def test_it_renews_and_ends_what_is_due(bench: ConsentBench) -> None:
    bench.devices.enrol(device(1))
    long = (await bench.grant(devices=[device(1)])).consent.name
    await bench.grant(devices=[device(1)], validity_duration=span(3600))

    async def done() -> bool:
        (lease,) = await bench.leases(consent=long)
        ended = [row["state"] for row in await bench.rows("consent")]
        return lease.revision == 2 and sorted(ended) == ["EXPIRED", "GIVEN"]

    async with running(upkeep_of(bench)):
        bench.service.clock.advance(43_200)
        await until(done)


async def test_a_clock_that_is_set_ahead_brings_nothing_forward(bench: ConsentBench) -> None:
    bench.devices.enrol(device(1))
    await bench.grant(devices=[device(1)], validity_duration=span(3600))
    async with running(upkeep_of(bench)):
        bench.service.clock.jump(10 * 86_400)
        await asyncio.sleep(0.1)
    assert [row["state"] for row in await bench.rows("consent")] == ["GIVEN"]
    (lease,) = await bench.leases()
    assert lease.revision == 1


async def test_it_goes_on_after_a_fault(bench: ConsentBench) -> None:
    bench.devices.enrol(device(1))
    name = (await bench.grant(devices=[device(1)])).consent.name
    await bench.revoke(name)
    prepare, failures = bench.removals.prepare, 0

    async def fail_first(order: Any, now: Any) -> Any:
        nonlocal failures
        failures += 1
        if failures == 1:
            raise OSError("the token is away")
        return await prepare(order, now)

    bench.removals.prepare = fail_first  # type: ignore[method-assign]

    async def done() -> bool:
        return bool(bench.removals.made)

    async with running(upkeep_of(bench)):
        await until(done)
    assert failures == 2
    assert (await bench.get(name)).state == consent_pb2.CONSENT_STATE_REVOKED
