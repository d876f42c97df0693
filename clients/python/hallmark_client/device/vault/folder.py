"""The vault's folder: one index, one lock, and encrypted files by a digest of what is in them.

vault/                0700
  index.sqlite        0600, and its write-ahead log beside it while the vault is open
  lock                held while the vault is open (flock(2))
  blobs/incoming-...  being written; swept when the vault opens
  blobs/ab/abcd...    64 hex digits: SHA-256 of the file, or of an update its digest over the digests of the pieces
"""

import contextlib
import fcntl
import os
import shutil
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from hallmark_client.device.errors import StoreFailed, VaultInUse
from hallmark_client.device.vault.disk import Disk

_INCOMING: Final = "incoming-"
_COPY: Final = 1024 * 1024


class VaultFolder:
    """Raises StoreFailed where the disk refuses, VaultInUse where another process has it."""

    def __init__(self, path: Path, disk: Disk) -> None:
        self.path = path
        self.index = path / "index.sqlite"
        self._blobs = path / "blobs"
        self._disk = disk
        with refused_by_disk(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir(mode=0o700, exist_ok=True)
            self._blobs.mkdir(mode=0o700, exist_ok=True)
            # Whoever owns a folder decides what lies in it.
            if self._blobs.is_symlink() or {path.stat().st_uid, self._blobs.stat().st_uid} != {os.geteuid()}:
                raise _not_own(path)
            path.chmod(0o700)
            self._lock = private_file(path / "lock")
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(self._lock)
                raise VaultInUse(
                    "VAULT_IN_USE", f"another process has {path} open: let it serve this one, or end it first"
                ) from None
            except OSError:
                os.close(self._lock)
                raise

    def close(self) -> None:
        """In the child of a fork, too: there it only lets go of its half of the lock."""
        os.close(self._lock)

    def blob(self, name: str) -> Path:
        return self._blobs / name[:2] / name

    def stored(self) -> Iterator[Path]:
        """Encrypted files, and whatever else lies where they do. No link is followed out of the vault."""
        for folder in self._blobs.iterdir():
            if folder.is_dir() and not folder.is_symlink():
                yield from folder.iterdir()

    @contextmanager
    def incoming(self, name: str) -> Iterator[tuple[Path, int]]:
        """A new file and its descriptor for writing. It is gone after the block, unless it was kept."""
        path = self._blobs / f"{_INCOMING}{name}"
        with refused_by_disk(path):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            yield path, descriptor
        finally:
            os.close(descriptor)
            path.unlink(missing_ok=True)

    def keep(self, path: Path, name: str) -> None:
        """A whole, synced file gets its place: durable when this returns."""
        self._place(name, lambda target: self._disk.rename(path, target))

    def take(self, source: Path, name: str, incoming: str) -> None:
        """A whole file from elsewhere gets its place too; `source` stays. Copied where it can not be linked."""
        with refused_by_disk(source), source.open("rb") as file:
            self._disk.sync(file.fileno())
        try:
            self._place(name, lambda target: self._disk.link(source, target))
        except StoreFailed:
            with self.incoming(incoming) as (path, descriptor), refused_by_disk(path), source.open("rb") as file:
                while block := file.read(_COPY):
                    self._disk.write(descriptor, memoryview(block))
                self._disk.sync(descriptor)
                self.keep(path, name)

    def drop(self, names: Collection[str]) -> None:
        """Best effort: what stays is swept at the next open, and nobody can read it."""
        for name in names:
            with contextlib.suppress(OSError):
                self._disk.unlink(self.blob(name))

    def sweep(self, keep: Collection[str]) -> None:
        """Whatever is not among `keep` goes: files that no row names, and halves."""
        with refused_by_disk(self._blobs):
            links = [each for each in self._blobs.iterdir() if each.is_symlink()]
            strange = [each for each in self.stored() if each.name not in keep or each != self.blob(each.name)]
            for path in (*self._blobs.glob(f"{_INCOMING}*"), *links, *strange):
                with contextlib.suppress(OSError):  # a folder, or one that is gone
                    self._disk.unlink(path)

    def room(self) -> int:
        """Free bytes, for error texts."""
        return shutil.disk_usage(self.path).free

    def _place(self, name: str, put: Callable[[Path], None]) -> None:
        target = self.blob(name)
        with refused_by_disk(target):
            if not target.parent.is_dir():
                target.parent.mkdir(mode=0o700, exist_ok=True)
                self._disk.sync_folder(self._blobs)
            with contextlib.suppress(FileExistsError):  # the same bytes, for another artifact
                put(target)
            self._disk.sync_folder(target.parent)


def private_file(path: Path) -> int:
    """A descriptor of a file of this user's alone, made where there is none. Raises OSError, StoreFailed."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.geteuid():
            raise _not_own(path)
        os.fchmod(descriptor, 0o600)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _not_own(path: Path) -> StoreFailed:
    return StoreFailed(
        "STORE_FAILED", f"{path} is not this user's own, or no plain file or folder: see who put it there"
    )


@contextmanager
def refused_by_disk(path: Path) -> Iterator[None]:
    """OSError becomes StoreFailed with the file and what to do."""
    try:
        yield
    except OSError as error:
        raise StoreFailed(
            "STORE_FAILED", f"{error.filename or path}: {error.strerror or error}. Check free space and permissions"
        ) from error
