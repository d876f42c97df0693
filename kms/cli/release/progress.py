"""Progress over bytes: a bar on a terminal, nothing anywhere else."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click


@contextmanager
def byte_progress(what: str, size: int) -> Iterator[Callable[[int], None]]:
    """Call what it gives with each number of bytes done."""
    with click.progressbar(length=max(size, 1), label=what, file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        yield bar.update
