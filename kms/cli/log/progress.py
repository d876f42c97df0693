"""Progress of long work over entries, on a terminal only: how many, how fast, how long still."""

import sys
import time
from collections.abc import Callable
from typing import Final

import click

Show = Callable[[int, int], None]

_EVERY_SECONDS: Final = 0.2


def progress(what: str, *, monotonic: Callable[[], float] = time.monotonic) -> Show | None:
    """`show(done, size)`, as often as one likes. None where standard error is no terminal."""
    return Bar(what, monotonic).show if sys.stderr.isatty() else None


class Bar:
    """One line that is written over."""

    def __init__(self, what: str, monotonic: Callable[[], float]) -> None:
        self._what = what
        self._monotonic = monotonic
        self._began = self._shown = monotonic()
        self._first: int | None = None

    def show(self, done: int, size: int) -> None:
        now = self._monotonic()
        if self._first is None:
            self._first = done  # the speed is that of this run, which may go on from another one
        if done < size and now - self._shown < _EVERY_SECONDS:
            return
        self._shown = now
        click.echo(f"\r{self._line(done, size, now):<78}{chr(10) if done == size else ''}", nl=False, err=True)

    def _line(self, done: int, size: int, now: float) -> str:
        speed = (done - (self._first or 0)) / max(now - self._began, 1e-6)
        left = f", {duration((size - done) / speed)} left" if speed and done < size else ""
        return f"{done:,} of {size:,} entries {self._what}, {speed:,.0f}/s{left}"


def duration(seconds: float) -> str:
    """Such as 42 s, 3 min 10 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
