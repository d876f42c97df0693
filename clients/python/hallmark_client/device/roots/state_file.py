"""A small file that is replaced as a whole: after a crash it holds what it held before or what was written, on disk.

Mode 0600, of this user; a lock beside it makes one process at a time of those that read, decide and write.
"""

import fcntl
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

from hallmark_client.device.errors import RootUnavailable

_MODE: Final = 0o600
_FOR_OTHERS: Final = 0o077
LOCK_SECONDS: Final = 60.0
"""Much longer than anybody works under the lock: who has it still is stopped, or waits for hardware that hangs."""
_LOOK_SECONDS: Final = 0.02


class StateFile:
    """Raises RootUnavailable for whatever the disk refuses; what was there before stays."""

    def __init__(self, path: Path, *, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes

    def make_folder(self) -> None:
        """Mode 0700 where there is none, as the vault's, in which the file often is."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _failed(self._path.parent, "be made", error) from None

    def locked(self) -> AbstractContextManager[None]:
        return locked(self._path.with_name(f"{self._path.name}.lock"))

    def read(self) -> bytes | None:
        """None where there is none. Raises RootUnavailable also for a file that others may read or write."""
        try:
            with self._path.open("rb") as file:
                facts = os.fstat(file.fileno())
                data = file.read(self._max_bytes + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _failed(self._path, "be read", error) from None
        if facts.st_uid != os.geteuid() or stat.S_IMODE(facts.st_mode) & _FOR_OTHERS:
            raise RootUnavailable(
                "ROOT_UNAVAILABLE",
                f"{self._path} is not this user's alone: give it to the user that runs this program and chmod 600 it",
            )
        return data

    def write(self, data: bytes) -> None:
        """Durable when it returns."""
        # With a name of its own each time: what a crash left behind is never written over, and never read.
        temporary = self._path.with_name(f".{self._path.name}.{secrets.token_hex(8)}")
        try:
            try:
                descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.rename(self._path)
            except OSError:
                temporary.unlink(missing_ok=True)
                raise
            self._sync_folder()
        except OSError as error:
            raise _failed(self._path, "be written", error) from None
        self._sweep()

    def _sync_folder(self) -> None:
        """Only then does the new name survive a power cut."""
        descriptor = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _sweep(self) -> None:
        """Takes away what writers left that were killed; the caller holds the lock, so nobody is writing."""
        for left in self._path.parent.glob(f".{self._path.name}.*"):
            left.unlink(missing_ok=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Waits for its turn, for LOCK_SECONDS. The lock ends with its process; its file stays, because removing it would
    let two in. Raises RootUnavailable.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
    except OSError as error:
        raise _failed(path, "be locked", error) from None
    try:
        _take(descriptor, path)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, path: Path) -> None:
    until = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                raise RootUnavailable(
                    "ROOT_UNAVAILABLE",
                    f"another process has had {path} locked for {LOCK_SECONDS:g} s, so it is stopped or hangs: "
                    f"`fuser {path}` names it; let it go on (kill -CONT) or end it, then try again",
                ) from None
        except OSError as error:
            raise _failed(path, "be locked", error) from None
        time.sleep(_LOOK_SECONDS)


def _failed(path: Path, what: str, error: OSError) -> RootUnavailable:
    return RootUnavailable(
        "ROOT_UNAVAILABLE",
        f"{path} can not {what}: {error.strerror}; check the folder, its owner and the space on its disk",
    )
