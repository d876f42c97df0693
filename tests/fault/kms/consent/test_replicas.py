"""Two replicas over one database: a withdrawal on one, leases given and renewed on the other, at the same moment."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kms.core.database import Database
from kms.core.errors import ServiceError
from support.database import fresh_database
from unit.kms.consent.bench import ConsentBench, consents_on, device
from unit.kms.revocation.bench import serving

ROUNDS = 5
DEVICES = [device(number) for number in range(1, 5)]


@pytest.fixture
async def replicas(tmp_path: Path, database_url: str) -> AsyncIterator[tuple[ConsentBench, ConsentBench]]:
    with fresh_database(tmp_path, database_url) as database, contextlib.closing(Database(database_url)) as other:
        async with contextlib.AsyncExitStack() as stack:
            first = await stack.enter_async_context(serving(database, tmp_path))
            second = await stack.enter_async_context(serving(other, tmp_path, provider=first.provider, seed=2))
            yield await consents_on(first), await consents_on(second)


async def _quietly(*acts: object) -> None:
    """A refusal is an answer: which of them is in time is chance."""
    for result in await asyncio.gather(*acts, return_exceptions=True):  # type: ignore[call-overload]
        if isinstance(result, BaseException) and not isinstance(result, ServiceError):
            raise result


async def test_nothing_is_given_after_the_end(replicas: tuple[ConsentBench, ConsentBench]) -> None:
    here, there = replicas
    for bench in replicas:
        bench.devices.enrol(*DEVICES)
    for number in range(ROUNDS):
        name = (await here.grant(subject=f"person-{number}", devices=DEVICES[:2])).consent.name
        for bench in replicas:
            bench.service.clock.advance(43_200)
        await _quietly(
            here.withdraw(name),
            *(there.acquire(name, each) for each in DEVICES),
            there.renewer.renew_due(there.service.clock.now()),
            here.renewer.renew_due(here.service.clock.now()),
        )
        consent = await here.get(name)
        leases = await there.leases(consent=name)
        assert consent.HasField("end_time")
        assert leases
        assert not any(lease.live for lease in leases)
        asked = {str(each.order.device) for each in here.removals.made if str(each.order.consent) == name}
        assert asked == {lease.device for lease in leases}
        assert all(lease.revision <= 2 for lease in leases), "a lease is renewed once"


async def test_one_of_two_replicas_renews_a_lease(replicas: tuple[ConsentBench, ConsentBench]) -> None:
    here, _ = replicas
    for bench in replicas:
        bench.devices.enrol(*DEVICES)
    await here.grant(devices=DEVICES, artifacts=[1, 2])
    for bench in replicas:
        bench.service.clock.advance(43_200)
    await _quietly(*(bench.renewer.renew_due(bench.service.clock.now()) for bench in replicas))
    assert {lease.revision for lease in await here.leases()} == {2}
    assert len([row for row in await here.rows("event") if row["revision"] == 2]) == 8
