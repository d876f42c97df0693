"""Limits: per second, in all, and in time."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from kms.core.errors import FailedPrecondition, InvalidArgument, Reason, ResourceExhausted
from kms.core.names import KeyName
from kms.keys import store
from kms.keys.model import signing_version
from kms.keys.policies import KeySettings, UsageLimits
from kms.keys.usage import UseRates
from support.clock import START, FakeClock
from support.keys_world import KeysWorld, keys_world

NAME = KeyName("default", "manifest")


@pytest.fixture
async def world(tmp_path: Path, world_url: str | None) -> AsyncIterator[KeysWorld]:
    async with keys_world(tmp_path, world_url) as world:
        yield world


async def make(world: KeysWorld, **limits: object) -> None:
    await world.create(settings=KeySettings(usage_limits=UsageLimits(**limits)))


async def count(world: KeysWorld, wanted: int) -> int:
    return await world.world.database.write(lambda tx: store.count_uses(tx, NAME, wanted))


async def test_a_total_is_never_passed_and_never_wasted(world: KeysWorld) -> None:
    await make(world, total=10)
    assert [await count(world, 4) for _ in range(4)] == [4, 4, 2, 0]
    assert (await world.keys.get(NAME)).use_count == 10


async def test_a_total_is_exact_under_load(world: KeysWorld) -> None:
    await make(world, total=100)
    allowed = await asyncio.gather(*(count(world, 7) for _ in range(40)))
    assert sum(allowed) == 100


async def test_uses_are_counted_without_a_limit_too(world: KeysWorld) -> None:
    await make(world)
    assert [await count(world, 3), await count(world, 2)] == [3, 2]
    assert (await world.keys.get(NAME)).use_count == 5


async def test_a_key_that_is_not_there_allows_nothing(world: KeysWorld) -> None:
    assert await count(world, 1) == 0


async def test_counting_does_not_change_the_etag(world: KeysWorld) -> None:
    await make(world, total=10)
    before = await world.keys.get(NAME)
    await count(world, 1)
    assert (await world.keys.get(NAME)).etag == before.etag


async def test_after_its_end_a_key_is_not_used(world: KeysWorld) -> None:
    await make(world, not_after=START + timedelta(days=1))
    key = await world.keys.get(NAME)
    assert signing_version(key, None, START + timedelta(days=1)).name.version == 1
    with pytest.raises(FailedPrecondition) as refused:
        signing_version(key, None, START + timedelta(days=1, seconds=1))
    assert refused.value.reason is Reason.KEY_EXPIRED


def test_a_rate_holds_for_each_key_and_fills_up_again() -> None:
    clock = FakeClock()
    rates = UseRates(clock)
    other = KeyName("default", "other")
    rates.take(NAME, 10, 7)
    with pytest.raises(ResourceExhausted) as refused:
        rates.take(NAME, 10, 4)
    assert refused.value.reason is Reason.RATE_LIMITED
    assert refused.value.retry_after_seconds == pytest.approx(0.1)
    rates.take(other, 10, 10)
    rates.take(NAME, 10, 3)
    clock.advance(0.5)
    rates.take(NAME, 10, 5)
    clock.advance(100)
    with pytest.raises(ResourceExhausted):
        rates.take(NAME, 10, 11)
    rates.take(NAME, None, 1000)


def test_the_rates_of_very_many_keys_are_bounded() -> None:
    rates = UseRates(FakeClock())
    for number in range(10_050):
        rates.take(KeyName("default", f"k{number}"), 5)
    assert len(rates._buckets) == 10_000


@pytest.mark.parametrize("limits", [{"per_second": 0}, {"per_second": -1}, {"total": -5}, {"total": 2**53 + 1}])
def test_limits_that_make_no_sense_are_refused(limits: dict[str, int]) -> None:
    with pytest.raises(InvalidArgument):
        UsageLimits(**limits)
