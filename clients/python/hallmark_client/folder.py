"""What lies in a folder: files with their hashes, links with their targets. Follows nothing out of it."""

import fnmatch
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from hallmark_client.errors import ManifestInvalid
from hallmark_client.model.result import Result

# Never through a link, and never waiting for the writer of a named pipe that took a file's place.
_OPEN_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class File(Result):
    """A regular file. path: relative, POSIX. size: in bytes. sha256: hex."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Link(Result):
    """A symbolic link. target: its text, not followed."""

    path: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Other(Result):
    """Neither file, folder nor link: a pipe, a socket, a device."""

    path: str


Entry: TypeAlias = File | Link | Other


def scan(folder: str | os.PathLike[str], exclude: Sequence[str]) -> list[Entry]:
    """Everything in a folder, at any depth, sorted by path. Raises ManifestInvalid for what can not be read."""
    root = Path(folder)
    if not root.is_dir():
        raise ManifestInvalid("FOLDER_MISSING", f"{root} is not a folder")
    try:
        return sorted(_walk(root, "", exclude), key=lambda entry: entry.path)
    except OSError as error:
        raise ManifestInvalid("FILE_UNREADABLE", f"{error.filename!r} can not be read: {error.strerror}") from error


_DEPTH_MAX: Final = 100


def _walk(root: Path, prefix: str, exclude: Sequence[str]) -> Iterator[Entry]:
    if prefix.count("/") > _DEPTH_MAX:
        raise ManifestInvalid(
            "FOLDER_TOO_DEEP", f"folders are nested more than {_DEPTH_MAX} deep at {prefix[:60]!r}..."
        )
    with os.scandir(root / prefix) as found:
        for item in found:
            path = prefix + item.name
            if any(fnmatch.fnmatchcase(item.name, each) or fnmatch.fnmatchcase(path, each) for each in exclude):
                continue
            if item.is_symlink():
                yield Link(path=path, target=str(Path(item.path).readlink()))
            elif item.is_dir():
                yield from _walk(root, f"{path}/", exclude)
            else:
                yield _read(item.path, path)


def _read(location: str, path: str) -> Entry:
    if not stat.S_ISREG(os.lstat(location).st_mode):
        return Other(path=path)
    descriptor = os.open(location, _OPEN_FLAGS)
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return Other(path=path)
        digest = hashlib.file_digest(file, "sha256")
        return File(path=path, size=file.tell(), sha256=digest.hexdigest())
