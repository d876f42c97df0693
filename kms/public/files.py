"""The public read plane is files. This is the port to where they lie, and the implementation in a folder.

Contract of every implementation (tests/contract/kms/public):

Durability   `add` and `replace` return after content, names and the folders above them are durable. When they raise,
             any part may have been stored or not; calling again with the same files completes the work.
Atomicity    A reader sees a file whole or not at all, and of a replaced file the old or the new content. `add` of
             several files is not atomic: readers must come to them through a file that is replaced afterwards.
Immutable    `add` of a file that is there with the same content succeeds; with other content it raises
             PublicFileChanged and leaves the old one. `replace` is for the few files that change, never for added ones.
Not found    `read` answers None; `names` of a folder that is not there is empty.
Removal      `remove` is for files that nobody needs any more; whoever calls knows that. It may come back after a crash.
Writers      Any number of calls may be in flight, also of several processes. Two may `add` the same content. Two that
             `replace` one path each say by `unless` what may stay: it is asked while the other one waits, so a slow
             writer never takes back what a fast one has shown. Nothing is retried here.
"""

import asyncio
import errno
import fcntl
import itertools
import os
import re
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from kms.public.durable import sync_folder, sync_folders, sync_together
from kms.public.errors import PublicFileChanged, PublicFilesUnavailable, PublicPathInvalid

PATH_CHARACTERS_MAX = 512
_NAME = r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}"
_PATH = re.compile(rf"{_NAME}(?:/{_NAME}){{0,15}}", re.ASCII)
_WORK_FOLDER = ".writing"
_LOCK = "lock"
_LEFTOVER_SECONDS = 3600
_FOLDERS_REMEMBERED_MAX = 10_000
_PUBLIC_FOLDER, _PUBLIC_FILE, _PRIVATE_FOLDER = 0o755, 0o644, 0o700
_NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP}
"""What link(2) answers on file systems without hard links, such as SMB shares."""


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

    async def publish(self, files: Sequence[PublicFile], last: PublicFile, *, unless: Unless | None = None) -> None:
        """`add` of the files, then `replace` of the last, at less cost: who sees the last one sees them all."""

    async def names(self, folder: str = "") -> list[str]:
        """What lies directly in a folder ("" is the root), sorted; the names of folders end in "/"."""

    async def remove(self, paths: Sequence[str]) -> None:
        """Removes files, and folders that are left empty. What is not there is fine."""


def check_path(path: str) -> str:
    """Raises PublicPathInvalid for whatever could leave the root or hide in it."""
    if len(path) > PATH_CHARACTERS_MAX or not _PATH.fullmatch(path):
        raise PublicPathInvalid(path)
    return path


