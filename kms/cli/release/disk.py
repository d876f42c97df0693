"""Errors of the disk that name a place: a write to an open file fails without one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """OSError without a file name, such as of a full disk, is raised as one of `place`."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename:
            raise
        raise OSError(error.errno, error.strerror, str(place)) from error
