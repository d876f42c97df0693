"""The steps of a call that take time elsewhere: the HSM, a write, a proof of the log. For who traces calls.

Nobody traces, nothing is done: a look at a context variable, 0.1 us.
"""

import contextlib
from collections.abc import Callable
from contextvars import ContextVar
from typing import Final, TypeAlias

Steps: TypeAlias = Callable[[str], contextlib.AbstractContextManager[object]]
"""Opens a step of the call; the name is one of a few."""

_steps: Final[ContextVar[Steps | None]] = ContextVar("hallmark_steps", default=None)
_NOTHING: Final[contextlib.AbstractContextManager[object]] = contextlib.nullcontext()


def step(name: str) -> contextlib.AbstractContextManager[object]:
    """Around what a call waits for."""
    steps = _steps.get()
    return _NOTHING if steps is None else steps(name)


def note_steps(steps: Steps) -> None:
    """Of the call whose task this is, and of tasks that it starts from now on."""
    _steps.set(steps)