class FolderPublicFiles:
    """Files in a folder, which any static web server can serve. Several processes may share it.

    Written as: temporary files, fsync of all together, then their names, fsync of every folder whose names changed.
    Temporary files lie in `.writing` below the folder, which no web server can read; what a crash left there is removed
    an hour later. Everything else may be read by everybody, whatever the umask of the process.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._work = folder / _WORK_FOLDER
        self._writer = f"{socket.gethostname()}-{os.getpid()}-{id(self):x}"
        self._numbers = itertools.count()
        self._durable_folders: set[Path] = set()
        """Known to be there for good. One that only exists may be the work of a process that died before its fsync."""

    async def read(self, path: str) -> bytes | None:
        return await asyncio.to_thread(self._read, check_path(path))

    async def add(self, files: Sequence[PublicFile]) -> None:
        if files:
            await asyncio.to_thread(self._publish, files, None, None)

    async def replace(self, file: PublicFile, *, unless: Unless | None = None) -> None:
        await asyncio.to_thread(self._publish, (), file, unless)

    async def publish(self, files: Sequence[PublicFile], last: PublicFile, *, unless: Unless | None = None) -> None:
        await asyncio.to_thread(self._publish, files, last, unless)

    async def names(self, folder: str = "") -> list[str]:
        return await asyncio.to_thread(self._names, check_path(folder) if folder else "")

    async def remove(self, paths: Sequence[str]) -> None:
        await asyncio.to_thread(self._remove, [check_path(path) for path in paths])

    def _read(self, path: str) -> bytes | None:
        with _refusing(path):
            try:
                return (self._folder / path).read_bytes()
            except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
                return None

    def _publish(self, files: Sequence[PublicFile], last: PublicFile | None, unless: Unless | None) -> None:
        new = [file for file in files if not self._is_there(file)]
        with self._temporaries([*new, last] if last is not None else new) as temporaries:
            for file, temporary in zip(new, temporaries, strict=False):
                self._name(file, temporary, _link)
            # All of them: one found in place may have been named by a process that died before its folder was durable.
            self._sync_folders_of(files)
            if last is not None:
                self._name_last(last, temporaries[-1], unless)
                self._sync_folders_of([last])

    def _is_there(self, file: PublicFile) -> bool:
        """Raises PublicFileChanged when other content is."""
        existing = self._read(check_path(file.path))
        if existing is not None and existing != file.content:
            raise PublicFileChanged(file.path)
        return existing is not None

    @contextmanager
    def _temporaries(self, files: Sequence[PublicFile]) -> Iterator[list[Path]]:
        """Each content in a durable file that has not its public name yet. What is left of them at the end goes."""
        names = [self._work / f"{self._writer}-{next(self._numbers)}" for _ in files]
        try:
            if files:
                with _refusing(check_path(files[-1].path)):
                    self._make_folders(self._work)
                    _write_together(names, files)
                    if names[0].name.endswith("-0"):
                        _remove_leftovers(self._work, names[0].stat().st_mtime)
            yield names
        finally:
            for name in names:
                with suppress(OSError):
                    name.unlink(missing_ok=True)

    def _name_last(self, file: PublicFile, temporary: Path, unless: Unless | None) -> None:
        with nullcontext() if unless is None else self._alone():
            existing = None if unless is None else self._read(file.path)
            if existing is None or unless is None or not unless(existing):
                self._name(file, temporary, Path.rename)

    def _name(self, file: PublicFile, temporary: Path, act: Callable[[Path, Path], object]) -> None:
        target = self._folder / file.path
        with _refusing(file.path):
            self._make_folders(target.parent)
            try:
                act(temporary, target)
            except FileNotFoundError:  # the folder was empty, and another process removed it
                self._durable_folders.clear()
                self._make_folders(target.parent)
                act(temporary, target)
            except _TakenError:  # another process was faster; a rename would have replaced what it has shown
                if not self._is_there(file):
                    raise PublicFilesUnavailable(file.path, "is being removed") from None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Among all processes that replace files here; the kernel lets go when one dies."""
        with _refusing(_LOCK):
            self._make_folders(self._work)
            descriptor = os.open(self._work / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            with _refusing(_LOCK):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _make_folders(self, folder: Path) -> None:
        """Creates a folder and those above it, up to the root, each durable in the one above."""
        if folder in self._durable_folders:
            return
        if folder != self._folder:
            self._make_folders(folder.parent)
        with suppress(FileExistsError):
            folder.mkdir(parents=folder == self._folder)
            folder.chmod(_PRIVATE_FOLDER if folder == self._work else _PUBLIC_FOLDER)
        sync_folder(folder.parent)
        if len(self._durable_folders) >= _FOLDERS_REMEMBERED_MAX:
            self._durable_folders.clear()
        self._durable_folders.add(folder)

    def _sync_folders_of(self, files: Sequence[PublicFile]) -> None:
        for_whom = files[0].path if files else ""
        with _refusing(for_whom):
            sync_folders({(self._folder / file.path).parent for file in files})

    def _names(self, folder: str) -> list[str]:
        with _refusing(folder):
            try:
                with os.scandir(self._folder / folder) as entries:
                    names = [f"{entry.name}/" if entry.is_dir() else entry.name for entry in entries]
            except (FileNotFoundError, NotADirectoryError):
                return []
        return sorted(name for name in names if not name.startswith("."))

    def _remove(self, paths: Sequence[str]) -> None:
        for path in paths:
            with _refusing(path), suppress(FileNotFoundError, NotADirectoryError):
                (self._folder / path).unlink()
        above = {folder for path in paths for folder in PurePosixPath(path).parents if folder.name}
        for folder in sorted(above, key=lambda folder: len(folder.parts), reverse=True):
            self._durable_folders.discard(self._folder / folder)
            with suppress(OSError):  # not empty, or gone
                (self._folder / folder).rmdir()


class _TakenError(Exception):
    """There is a file of this name."""


def _link(temporary: Path, target: Path) -> None:
    """Raises _TakenError: what is there stays."""
    try:
        target.hardlink_to(temporary)
    except FileExistsError:
        raise _TakenError from None
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        temporary.rename(target)


def _write_together(names: Sequence[Path], files: Sequence[PublicFile]) -> None:
    with ExitStack() as closing:
        streams = [closing.enter_context(name.open("wb")) for name in names]
        for stream, file in zip(streams, files, strict=True):
            os.fchmod(stream.fileno(), _PUBLIC_FILE)
            stream.write(file.content)
            stream.flush()
        sync_together([stream.fileno() for stream in streams])


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
