"""Whatever the order of deliveries, acknowledgements, receipts, ticks of the clock and replicas: no state that is not
allowed, no receipt that is lost, no act that happens twice.
"""

import asyncio
import tempfile
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kms.core.errors import FailedPrecondition
from kms.removal.keeper import RemovalKeeper
from kms.removal.model import FOLLOWERS, UNHEARD, ReceiptGrade, Removal, RemovalState
from unit.kms.removal.bench import PROMISE, UNREACHABLE, Holder, RemovalBench, removals_running


@dataclass(frozen=True)
class World:
    runner: asyncio.Runner
    bench: RemovalBench
    holder: Holder
    replicas: tuple[RemovalKeeper, ...]

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with asyncio.Runner() as runner, tempfile.TemporaryDirectory() as folder:
        running = removals_running(Path(folder))
        bench = runner.run(running.__aenter__())
        holder = runner.run(bench.enrol())
        # Without revocations, so that one device serves all examples.
        yield World(runner, bench, holder, (bench.not_revoking(), bench.not_revoking()))
        runner.run(running.__aexit__(None, None, None))


STEPS = st.lists(
    st.one_of(
        st.just(("deliver",)),
        st.tuples(st.just("acknowledge"), st.sampled_from(["", "invalid_request"])),
        st.tuples(st.just("receipt"), st.sampled_from([ReceiptGrade.A0, ReceiptGrade.A1])),
        st.tuples(st.just("tick"), st.sampled_from([timedelta(seconds=1), UNREACHABLE, PROMISE])),
        st.just(("two at once",)),
    ),
    max_size=8,
)
LEASES = st.sampled_from([None, timedelta(hours=1), PROMISE, 2 * PROMISE])


@settings(max_examples=40, deadline=None)
@given(steps=STEPS, lease=LEASES)
def test_no_order_breaks_a_removal(world: World, steps: list[tuple[Any, ...]], lease: timedelta | None) -> None:
    world.run(_live(world, steps, lease))


async def _live(world: World, steps: list[tuple[Any, ...]], lease: timedelta | None) -> None:
    bench, (one, other) = world.bench, world.replicas
    bench.leases.end = None if lease is None else bench.now + lease
    made = await bench.withdraw(world.holder.name)
    given: list[ReceiptGrade] = []
    before = made
    for step in [*steps, ("tick", PROMISE)]:
        match step:
            case ("deliver",):
                await bench.deliver(made)
            case ("acknowledge", error):
                await bench.acknowledge(made, error=error)
            case ("receipt", grade):
                await _give(world, made, grade, given)
            case ("tick", span):
                bench.advance(span)
                await one.keep(bench.now)
            case _:
                # A receipt in the same moment as two replicas look at the clock.
                await asyncio.gather(
                    one.keep(bench.now), _give(world, made, ReceiptGrade.A0, given), other.keep(bench.now)
                )
        after = await bench.removal(made.name)
        _check(before, after, given)
        before = after
    assert before.state in {RemovalState.DELETED, RemovalState.LAPSED, RemovalState.OVERDUE}, "the deadline decides"
    assert len([each for each in await bench.logged("removal.overdue") if each["subject"] == str(made.name)]) <= 1


async def _give(world: World, made: Removal, grade: ReceiptGrade, given: list[ReceiptGrade]) -> None:
    """Refused when it is no better than what was given before, and then only."""
    sign = world.holder.sign if grade is ReceiptGrade.A1 else None
    best = max(given, default=None)
    try:
        await world.bench.submit(made, await world.bench.receipt(made, sign=sign))
    except FailedPrecondition:
        assert not grade.is_better_than(best)
        return
    assert grade.is_better_than(best)
    given.append(grade)


def _check(before: Removal, after: Removal, given: list[ReceiptGrade]) -> None:
    assert after.state is before.state or after.state in FOLLOWERS[before.state], f"{before.state} to {after.state}"
    assert (after.state is RemovalState.DELETED) is bool(given), "a receipt was lost, or came from nowhere"
    assert after.grade == max(given, default=None)
    for name in ("deliver_time", "acknowledge_time", "receipt_time", "close_time"):
        told = getattr(before, name)
        assert told is None or getattr(after, name) == told, f"{name} moved"
    assert (after.receipt_time is None) is (not given)
    assert after.acknowledge_time is None or after.deliver_time is not None
    assert after.state not in UNHEARD or after.deliver_time is None
