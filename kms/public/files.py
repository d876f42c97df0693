"""The public read plane is files. This is the port to where they lie, and the implementation in a folder.

Contract of every implementation (tests/contract/kms/public):

Durability   `add` and `replace` return after content, names and the folders above them are durable. When they raise,
             any part may have been stored or not; calling again with the same files completes the work.
Atomicity    A reader sees a file whole or not at all, and of a replaced file the old or the new content. `add` of
             several files is not atomic: readers must come to them through a file that is replaced afterwards.
Immutable    `add` of a file that is there with the same content succeeds; with other content it raises
             PublicFileChanged and leaves the old one. `replace` is for the few files that change, never for added ones.
Not found    `read` answers None.
Threading    Any number of calls may be in flight; two writers of one path are the caller's mistake, except for `add`
             of the same content. Nothing is retried here.
"""

import asyncio
import itertools
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from kms.public.errors import PublicFileChanged, PublicFilesUnavailable, PublicPathInvalid

PATH_CHARACTERS_MAX = 512
_NAME = r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}"
_PATH = re.compile(rf"{_NAME}(?:/{_NAME}){{0,15}}", re.ASCII)
_WORK_FOLDER = ".writing"
_LEFTOVER_SECONDS = 3600
_FOLDERS_REMEMBERED_MAX = 10_000


@dataclass(frozen=True, slots=True)
class PublicFile:
    """`path` is relative, with forward slashes, such as `tile/0/000`."""

    path: str
    content: bytes


class PublicFiles(Protocol):
    """See the module's text for the contract. All methods raise PublicFilesError."""

    async def read(self, path: str) -> bytes | None: ...

    async def add(self, files: Sequence[PublicFile]) -> None:
        """Stores files that never change."""

    async def replace(self, file: PublicFile) -> None:
        """Stores or replaces one file."""


def check_path(path: str) -> str:
    """Raises PublicPathInvalid for whatever could leave the root or hide in it."""
    if len(path) > PATH_CHARACTERS_MAX or not _PATH.fullmatch(path):
        raise PublicPathInvalid(path)
    return path


class FolderPublicFiles:
    """Files in a folder, which any static web server can serve. Several processes may share it.

    Written as: temporary file, fsync, rename, fsync of every folder whose names changed. Temporary files lie in
    `.writing` below the folder; what a crash left there is removed an hour later.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()
        self._durable_folders: set[Path] = set()
        """Known to be there for good. One that only exists may be the work of a process that died before its fsync."""

    async def read(self, path: str) -> bytes | None:
        return await asyncio.to_thread(self._read, check_path(path))

    async def add(self, files: Sequence[PublicFile]) -> None:
        if files:
            await asyncio.to_thread(self._add, files)

    async def replace(self, file: PublicFile) -> None:
        await asyncio.to_thread(self._replace, file)

    def _read(self, path: str) -> bytes | None:
        with _refusing(path):
            try:
                return (self._folder / path).read_bytes()
            except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
                return None

    def _add(self, files: Sequence[PublicFile]) -> None:
        missing = []
        for file in files:
            existing = self._read(check_path(file.path))
            if existing is None:
                missing.append(file)
            elif existing != file.content:
                raise PublicFileChanged(file.path)
        self._store(missing)
        # All of them: one found in place may have been renamed by a process that died before its folder was durable.
        self._sync_folders(files)

    def _replace(self, file: PublicFile) -> None:
        self._store([file])
        self._sync_folders([file])

    def _store(self, files: Sequence[PublicFile]) -> None:
        written = [(self._write_temporary(file), file) for file in files]
        for temporary, file in written:
            with _refusing(file.path):
                self._make_folders((self._folder / file.path).parent)
                temporary.rename(self._folder / file.path)

    def _write_temporary(self, file: PublicFile) -> Path:
        check_path(file.path)
        work = self._folder / _WORK_FOLDER
        with _refusing(file.path):
            self._make_folders(work)
            number = next(self._numbers)
            temporary = work / f"{os.getpid()}-{id(self):x}-{number}"
            try:
                _write_durably(temporary, file.content)
            except OSError:
                temporary.unlink(missing_ok=True)
                raise
            if number == 0:
                _remove_leftovers(work, temporary.stat().st_mtime)
            return temporary

    def _make_folders(self, folder: Path) -> None:
        """Creates a folder and those above it, up to the root, each durable in the one above."""
        if folder in self._durable_folders:
            return
        if folder != self._folder:
            self._make_folders(folder.parent)
        folder.mkdir(exist_ok=True, parents=folder == self._folder)
        _sync_folder(folder.parent)
        if len(self._durable_folders) >= _FOLDERS_REMEMBERED_MAX:
            self._durable_folders.clear()
        self._durable_folders.add(folder)

    def _sync_folders(self, files: Sequence[PublicFile]) -> None:
        for folder in {(self._folder / file.path).parent for file in files}:
            with _refusing(str(folder)):
                _sync_folder(folder)


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_leftovers(work: Path, now: float) -> None:
    # `now` is the mtime of a file just written: the file system's own clock, which is the one the others carry.
    for path in work.iterdir():
        try:
            if now - path.stat().st_mtime > _LEFTOVER_SECONDS:
                path.unlink()
        except FileNotFoundError:  # another process was faster
            continue


@contextmanager
def _refusing(path: str) -> Iterator[None]:
    """An OSError says what the system refused; its own text would name folders of the host."""
    try:
        yield
    except OSError as error:
        raise PublicFilesUnavailable(path, f"cannot be stored or read: {error.strerror or error}") from error
