"""Who signs next: small requests travel together, batches travel in chunks, and both take turns.

A signer process has at most two frames at a time, the one it works on and the next; what comes meanwhile waits here.
So load makes the frames: an idle signer gets a single signature at once, a busy one gets up to eight together, which
share a wake-up, an opening of the sealed seed and an answer. And a single signature waits for chunks, not for batches.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from hsm.errors import HsmError

from .items import SignItem, in_chunks

Answer = bytes | HsmError
Send = Callable[[list[SignItem]], Awaitable[list[Answer]]]
"""One frame, to the least loaded signer process. Answers in order; HsmErrors among them, none raised."""

_FRAMES_PER_SIGNER: Final = 2
_TOGETHER_MAX: Final = 8
"""Signatures of small requests in one frame; more gains nothing measurable and makes the first one wait."""


@dataclass(slots=True)
class _Part:
    """What one caller waits for: `items` in a row, and where their answers go."""

    items: list[SignItem]
    answers: "asyncio.Future[list[Answer]]"


class Schedule:
    """Belongs to one event loop. `signers`: how many are ready now."""

    def __init__(self, send: Send, signers: Callable[[], int]) -> None:
        self._send = send
        self._signers = signers
        self._small: deque[_Part] = deque()
        self._chunks: deque[_Part] = deque()
        self._small_is_next = True
        self._sent = 0
        self._is_due = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def sign(self, items: Sequence[SignItem]) -> list[Answer]:
        """Answers in order."""
        loop = asyncio.get_running_loop()
        idle = max(self._signers() - self._sent, 1)
        parts = [_Part(chunk, loop.create_future()) for chunk in in_chunks(items, workers=idle)]
        queue = self._small if len(items) <= _TOGETHER_MAX else self._chunks
        queue += parts
        if not self._is_due:  # at the end of this turn of the loop: others may be about to ask, too
            self._is_due = True
            loop.call_soon(self._fill)
        try:
            return [answer for part in parts for answer in await part.answers]
        except BaseException:
            _give_up(parts, queue)
            raise

    async def drain(self) -> None:
        """Returns when nothing waits and nothing is on its way."""
        while self._is_due or self._small or self._chunks or self._tasks:
            await asyncio.sleep(0)
            if self._tasks:
                await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)

    def _fill(self) -> None:
        self._is_due = False
        while self._sent < _FRAMES_PER_SIGNER * max(self._signers(), 1):
            frame = self._next()
            if not frame:
                return
            self._sent += 1
            task = asyncio.get_running_loop().create_task(self._carry(frame))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _next(self) -> list[_Part]:
        """Small requests and chunks in turn, empty when nothing waits. What nobody waits for any more is left out."""
        while self._small or self._chunks:
            take_small = bool(self._small) and (self._small_is_next or not self._chunks)
            self._small_is_next = not take_small
            frame = self._take_small() if take_small else [self._chunks.popleft()]
            wanted = [part for part in frame if not part.answers.done()]
            if wanted:
                return wanted
        return []

    def _take_small(self) -> list[_Part]:
        """A fair share for each free place, at most eight."""
        free = _FRAMES_PER_SIGNER * max(self._signers(), 1) - self._sent
        waiting = sum(len(part.items) for part in self._small)
        count = min(_TOGETHER_MAX, -(-waiting // max(free, 1)))
        taken = [self._small.popleft()]
        left = count - len(taken[0].items)
        while self._small and len(self._small[0].items) <= left:
            taken.append(self._small.popleft())
            left -= len(taken[-1].items)
        return taken

    async def _carry(self, frame: list[_Part]) -> None:
        try:
            answers = await self._send([item for part in frame for item in part.items])
        except asyncio.CancelledError:
            for part in frame:
                part.answers.cancel()
            raise
        except Exception as error:  # a mistake of ours: those who wait hear of it
            for part in frame:
                if not part.answers.done():
                    part.answers.set_exception(error)
            return
        finally:
            self._sent -= 1
            self._fill()
        start = 0
        for part in frame:
            if not part.answers.done():
                part.answers.set_result(answers[start : start + len(part.items)])
            start += len(part.items)


def _give_up(parts: list[_Part], queue: deque[_Part]) -> None:
    """Nobody waits for any of them any more: what is not sent yet is dropped, because what waits is counted by those
    who wait for it (WorkerPool.admitted), and has to stay bounded.
    """
    for part in parts:
        part.answers.cancel()
    waiting = [part for part in queue if not part.answers.done()]
    queue.clear()
    queue.extend(waiting)
