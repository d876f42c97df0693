"""What a process that was forked from one with an open vault does with it: nothing, and it harms nothing.

A vault is one process's. A child would never hear of a deletion or a suspension, so its readers end with the fork; and
it must not close what it shares with its parent.
"""

import os
from typing import Final, Protocol
from weakref import WeakSet


class Forkable(Protocol):
    def forked(self) -> None:
        """In the child, right after the fork. Waits for no lock: whoever held it is not there."""


_OPEN: Final[WeakSet[Forkable]] = WeakSet()


def watch(vault: Forkable) -> None:
    _OPEN.add(vault)


def _in_child() -> None:
    for vault in tuple(_OPEN):
        vault.forked()


os.register_at_fork(after_in_child=_in_child)
