"""Who may change the token's files: one at a time, in this server and among all servers that share the folder.

SoftHSM counts changes in a file, and a process looks into the folder again only when that number is another than its
own. Two processes that change it at the same moment both write the same number, and neither sees the other's key.
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

FILE: Final = "writing.lock"
_POLL_SECONDS: Final = 0.01


class WritingTurn:
    """Belongs to one event loop. A turn ends with its process, however that ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._here = asyncio.Lock()

    @asynccontextmanager
    async def held(self, *, timeout_seconds: float | None = None) -> AsyncIterator[None]:
        """Raises TimeoutError when it is not our turn within that time."""
        async with asyncio.timeout(timeout_seconds):
            await self._here.acquire()
        try:
            with _opened(self._folder) as file:
                if file is not None:
                    async with asyncio.timeout(timeout_seconds):
                        while not _lock(file):  # noqa: ASYNC110 - the kernel sets no asyncio.Event
                            await asyncio.sleep(_POLL_SECONDS)
                yield
        finally:
            self._here.release()


@contextmanager
def _opened(folder: Path) -> Iterator[int | None]:
    """The lock file; None where the folder is away, because then there is nothing to change."""
    try:
        descriptor = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
