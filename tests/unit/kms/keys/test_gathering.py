"""Single requests travel in groups that load makes."""

import asyncio
import gc
import weakref
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from kms.keys.gathering import GROUP_MAX, Gathering

NOW = datetime(2026, 6, 1, tzinfo=UTC)


class Runs:
    """Groups that end when told to."""

    def __init__(self, groups_max: int = 2) -> None:
        self.groups: list[list[str]] = []
        self.times: list[datetime] = []
        self._ends: list[asyncio.Future[None]] = []
        self.gathering: Gathering[str, str] = Gathering(self.run, groups_max=groups_max)

    async def run(self, items: Sequence[str], now: datetime) -> list[str]:
        self.groups.append(list(items))
        self.times.append(now)
        end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ends.append(end)
        await end
        return [f"answer to {item}" for item in items]

    def ask(self, *items: str, now: datetime = NOW) -> list["asyncio.Task[str]"]:
        return [asyncio.create_task(self.gathering.ask(item, now)) for item in items]

    async def end(self, *, error: Exception | None = None) -> None:
        """The oldest group that is under way."""
        await settle()
        future = self._ends.pop(0)
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(None)
        await settle()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_alone_it_goes_at_once() -> None:
    runs = Runs()
    (task,) = runs.ask("a")
    await runs.end()
    assert runs.groups == [["a"]]
    assert await task == "answer to a"


async def test_load_makes_the_groups() -> None:
    runs = Runs()
    tasks = runs.ask(*(str(number) for number in range(30)))
    while not all(task.done() for task in tasks):
        await runs.end()
    assert [len(group) for group in runs.groups] == [GROUP_MAX, GROUP_MAX, GROUP_MAX, 6]
    assert [await task for task in tasks] == [f"answer to {number}" for number in range(30)]


async def test_a_few_are_spread_over_the_free_groups() -> None:
    runs = Runs(groups_max=4)
    tasks = runs.ask("a", "b", "c")
    for _ in tasks:
        await runs.end()
    assert runs.groups == [["a"], ["b"], ["c"]]


async def test_a_group_is_as_of_its_latest_call() -> None:
    runs = Runs(groups_max=1)
    runs_tasks = runs.ask("a", now=NOW + timedelta(seconds=1)) + runs.ask("b", now=NOW)
    await runs.end()
    assert runs.times == [NOW + timedelta(seconds=1)]
    await asyncio.gather(*runs_tasks)


async def test_what_nobody_waits_for_is_left_out() -> None:
    runs = Runs(groups_max=1)
    (first,) = runs.ask("first")
    await settle()
    left, stays = runs.ask("left", "stays")
    await settle()
    left.cancel()
    await runs.end()
    await runs.end()
    assert runs.groups == [["first"], ["stays"]]
    assert await first == "answer to first"
    assert await stays == "answer to stays"


async def test_what_callers_gave_up_is_let_go_at_once_also_while_no_group_ends() -> None:
    class Message:
        """Something to refer to weakly."""

    def ask() -> "tuple[asyncio.Task[str], weakref.ref[Message]]":
        message = Message()
        return asyncio.create_task(gathering.ask(message, NOW)), weakref.ref(message)

    async def hang(items: Sequence[Message], _now: datetime) -> list[str]:
        await ended.wait()
        return ["answer" for _ in items]

    ended = asyncio.Event()
    gathering: Gathering[Message, str] = Gathering(hang, groups_max=1)
    first, _ = ask()
    await settle()
    given_up = [ask() for _ in range(20)]
    stays, _ = ask()
    await settle()
    for task, _ in given_up:
        task.cancel()
    await asyncio.wait([task for task, _ in given_up])
    messages = [message for _, message in given_up]
    del task, given_up  # a cancelled task holds its frames
    gc.collect()
    assert [message() for message in messages] == [None] * 20
    ended.set()
    assert [await first, await stays] == ["answer", "answer"]


async def test_who_leaves_a_group_under_way_costs_the_others_nothing() -> None:
    runs = Runs(groups_max=1)
    leaves, stays = runs.ask("leaves", "stays")
    await settle()
    leaves.cancel()
    await runs.end()
    assert await stays == "answer to stays"
    assert leaves.cancelled()


async def test_a_group_that_fails_tells_its_own_callers_and_makes_room() -> None:
    runs = Runs(groups_max=1)
    failed = runs.ask("a", "b")
    await settle()
    (later,) = runs.ask("c")
    await runs.end(error=ZeroDivisionError("a mistake of ours"))
    for task in failed:
        with pytest.raises(ZeroDivisionError):
            await task
    await runs.end()
    assert await later == "answer to c"
