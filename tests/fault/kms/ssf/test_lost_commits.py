"""The database goes away while streams are fed or pushed to: nothing is lost, and nothing stands in a queue twice."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from fault.kms.revocation.flaky import ConnectionLost, Fault, FlakyDatabase
from support.keys_world import KeysWorld, keys_world
from unit.kms.ssf.bench import PUSH, make_bench
from unit.kms.ssf.push_receiver import receiving


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[KeysWorld]:
    async with keys_world(tmp_path) as running:
        yield running


@pytest.mark.parametrize("fault", list(Fault))
async def test_feeding(world: KeysWorld, fault: Fault) -> None:
    bench = await make_bench(world)
    token = (await bench.receiver()).token
    stream = await bench.stream(token)
    for number in range(3):
        await bench.happen(f"devices/{number}")
    flaky = FlakyDatabase(world.world.database)
    flaky.plan(fault)
    with pytest.raises(ConnectionLost):
        await replace(bench.feeder, database=flaky).step()
    await bench.feed()
    assert len((await bench.poll(token, stream))["sets"]) == 3


@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("write", ["the claim", "what came of it"])
async def test_pushing(world: KeysWorld, fault: Fault, write: str) -> None:
    """At least once: what was delivered before the loss may come again, as the same set."""
    async with receiving() as receiver:
        bench = await make_bench(world)
        token = (await bench.receiver()).token
        await bench.stream(token, delivery={"method": PUSH, "endpoint_url": receiver.url})
        await bench.happen("devices/1")
        await bench.happen("devices/2")
        await bench.feed()
        flaky = FlakyDatabase(world.world.database)
        flaky.plan(*([] if write == "the claim" else [None]), fault)
        with contextlib.suppress(ConnectionLost):
            await replace(bench.pusher, database=flaky).step()
        bench.clock.advance(61)
        await bench.pusher.step()
        assert len(set(receiver.tokens)) == 2
        (overview,) = await bench.receivers.list("default")
        assert overview.pending == 0
