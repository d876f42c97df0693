"""Who signs next: signatures asked for one by one travel together, batches travel in chunks, and both take turns.

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
"""Single signatures in one frame; more gains nothing measurable and makes the first one wait."""


@dataclass(slots=True)
class _Frame:
    items: list[SignItem]
    answers: list["asyncio.Future[Answer]"]


class Schedule:
    """Belongs to one event loop. `signers`: how many are ready now."""

    def __init__(self, send: Send, signers: Callable[[], int]) -> None:
        self._send = send
        self._signers = signers
        self._singles: deque[tuple[SignItem, asyncio.Future[Answer]]] = deque()
        self._chunks: deque[_Frame] = deque()
        self._single_is_next = True
        self._sent = 0
        self._is_due = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def sign(self, items: Sequence[SignItem]) -> list[Answer]:
        """Answers in order."""
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[Answer]] = [loop.create_future() for _ in items]
        if len(items) == 1:
            self._singles.append((items[0], futures[0]))
        else:
            start = 0
            for chunk in in_chunks(items, workers=self._signers()):
                self._chunks.append(_Frame(chunk, futures[start : start + len(chunk)]))
                start += len(chunk)
        if not self._is_due:  # at the end of this turn of the loop: others may be about to ask, too
            self._is_due = True
            loop.call_soon(self._fill)
        return [await future for future in futures]

    async def drain(self) -> None:
        """Returns when nothing waits and nothing is on its way."""
        while self._is_due or self._singles or self._chunks or self._tasks:
            await asyncio.sleep(0)
            if self._tasks:
                await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)

    def _fill(self) -> None:
        self._is_due = False
        while self._sent < _FRAMES_PER_SIGNER * max(self._signers(), 1):
            frame = self._next()
            if frame is None:
                return
            self._sent += 1
            task = asyncio.get_running_loop().create_task(self._carry(frame))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _next(self) -> _Frame | None:
        """Singles and chunks in turn. What nobody waits for any more is left out."""
        take_singles = bool(self._singles) and (self._single_is_next or not self._chunks)
        self._single_is_next = not take_singles
        frame = self._take_singles() if take_singles else self._chunks.popleft() if self._chunks else None
        if frame is not None and all(answer.done() for answer in frame.answers):
            return self._next()
        return frame

    def _take_singles(self) -> _Frame:
        """A fair share for each free place, at most eight."""
        free = _FRAMES_PER_SIGNER * max(self._signers(), 1) - self._sent
        count = min(_TOGETHER_MAX, -(-len(self._singles) // max(free, 1)))
        taken = [self._singles.popleft() for _ in range(count)]
        wanted = [(item, answer) for item, answer in taken if not answer.done()] or taken[:1]
        return _Frame([item for item, _ in wanted], [answer for _, answer in wanted])

    async def _carry(self, frame: _Frame) -> None:
        try:
            answers = await self._send(frame.items)
        except asyncio.CancelledError:
            for waiting in frame.answers:
                waiting.cancel()
            raise
        except Exception as error:  # a mistake of ours: those who wait hear of it
            for waiting in frame.answers:
                if not waiting.done():
                    waiting.set_exception(error)
            return
        finally:
            self._sent -= 1
            self._fill()
        for waiting, answer in zip(frame.answers, answers, strict=True):
            if not waiting.done():
                waiting.set_result(answer)
