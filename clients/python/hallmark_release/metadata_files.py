"""TUF metadata in a folder that a static server serves: read whole, written so that a reader never meets a half state.

With consistent snapshots (TUF section 6.2) only timestamp.json is ever replaced; all other files have their version in
the name and are new. So the order is: everything under temporary names and fsynced, then renamed, timestamp.json after
what it leads to. A crash before that leaves files that nothing refers to; the next publication writes over them.
"""

import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from hallmark_release.errors import RepositoryUnusable

METADATA: Final = "metadata"
TARGETS: Final = "targets"
TIMESTAMP: Final = "timestamp.json"
METADATA_BYTES_MAX: Final = 5_000_000
"""Of one file, whatever is said of its length."""

_ROOT: Final = re.compile(r"([1-9][0-9]{0,8})\.root\.json", re.ASCII)


def newest_root(folder: Path) -> tuple[int, bytes]:
    """(version, bytes). Raises RepositoryUnusable where there is none."""
    try:
        versions = [int(found[1]) for each in (folder / METADATA).iterdir() if (found := _ROOT.fullmatch(each.name))]
    except OSError as error:
        raise RepositoryUnusable(f"{folder} is no repository: {error.strerror}", advice=_INIT) from error
    if not versions:
        raise RepositoryUnusable(f"{folder} is no repository: it has no root", advice=_INIT)
    newest = max(versions)
    return newest, read_metadata(folder, f"{newest}.root.json")


def read_metadata(folder: Path, name: str) -> bytes:
    """Raises RepositoryUnusable."""
    path = folder / METADATA / name
    try:
        with path.open("rb") as file:
            data = file.read(METADATA_BYTES_MAX + 1)
    except OSError as error:
        raise RepositoryUnusable(f"{path} can not be read: {error.strerror}") from error
    if len(data) > METADATA_BYTES_MAX:
        raise RepositoryUnusable(f"{path} is larger than {METADATA_BYTES_MAX} bytes")
    return data


def write_all(folder: Path, files: Mapping[str, bytes]) -> None:
    """Paths below the folder and their bytes, in the order in which they must appear; whole or not at all each.

    Raises OSError; what was renamed by then stays.
    """
    fresh: list[tuple[Path, Path]] = []
    try:
        for path, data in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = target.with_name(f".{secrets.token_hex(8)}.new")
            fresh.append((temporary, target))
            _write(temporary, data)
        for temporary, target in fresh:
            temporary.replace(target)
            sync_folder(target.parent)
    finally:
        for temporary, _ in fresh:
            temporary.unlink(missing_ok=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One publisher at a time. Raises RepositoryUnusable when there is another, or no such folder."""
    import fcntl  # not on Windows, where the verifier must run all the same

    try:
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise RepositoryUnusable(f"{folder} can not be written: {error.strerror}", advice=_INIT) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RepositoryUnusable(f"another publisher is at work in {folder}", advice="Wait for it") from error
        yield
    finally:
        os.close(descriptor)


_INIT: Final = "`hallmark release init` makes one"


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
