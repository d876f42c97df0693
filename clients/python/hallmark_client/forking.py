"""What a process does that was forked from one with open files of ours: nothing with them, and it harms nothing.

Each is one process's: a vault, what a watcher keeps, what a device must not forget. A child would never hear of a
deletion or a suspension, and it must not close what it shares with its parent.
"""

import ctypes
import os
import sqlite3
from typing import Final, Protocol
from weakref import WeakSet


class Forkable(Protocol):
    def forked(self) -> None:
        """In the child, right after the fork. Waits for no lock: whoever held it is not there."""


_OPEN: Final[WeakSet[Forkable]] = WeakSet()


def watch(opened: Forkable) -> None:
    _OPEN.add(opened)


def leave_to_parent(connection: sqlite3.Connection) -> None:
    """In the child. SQLite would write its log back and remove it when the connection goes, also at the end of the
    child, and the parent's next commits would be lost (https://www.sqlite.org/howtocorrupt.html, section 2.6): so the
    connection never goes.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


def _in_child() -> None:
    for opened in tuple(_OPEN):
        opened.forked()


os.register_at_fork(after_in_child=_in_child)
