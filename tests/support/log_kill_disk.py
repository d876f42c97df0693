"""A small file system that can be full, or read-only, also for root. Skips with a reason where nothing can be mounted."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_BYTES = 96 * 1024 * 1024
_BALLAST = "ballast"


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """A tmpfs mounted at `folder`."""

    folder: Path

    def fill(self) -> None:
        """To the last byte."""
        with contextlib.suppress(OSError), (self.folder / _BALLAST).open("ab", buffering=0) as ballast:
            for size in (1 << 20, 1 << 12):
                with contextlib.suppress(OSError):
                    while ballast.write(bytes(size)):
                        pass

    def make_room(self) -> None:
        (self.folder / _BALLAST).unlink()

    def set_read_only(self, *, yes: bool) -> None:
        """Tried again while somebody is just writing: the system refuses it then."""
        deadline = time.monotonic() + 10
        while (done := _run("mount", "-o", f"remount,{'ro' if yes else 'rw'}", str(self.folder))).returncode != 0:
            assert time.monotonic() < deadline, done.stderr.decode()
            time.sleep(0.001)


@contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk]:
    folder.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small file system")
    mounted = _run("mount", "-t", "tmpfs", "-o", f"size={_BYTES},mode=700", "tmpfs", str(folder))
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        _run("umount", "-l", str(folder))


def _run(*command: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, capture_output=True, check=False)
