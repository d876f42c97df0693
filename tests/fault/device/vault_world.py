"""A root of trust in a file, and a disk that dies, fails or tears at a chosen step: for tests that end a vault hard."""

import errno
import json
import os
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hallmark_client.device.roots import memory
from hallmark_client.device.roots.software import SoftwareRoot
from hallmark_client.device.vault import Disk

KEY: Final = 32


class FileKeys:
    """Keys of the present and the next epoch, in one file that is replaced as a whole. The key of an epoch that passed
    is nowhere.
    """

    def __init__(self, path: Path, disk: Disk) -> None:
        self._path = path
        self._disk = disk
        if not path.exists():
            self._write({"root": os.urandom(16).hex(), "epoch": 1, "keys": {"1": os.urandom(KEY).hex()}})

    @property
    def root(self) -> str:
        return str(self._read()["root"])

    def epoch(self) -> int:
        return int(self._read()["epoch"])

    def key(self, epoch: int) -> bytearray:
        state = self._read()
        if str(epoch) not in state["keys"]:
            state["keys"][str(epoch)] = os.urandom(KEY).hex()
            self._write(state)
        return bytearray.fromhex(state["keys"][str(epoch)])

    def advance(self, to: int) -> None:
        state = self._read()
        if state["epoch"] >= to:
            return
        del state["keys"][str(state["epoch"])]
        state["epoch"] = to
        self._write(state)

    def close(self) -> None:
        """Nothing is held between two calls."""

    def _read(self) -> dict:  # type: ignore[type-arg]
        found: dict = json.loads(self._path.read_text())  # type: ignore[type-arg]
        return found

    def _write(self, state: dict) -> None:  # type: ignore[type-arg]
        fresh = self._path.with_suffix(".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            self._disk.write(descriptor, memoryview(json.dumps(state).encode()))
            self._disk.sync(descriptor)
        finally:
            os.close(descriptor)
        self._disk.rename(fresh, self._path)


def file_root(path: Path, disk: Disk | None = None) -> SoftwareRoot:
    return SoftwareRoot(FileKeys(path, disk or Disk()), memory.FACTS)


class SteppingDisk(Disk):
    """Calls `step` before and after everything that changes the disk, with a number that counts up."""

    def __init__(self, step: Callable[[int, str], None]) -> None:
        self._step = step
        self.steps = 0

    def write(self, descriptor: int, data: memoryview) -> None:
        half = len(data) // 2
        self._around("write", lambda: super(SteppingDisk, self).write(descriptor, data[:half]))
        self._around("write", lambda: super(SteppingDisk, self).write(descriptor, data[half:]))

    def sync(self, descriptor: int) -> None:
        self._around("sync", lambda: super(SteppingDisk, self).sync(descriptor))

    def sync_folder(self, folder: Path) -> None:
        self._around("sync_folder", lambda: super(SteppingDisk, self).sync_folder(folder))

    def rename(self, source: Path, target: Path) -> None:
        self._around("rename", lambda: super(SteppingDisk, self).rename(source, target))

    def link(self, source: Path, target: Path) -> None:
        self._around("link", lambda: super(SteppingDisk, self).link(source, target))

    def unlink(self, path: Path) -> None:
        self._around("unlink", lambda: super(SteppingDisk, self).unlink(path))

    def commit(self, connection: sqlite3.Connection) -> None:
        self._around("commit", lambda: super(SteppingDisk, self).commit(connection))

    def _around(self, what: str, act: Callable[[], None]) -> None:
        self._count(f"before {what}")
        act()
        self._count(f"after {what}")

    def _count(self, what: str) -> None:
        self.steps += 1
        self._step(self.steps, what)


def dying_at(chosen: int) -> SteppingDisk:
    """The process is gone at this step."""

    def step(number: int, _: str) -> None:
        if number == chosen:
            os.kill(os.getpid(), signal.SIGKILL)

    return SteppingDisk(step)


def failing_at(chosen: int, *, lasting: bool = False) -> SteppingDisk:
    """The disk is full at this step, before or after it was done; lasting: from then on."""

    def step(number: int, what: str) -> None:
        if number == chosen or (lasting and number > chosen and what.startswith("before")):
            if "commit" in what:
                raise sqlite3.OperationalError("disk I/O error")
            raise OSError(errno.ENOSPC, "No space left on device")

    return SteppingDisk(step)
