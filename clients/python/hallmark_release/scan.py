"""What a folder holds that is to be released, by the rules of OpenSSF Model Signing and stricter ones.

Links are refused, as Model Signing does unless asked. Refused here too: empty files, which a statement of shards can
not name, and names that are not the same on every device (names.py).
"""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from hallmark_release.errors import FolderUnusable
from hallmark_release.names import FILES_MAX, PATH_DEPTH_MAX, meeting_paths, path_order, why_not_path

GIT_PATHS: Final = (".git", ".gitattributes", ".github", ".gitignore")
"""What Model Signing ignores unless told otherwise."""

WITHOUT_WAITING: Final = getattr(os, "O_NONBLOCK", 0)
"""Never for the writer of a named pipe that took a file's place."""

_OPEN_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | WITHOUT_WAITING


@dataclass(frozen=True, slots=True)
class FoundFile:
    """path: relative, POSIX. location: where it is. size: when it was looked at."""

    path: str
    location: Path
    size: int


def scan_folder(folder: Path, ignore_paths: Sequence[str] = GIT_PATHS) -> tuple[FoundFile, ...]:
    """All files that are not ignored, in the order of statements. Raises FolderUnusable.

    ignore_paths: relative to the folder; what lies below them is ignored too.
    """
    if not folder.is_dir():
        raise FolderUnusable(f"{folder} is not a folder")
    try:
        found = sorted(_walk(folder, "", frozenset(ignore_paths)), key=lambda file: path_order(file.path))
    except OSError as error:
        raise FolderUnusable(f"{error.filename!r} can not be read: {error.strerror}") from error
    if not 1 <= len(found) <= FILES_MAX:
        advice = "" if found else "Is this the folder of the model? What --ignore names is not counted"
        raise FolderUnusable(f"a release has 1 to {FILES_MAX} files, {folder} has {len(found)}", advice=advice)
    if met := meeting_paths(file.path for file in found):
        raise FolderUnusable(
            f"{met[0]!r} and {met[1]!r} would meet on a device that does not tell case", advice=_RENAME
        )
    return tuple(found)


def open_file(file: FoundFile) -> BinaryIO:
    """Unbuffered; a link or pipe that took its place is refused. Raises FolderUnusable."""
    try:
        descriptor = os.open(file.location, _OPEN_FLAGS)
    except OSError as error:
        raise FolderUnusable(f"{file.path!r} can not be read: {error.strerror}") from error
    opened = os.fdopen(descriptor, "rb", buffering=0)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        opened.close()
        raise FolderUnusable(f"{file.path!r} is no regular file any more")
    return opened


_RENAME: Final = "Rename one of them"
_IGNORE: Final = "Remove it, or leave it out with --ignore"
_COPY: Final = "Copy the folder without links first (cp -rL), or leave it out with --ignore"


def _walk(root: Path, prefix: str, ignored: frozenset[str]) -> Iterator[FoundFile]:
    if prefix.count("/") > PATH_DEPTH_MAX:
        raise FolderUnusable(f"folders are nested more than {PATH_DEPTH_MAX} deep at {prefix[:60]!r}...")
    with os.scandir(root / prefix) as found:
        for item in found:
            path = prefix + item.name
            if path in ignored:
                continue
            if item.is_symlink():
                raise FolderUnusable(f"{path!r} is a symbolic link", advice=_COPY)
            if item.is_dir():
                yield from _walk(root, f"{path}/", ignored)
            else:
                yield _file(item, path)


def _file(item: os.DirEntry[str], path: str) -> FoundFile:
    facts = item.stat(follow_symlinks=False)
    if not stat.S_ISREG(facts.st_mode):
        raise FolderUnusable(f"{path!r} is neither a file nor a folder", advice=_IGNORE)
    if why := why_not_path(path):
        raise FolderUnusable(f"{path!r} can not be released: {why}", advice="Rename it, or leave it out with --ignore")
    if facts.st_size == 0:
        raise FolderUnusable(f"{path!r} is empty: a statement of shards can not name it", advice=_IGNORE)
    return FoundFile(path, Path(item.path), facts.st_size)
