"""The few calls by which a vault changes the disk, as one argument: tests count them, fail them, and die in them."""

import os
import sqlite3
from pathlib import Path


class Disk:
    """Every method raises OSError, `commit` sqlite3.Error. What is durable: see each one."""

    def write(self, descriptor: int, data: memoryview) -> None:
        """All of it. Durable after `sync`."""
        while data:
            data = data[os.write(descriptor, data) :]

    def begin_sync(self, descriptor: int, start: int, size: int) -> None:
        """The disk may begin with these bytes already, so that `sync` has less to wait for. Promises nothing.

        On Linux this advice makes the kernel write dirty pages back at once (mm/fadvise.c); it keeps them until then.
        """
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(descriptor, start, size, os.POSIX_FADV_DONTNEED)

    def sync(self, descriptor: int) -> None:
        os.fsync(descriptor)

    def sync_folder(self, folder: Path) -> None:
        """Names that were made, changed or removed in it are durable (fsync(2), second paragraph)."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        source.rename(target)

    def link(self, source: Path, target: Path) -> None:
        os.link(source, target)

    def unlink(self, path: Path) -> None:
        """It may be gone already."""
        path.unlink(missing_ok=True)

    def commit(self, connection: sqlite3.Connection) -> None:
        """Durable at once: synchronous=FULL."""
        connection.execute("COMMIT")
