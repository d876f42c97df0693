"""Encrypted pieces on their way: one folder per release, one file per part, each piece where it belongs in the file.

updates/                         0700
  lock                           held while an update runs (flock(2))
  metadata/                      TUF: what was seen of the repository
  downloads/<statement SHA-256>/<name of the encrypted part, a digest over its pieces>

There is no list of what is whole: the file is asked. So nothing that a crash or a power cut leaves behind is believed,
and a piece that is whole is never fetched again. No plaintext and no key is ever here.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from hallmark_client.device.updates.errors import NoSpace, UpdateRunning, UpdateStoreFailed
from hallmark_client.device.vault import Disk
from hallmark_release.index import PIECE_SIZE, IndexPart
from hallmark_release.pieces import piece_size
from hallmark_release.verify import VerifiedRelease

RESERVE_BYTES: Final = 16 * 1024 * 1024
"""Stays free: for the index of the vault and its log."""
_BLOCK: Final = 256 * 1024
_WRITE: Final = 256 * 1024
"""For whole MiB at once Linux takes page cache in runs as long: 0.8 to 1.7 s of CPU a GiB instead of 0.2 s (measured
with 6.18, ext4, in a virtual machine).
"""


class UpdateFolder:
    """Raises UpdateStoreFailed, NoSpace."""

    def __init__(self, path: Path, disk: Disk) -> None:
        self.path = path
        self.disk = disk

    @property
    def metadata(self) -> Path:
        return self.path / "metadata"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Raises UpdateRunning."""
        with refused_by_disk(self.path):
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UpdateRunning("UPDATE_RUNNING", f"another update is running in {self.path}") from None
            yield
        finally:
            os.close(descriptor)

    def download(self, release: VerifiedRelease) -> "Download":
        """With what is there of it already."""
        return Download(self._downloads(release) / release.statement.sha256.hex(), release, self.disk)

    def drop_others(self, release: VerifiedRelease) -> None:
        """Downloads of other releases of its model; best effort: what stays is encrypted, and dropped the next time."""
        self._drop(release, but=release.statement.sha256.hex())

    def drop_downloads(self, release: VerifiedRelease) -> None:
        """All of its model; best effort, too."""
        self._drop(release)

    def _downloads(self, release: VerifiedRelease) -> Path:
        return self.path / "downloads" / release.index.release.model

    def _drop(self, release: VerifiedRelease, *, but: str = "") -> None:
        with contextlib.suppress(FileNotFoundError):
            for folder in self._downloads(release).iterdir():
                if folder.name != but:
                    shutil.rmtree(folder, ignore_errors=True)


class Download:
    """The parts of one release, whole or not. Different threads may write different pieces."""

    def __init__(self, folder: Path, release: VerifiedRelease, disk: Disk) -> None:
        self._folder = folder
        self._release = release
        self._disk = disk

    def path(self, part: IndexPart) -> Path:
        return self._folder / part.name

    def missing(self, part: IndexPart) -> list[int]:
        """Numbers of the pieces that are not here whole. Reads what is here."""
        try:
            with self.path(part).open("rb", buffering=0) as file:
                return [number for number in range(len(part.pieces)) if not _is_whole(file.fileno(), part, number)]
        except FileNotFoundError:
            return list(range(len(part.pieces)))
        except OSError as error:
            raise _unusable(self.path(part), error) from error

    def is_whole(self, part: IndexPart) -> bool:
        """Every piece, and nothing beyond. Reads it. Raises UpdateStoreFailed."""
        if self.missing(part):
            return False
        with refused_by_disk(self.path(part)):
            return self.path(part).stat().st_size == part.encrypted_size

    def check_room(self, needed: int) -> None:
        """Raises NoSpace."""
        with refused_by_disk(self._folder):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            free = shutil.disk_usage(self._folder).free
        if free < needed + RESERVE_BYTES:
            raise no_space(needed=needed + RESERVE_BYTES, free=free)

    @contextmanager
    def writing(self, part: IndexPart) -> Iterator["PartFile"]:
        """For one thread."""
        path = self.path(part)
        with refused_by_disk(path):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            yield PartFile(path, descriptor, self._disk)
        finally:
            os.close(descriptor)

    def drop(self, part: IndexPart) -> None:
        with refused_by_disk(self.path(part)):
            self._disk.unlink(self.path(part))

    def drop_all(self) -> None:
        """Nothing stays. Raises UpdateStoreFailed."""
        for part in self._release.index.parts:
            self.drop(part)
        with refused_by_disk(self._folder), contextlib.suppress(FileNotFoundError):
            self._folder.rmdir()


class PartFile:
    def __init__(self, path: Path, descriptor: int, disk: Disk) -> None:
        self._path = path
        self._descriptor = descriptor
        self._disk = disk

    def write(self, number: int, piece: memoryview) -> None:
        with refused_by_disk(self._path):
            os.lseek(self._descriptor, number * PIECE_SIZE, os.SEEK_SET)
            for start in range(0, len(piece), _WRITE):
                self._disk.write(self._descriptor, piece[start : start + _WRITE])

    def syncing(self) -> Callable[[], None]:
        """Syncs what is written so far, in any thread, also after this file was closed. Must be called."""
        with refused_by_disk(self._path):
            descriptor = os.dup(self._descriptor)

        def sync() -> None:
            try:
                with refused_by_disk(self._path):
                    self._disk.sync(descriptor)
            finally:
                os.close(descriptor)

        return sync


@contextmanager
def refused_by_disk(path: Path) -> Iterator[None]:
    """OSError becomes NoSpace or UpdateStoreFailed."""
    try:
        yield
    except OSError as error:
        raise _unusable(path, error) from error


def no_space(*, needed: int, free: int) -> NoSpace:
    sentence = f"the update needs {needed:,} bytes more on this disk, {free:,} are free: make room, then update again"
    return NoSpace("NO_SPACE", sentence, metadata={"needed": str(needed), "free": str(free)})


def _unusable(path: Path, error: OSError) -> NoSpace | UpdateStoreFailed:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace("NO_SPACE", f"{path}: the disk is full: make room, then update again")
    sentence = f"{error.filename or path}: {error.strerror or error}. Check permissions and the disk"
    return UpdateStoreFailed("UPDATE_STORE", sentence)


def _is_whole(descriptor: int, part: IndexPart, number: int) -> bool:
    buffer, digest = memoryview(bytearray(_BLOCK)), hashlib.sha256()
    at, end = number * PIECE_SIZE, number * PIECE_SIZE + piece_size(part, number)
    while at < end:
        count = os.preadv(descriptor, [buffer[: min(_BLOCK, end - at)]], at)
        if count == 0:
            return False
        digest.update(buffer[:count])
        at += count
    return digest.digest() == part.pieces[number]
