"""What the clock decides, and what deliveries and acknowledgements change about it."""

import asyncio
from datetime import timedelta

import pytest

from kms.core.names import ChildName
from kms.removal import store
from kms.removal.model import FOLLOWERS, OPEN, RemovalState
from unit.kms.removal.bench import PROMISE, UNREACHABLE, RemovalBench


async def test_three_times_are_kept_apart(bench: RemovalBench) -> None:
    holder = await bench.enrol()
    made = await bench.withdraw(holder.name)
    bench.advance(timedelta(seconds=2))
    await bench.deliver(made)
    delivered = await bench.removal(made.name)
    assert (delivered.state, delivered.deliver_time) == (RemovalState.DELIVERED, bench.now)
    bench.advance(timedelta(seconds=3))
    await bench.acknowledge(made)
    acknowledged = await bench.removal(made.name)
    assert acknowledged.state is RemovalState.ACKNOWLEDGED
    assert (acknowledged.deliver_time, acknowledged.acknowledge_time) == (delivered.deliver_time, bench.now)
    bench.advance(timedelta(seconds=4))
    await bench.submit(made, await bench.receipt(made))
    deleted = await bench.removal(made.name)
    assert (deleted.state, deleted.receipt_time) == (RemovalState.DELETED, bench.now)
    assert deleted.acknowledge_time == acknowledged.acknowledge_time


async def test_being_told_again_changes_nothing(bench: RemovalBench) -> None:
    holder = await bench.enrol()
    made = await bench.withdraw(holder.name)
    await bench.deliver(made)
    await bench.acknowledge(made)
    first = await bench.removal(made.name)
    bench.advance(timedelta(minutes=1))
    await bench.acknowledge(made)
    await bench.deliver(made)
    assert await bench.removal(made.name) == first


async def test_what_is_acknowledged_was_delivered(bench: RemovalBench) -> None:
    holder = await bench.enrol()
    made = await bench.withdraw(holder.name)
    await bench.acknowledge(made)
    found = await bench.removal(made.name)
    assert (found.state, found.deliver_time) == (RemovalState.ACKNOWLEDGED, bench.now)


async def test_a_device_that_could_not_apply_it_has_received_it(bench: RemovalBench) -> None:
    holder = await bench.enrol()
    made = await bench.withdraw(holder.name)
    await bench.acknowledge(made, error="invalid_request")
    found = await bench.removal(made.name)
    assert (found.state, found.acknowledge_time) == (RemovalState.DELIVERED, None)


async def test_another_device_acknowledges_nothing(bench: RemovalBench) -> None:
    holder, other = await bench.enrol(), await bench.enrol()
    made = await bench.withdraw(holder.name)
    await bench.acknowledge(made, device=other.name)
    assert await bench.state(made) is RemovalState.ISSUED
    await bench.deliver(made, device=ChildName("elsewhere", "devices", holder.name.id))
    assert await bench.state(made) is RemovalState.ISSUED


async def test_a_device_that_is_not_reached_is_unreachable_and_may_come_back(bench: RemovalBench) -> None:
    holder = await bench.enrol()
    made = await bench.withdraw(holder.name)
    bench.advance(UNREACHABLE - timedelta(seconds=1))
    await bench.keep()
    assert await bench.state(made) is RemovalState.ISSUED
    bench.advance(timedelta(seconds=1))
    await bench.keep()
    assert await bench.state(made) is RemovalState.UNREACHABLE
    await bench.deliver(made)
    assert await bench.state(made) is RemovalState.DELIVERED


@pytest.mark.parametrize("lease_end", [None, timedelta(hours=20), PROMISE])
async def test_never_reached_and_no_lease_lives_lapses(bench: RemovalBench, lease_end: timedelta | None) -> None:
    holder = await bench.enrol()
    bench.leases.end = None if lease_end is None else bench.now + lease_end
    made = await bench.withdraw(holder.name)
    bench.advance(PROMISE)
    await bench.keep()
    found = await bench.removal(made.name)
    assert (found.state, found.close_time) == (RemovalState.LAPSED, bench.now)
    assert await bench.device_state(holder.name) == "attested"
    assert await bench.logged("removal.overdue") == []
    await bench.deliver(made)
    late = await bench.removal(made.name)
    assert (late.state, late.deliver_time) == (RemovalState.LAPSED, bench.now)


async def test_never_reached_but_a_lease_lives_is_overdue(bench: RemovalBench) -> None:
    holder = await bench.enrol()
    bench.leases.end = bench.now + PROMISE + timedelta(seconds=1)
    made = await bench.withdraw(holder.name)
    bench.advance(PROMISE)
    await bench.keep()
    assert await bench.state(made) is RemovalState.OVERDUE


@pytest.mark.parametrize("acknowledged", [False, True])
async def test_reached_without_a_receipt_is_overdue(bench: RemovalBench, acknowledged: bool) -> None:
    holder = await bench.enrol()
    made = await bench.withdraw(holder.name)
    await bench.deliver(made)
    if acknowledged:
        await bench.acknowledge(made)
    bench.advance(PROMISE - timedelta(microseconds=1))
    await bench.keep()
    assert await bench.state(made) in OPEN
    bench.advance(timedelta(microseconds=1))
    await bench.keep()
    assert await bench.state(made) is RemovalState.OVERDUE
    (entry,) = await bench.logged("removal.overdue")
    assert entry["subject"] == str(made.name)


async def test_a_receipt_ends_the_clock(bench: RemovalBench) -> None:
    holder = await bench.enrol()
    made = await bench.withdraw(holder.name)
    await bench.submit(made, await bench.receipt(made))
    bench.advance(10 * PROMISE)
    await bench.keep()
    assert await bench.state(made) is RemovalState.DELETED


async def test_replicas_decide_once(bench: RemovalBench) -> None:
    holder = await bench.enrol()
    removals = [await bench.withdraw(holder.name) for _ in range(5)]
    for each in removals:
        await bench.deliver(each)
    bench.advance(PROMISE)
    replicas = [bench.keeper, bench.replica(), bench.replica()]
    await asyncio.gather(*(each.deadlines.check_due(bench.now) for each in replicas))
    await asyncio.gather(*(each.keep(bench.now) for each in replicas))
    assert len(await bench.logged("removal.overdue")) == len(removals)
    assert len(await bench.logged("device.compliance-changed")) == 1
    assert len(await bench.logged("revocation.created")) == 1


async def test_more_than_one_round_is_gone_through(bench: RemovalBench, monkeypatch: pytest.MonkeyPatch) -> None:
    holder = await bench.enrol()
    monkeypatch.setattr(store, "DUE_MAX", 2)
    for _ in range(5):
        await bench.withdraw(holder.name)
    bench.advance(PROMISE)
    await bench.keep()
    report = await bench.parts.servicer.reader.report("default", since=None, until=None, now=bench.now)
    assert report.states[RemovalState.LAPSED] == 5


def test_every_state_has_its_followers() -> None:
    assert FOLLOWERS.keys() == frozenset(RemovalState)
    for state in OPEN:
        assert {RemovalState.DELETED, RemovalState.OVERDUE} <= FOLLOWERS[state]
    assert all(RemovalState.DELETED in FOLLOWERS[state] for state in RemovalState if state is not RemovalState.DELETED)
