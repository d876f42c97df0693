"""The public read plane is files. This is the port to where they lie, and the implementation in a folder.

Contract of every implementation (tests/contract/kms/public):

Durability   `add` and `replace` return after content, names and the folders above them are durable. When they raise,
             any part may have been stored or not; calling again with the same files completes the work.
Atomicity    A reader sees a file whole or not at all, and of a replaced file the old or the new content. `add` of
             several files is not atomic: readers must come to them through a file that is replaced afterwards.
Immutable    `add` of a file that is there with the same content succeeds; with other content it raises
             PublicFileChanged and leaves the old one. `replace` is for the few files that change, never for added ones.
Not found    `read` answers None.
Writers      Any number of calls may be in flight, also of several processes. Two may `add` the same content. Two that
             `replace` one path each say by `unless` what may stay: it is asked while the other one waits, so a slow
             writer never takes back what a fast one has shown. Nothing is retried here.
"""

import asyncio
import fcntl
import itertools
import os
import re
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from kms.public.errors import PublicFileChanged, PublicFilesUnavailable, PublicPathInvalid

PATH_CHARACTERS_MAX = 512
_NAME = r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}"
_PATH = re.compile(rf"{_NAME}(?:/{_NAME}){{0,15}}", re.ASCII)
_WORK_FOLDER = ".writing"
_LOCK = "lock"
_LEFTOVER_SECONDS = 3600
_FOLDERS_REMEMBERED_MAX = 10_000


@dataclass(frozen=True, slots=True)
class PublicFile:
    """`path` is relative, with forward slashes, such as `tile/0/000`."""

    path: str
    content: bytes


Unless = Callable[[bytes], bool]
"""Asked about the content that is there: True leaves it."""


class PublicFiles(Protocol):
    """See the module's text for the contract. All methods raise PublicFilesError."""

    async def read(self, path: str) -> bytes | None: ...

    async def add(self, files: Sequence[PublicFile]) -> None:
        """Stores files that never change."""

    async def replace(self, file: PublicFile, *, unless: Unless | None = None) -> None:
        """Stores or replaces one file. Raises what `unless` raises."""


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

    async def replace(self, file: PublicFile, *, unless: Unless | None = None) -> None:
        await asyncio.to_thread(self._replace, file, unless)

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

    def _replace(self, file: PublicFile, unless: Unless | None) -> None:
        if unless is None:
            self._store([file])
        else:
            with self._alone():
                existing = self._read(check_path(file.path))
                if existing is None or not unless(existing):
                    self._store([file])
        self._sync_folders([file])

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Among all processes that replace files here; the kernel lets go when one dies."""
        lock = self._folder / _WORK_FOLDER / _LOCK
        with _refusing(_LOCK):
            self._make_folders(lock.parent)
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            with _refusing(_LOCK):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

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
            temporary = work / f"{socket.gethostname()}-{os.getpid()}-{id(self):x}-{number}"
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
        sync_folder(folder.parent)
        if len(self._durable_folders) >= _FOLDERS_REMEMBERED_MAX:
            self._durable_folders.clear()
        self._durable_folders.add(folder)

    def _sync_folders(self, files: Sequence[PublicFile]) -> None:
        for folder in {(self._folder / file.path).parent for file in files}:
            with _refusing(str(folder)):
                sync_folder(folder)


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_leftovers(work: Path, now: float) -> None:
    # `now` is the mtime of a file just written: the file system's own clock, which is the one the others carry.
    for path in work.iterdir():
        if path.name == _LOCK:
            continue
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
