"""Keyrings for tests: one in memory with the manners of a real one, and GNOME's Secret Service in a session of its own."""

import contextlib
import gc
import os
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordDeleteError

# Without folders of services: the bus must not start another, locked daemon for the first who asks.
_BUS = """<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen><policy context="default">
<allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy></busconfig>
"""
_LOGIN = "/org/freedesktop/secrets/collection/login"
_PROGRAMS = ("dbus-daemon", "gnome-keyring-daemon")


class MemoryKeyring(KeyringBackend):
    """Entries by (service, user name). `locked`: as when nobody is logged in. `forgets`: takes what it is given, and
    does not have it afterwards.
    """

    priority = 5

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[tuple[str, str], str] = {}
        self.locked = False
        self.forgets = False
        self.writes_left: int | None = None

    def get_password(self, service: str, username: str) -> str | None:
        self._check()
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._change()
        if not self.forgets:
            self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self._change()
        if self.entries.pop((service, username), None) is None:
            raise PasswordDeleteError("no such password")

    def _change(self) -> None:
        self._check()
        if self.writes_left == 0:
            raise OSError("the keyring's process is gone")
        if self.writes_left is not None:
            self.writes_left -= 1

    def _check(self) -> None:
        if self.locked:
            raise KeyringLocked("locked")


@contextmanager
def secret_service(folder: Path) -> Iterator[KeyringBackend]:
    """GNOME Keyring, unlocked, on a bus of its own. Skips the test where the programs are not installed."""
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (Debian packages dbus and gnome-keyring)")
    environment = {"HOME": str(folder), "XDG_RUNTIME_DIR": str(folder), "PATH": os.environ["PATH"]}
    configuration = folder / "bus.conf"
    configuration.write_text(_BUS)
    command = ["dbus-daemon", f"--config-file={configuration}", "--nofork", "--print-address"]
    bus = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert bus.stdout is not None
        environment["DBUS_SESSION_BUS_ADDRESS"] = bus.stdout.readline().strip()
        with _daemon(environment), pytest.MonkeyPatch.context() as patch:
            patch.setenv("DBUS_SESSION_BUS_ADDRESS", environment["DBUS_SESSION_BUS_ADDRESS"])
            yield _backend_when_ready()
            with warnings.catch_warnings(action="ignore", category=ResourceWarning):
                gc.collect()  # package keyring leaves a connection to the bus open where a call of it fails
    finally:
        bus.terminate()
        bus.wait(10)
        if bus.stdout is not None:
            bus.stdout.close()


@contextmanager
def _daemon(environment: dict[str, str]) -> Iterator[None]:
    command = ["gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets"]
    quiet = subprocess.DEVNULL
    daemon = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet)
    try:
        assert daemon.stdin is not None
        daemon.stdin.write(b"a password for the keyring")
        daemon.stdin.close()
        yield
    finally:
        daemon.terminate()
        daemon.wait(10)


def _backend_when_ready() -> KeyringBackend:
    import secretstorage
    from keyring.backends.SecretService import Keyring

    deadline = monotonic() + 10
    with contextlib.closing(secretstorage.dbus_init()) as connection:
        while not _has_collection(secretstorage, connection):
            assert monotonic() < deadline, "gnome-keyring-daemon did not start"
            sleep(0.02)
    return Keyring()


def _has_collection(secretstorage: Any, connection: Any) -> bool:
    if secretstorage.check_service_availability(connection):
        with contextlib.suppress(secretstorage.exceptions.SecretStorageException):
            return not secretstorage.Collection(connection, _LOGIN).is_locked()
    return False
