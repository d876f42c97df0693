"""Threads that share the work on a stream of blocks, and one that flushes: what building and installing releases need.

    with Lanes(2, blocks=3) as lanes:
        for number, block in enumerate(...):          # written into buffers[number % 3]
            lanes.begin(0, whole.update, block)
            lanes.begin(1, shards.update, block)
            lanes.next_block()                        # the buffer of the next block is free now
        lanes.settle()

hashlib and the operating system's calls release the interpreter's lock, so lanes run on cores of their own.
"""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self


class Lanes:
    """Each lane does in order what it was given; at most `blocks` blocks are under way. For one thread.

    What a lane raises is raised here, at most `blocks` calls of `next_block` later. No thread is left after the block
    of `with`: what had not begun then is dropped.
    """

    def __init__(self, count: int, *, blocks: int) -> None:
        self._lanes = [ThreadPoolExecutor(1, f"hallmark-lane-{lane}") for lane in range(count)]
        self._most = blocks
        self._blocks: deque[list[Future[object]]] = deque([[]])

    def begin(self, lane: int, work: Callable[[memoryview], object], data: memoryview) -> None:
        """`work(data)`, after what this lane has already. data: of the current block; nobody may write it meanwhile."""
        self._blocks[-1].append(self._lanes[lane].submit(work, data))

    def next_block(self) -> None:
        """When this returns, one block fewer than `blocks` is under way. Raises what its work raised."""
        self._wait(self._most - 1)
        self._blocks.append([])

    def settle(self) -> None:
        """Nothing is under way. Raises what the work raised."""
        self._wait(0)
        self._blocks.append([])

    def _wait(self, most: int) -> None:
        while len(self._blocks) > most:
            for future in self._blocks.popleft():
                future.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for lane in self._lanes:
            lane.shutdown(wait=True, cancel_futures=True)


class Flushing:
    """What was written goes to the disk while more is written: little is left for the last sync. Any thread.

    A disk reports a failed write to one sync alone, so `begin` and `finish` raise what an earlier one met.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "hallmark-flushing")
        self._begun: list[Future[None]] = []

    def begin(self, syncing: Callable[[], Callable[[], None]]) -> None:
        """Unless the disk has not come so far yet. syncing: gives what syncs."""
        if not self._begun or self._begun[-1].done():
            self.finish()
            self._begun.append(self._thread.submit(syncing()))

    def finish(self) -> None:
        """Every sync that was begun has ended, and well."""
        for each in list(self._begun):
            each.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(wait=True)
