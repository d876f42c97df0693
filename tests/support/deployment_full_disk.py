"""A disk that is full: a small file system in memory, filled to the last byte by a file of the test."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

_CHUNK: Final = 1 << 16
_BALLAST: Final = "ballast"


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """`folder` is where it is mounted."""

    folder: Path

    def fill(self) -> int:
        """Bytes that were free. What programs free meanwhile is taken as well when this is called again."""
        taken = 0
        with (self.folder / _BALLAST).open("ab", buffering=0) as ballast, contextlib.suppress(OSError):
            chunk = _CHUNK
            while chunk:
                try:
                    taken += ballast.write(bytes(chunk))
                except OSError:
                    chunk //= 2
        return taken

    def make_room(self) -> None:
        (self.folder / _BALLAST).unlink()


@contextlib.contextmanager
def small_disk(folder: Path, *, mebibytes: int) -> Iterator[SmallDisk]:
    """Skips with a reason where file systems can not be mounted."""
    if os.geteuid() != 0 or os.uname().sysname != "Linux":
        pytest.skip("a small disk is a tmpfs: it needs root on Linux")
    folder.mkdir(exist_ok=True)
    options = f"size={mebibytes}m,mode=0700"
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "hallmark-test", folder], capture_output=True, check=False
    )
    if made.returncode != 0:
        pytest.skip(f"a small disk can not be mounted here: {made.stderr.decode().strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
