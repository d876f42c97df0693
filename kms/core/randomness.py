"""Randomness comes in as an argument; this is the only module of the service that asks the system for it."""

import os
import threading
from typing import Final, Protocol

_PAGE_BYTES: Final = 4096


class Randomness(Protocol):
    """Source of unpredictable bytes, fit for challenges and identifiers."""

    def bytes(self, count: int) -> bytes: ...


class SystemRandomness:
    """The kernel's generator, asked for a page at a time: each system call hands over the interpreter lock.

    Every byte is given out once. Thread-safe. Not for processes that fork: none of ours does.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._page = b""
        self._used = 0

    def bytes(self, count: int) -> bytes:
        if count > _PAGE_BYTES // 8:
            return os.urandom(count)
        with self._lock:
            if self._used + count > len(self._page):
                self._page, self._used = os.urandom(_PAGE_BYTES), 0
            start, self._used = self._used, self._used + count
            return self._page[start : self._used]
