"""The home folder: one server at a time, and what clients on this machine read to find it."""

import fcntl
import json
import os
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import IO

from kms.core.clock import format_time
from kms.core.randomness import Randomness
from kms.public.durable import sync_folder
from kms.server.local_ca import LOCAL_TENANT


class HomeInUse(Exception):
    """Another server runs with this home folder."""


class Home:
    """Locked from `open` to `close`; the kernel drops the lock when the process dies, however it dies."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock: IO[str] | None = None

    def open(self) -> None:
        """Raises HomeInUse."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = (self.folder / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            self._lock = None
            raise HomeInUse(
                f"another server is running with {self.folder}; stop it, or choose another folder with --home"
            ) from None

    def close(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def log_origin(self, stored: str | None, randomness: Randomness) -> str:
        """The log's name for ever when the settings give none: made once, then kept in the file `log-origin`.

        `stored`: of the log that the database holds; a restored database brings its own.
        """
        file = self.folder / "log-origin"
        if not file.exists():
            _write(file, f"{stored or f'hallmark.local/{randomness.bytes(6).hex()}'}\n")
        return file.read_text().strip()

    def replace_log_origin(self, origin: str) -> None:
        """Another log follows the one that had the name in the file."""
        _write(self.folder / "log-origin", f"{origin}\n")

    @property
    def served_before(self) -> bool:
        """A server has been up with this home: its keys exist, and the HSM may be away for a while."""
        return any((self.folder / "clients").glob("*/profile.json"))

    def announce(
        self,
        address: str,
        public_url: str,
        clients: Iterable[Path],
        now: datetime,
        *,
        places: Mapping[str, str] | None = None,
    ) -> None:
        """server.json for operators, and profile.json in each client's folder. `places`: further addresses, by name."""
        facts = {"pid": os.getpid(), "address": address, "public_url": public_url, "started": format_time(now)}
        facts |= places or {}
        profile = {"address": address, "tenant": LOCAL_TENANT, "public_url": public_url}
        for folder in clients:
            _write(folder / "profile.json", json.dumps(profile, indent=2) + "\n")
        _write(self.folder / "server.json", json.dumps(facts, indent=2) + "\n")

    def withdraw(self) -> None:
        (self.folder / "server.json").unlink(missing_ok=True)


def _write(file: Path, text: str) -> None:
    """Atomic and durable."""
    fresh = file.with_name(file.name + ".new")
    with fresh.open("w") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
    fresh.replace(file)
    sync_folder(file.parent)
