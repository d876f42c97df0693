"""Signatures asked for one by one travel the rest of the way together.

Most of what a single signature costs the service is not in it but around it: tasks, wake-ups, a frame, a place in a
commit. A few groups are under way at a time; what comes meanwhile waits and makes up the next one. So load makes the
groups: when little is asked, each signature goes at once and alone.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, TypeVar

GROUP_MAX: Final = 8
"""More saves little, and the first one waits for the last."""

Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass(slots=True, eq=False)
class _Waiting(Generic[Item, Answer]):
    item: Item
    now: datetime
    answer: asyncio.Future[Answer]


class Gathering(Generic[Item, Answer]):
    """Belongs to one event loop. `run` answers each item of a group, in order, as of one time."""

    def __init__(self, run: Callable[[Sequence[Item], datetime], Awaitable[list[Answer]]], *, groups_max: int) -> None:
        self._run = run
        self._groups_max = groups_max
        self._waiting: OrderedDict[_Waiting[Item, Answer], None] = OrderedDict()
        self._groups: set[asyncio.Task[None]] = set()
        self._is_due = False

    async def ask(self, item: Item, now: datetime) -> Answer:
        """The answer; raises what `run` raised for the group. Who stops waiting is not asked for, if not yet sent."""
        loop = asyncio.get_running_loop()
        waiting: _Waiting[Item, Answer] = _Waiting(item, now, loop.create_future())
        self._waiting[waiting] = None
        if not self._is_due:  # at the end of this turn of the loop: others may be about to ask, too
            self._is_due = True
            loop.call_soon(self._fill)
        try:
            return await waiting.answer
        finally:  # at once: while the HSM hangs, what callers gave up would pile up
            self._waiting.pop(waiting, None)

    def _fill(self) -> None:
        self._is_due = False
        while self._waiting and len(self._groups) < self._groups_max:
            free = self._groups_max - len(self._groups)
            share = min(GROUP_MAX, -(-len(self._waiting) // free))
            taken = [self._waiting.popitem(last=False)[0] for _ in range(share)]
            group = [waiting for waiting in taken if not waiting.answer.done()]
            if group:
                task = asyncio.get_running_loop().create_task(self._carry(group))
                self._groups.add(task)
                task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._groups.discard(task)
        self._fill()

    async def _carry(self, group: list[_Waiting[Item, Answer]]) -> None:
        try:
            answers = await self._run([waiting.item for waiting in group], max(waiting.now for waiting in group))
        except asyncio.CancelledError:
            for waiting in group:
                waiting.answer.cancel()
            raise
        except Exception as error:
            for waiting in group:
                if not waiting.answer.done():
                    waiting.answer.set_exception(error)
            return
        for waiting, answer in zip(group, answers, strict=True):
            if not waiting.answer.done():
                waiting.answer.set_result(answer)
