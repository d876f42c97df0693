"""A PostgreSQL of the demonstration's own: a new cluster in a scratch folder, on a free port, durable."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from kms.cli.failure import CommandError, ExitCode, not_usable
from kms.cli.lasting_port import lasting_port

_PROGRAMS: Final = ("postgres", "initdb", "pg_isready")
_PLACES: Final = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "opt/homebrew/opt/postgresql*/bin",
    "usr/local/pgsql/bin",
)
_SETTINGS: Final = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=on", "synchronous_commit=on")
_READY_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 0.05
_USER: Final = "postgres"
"""Whom root becomes: PostgreSQL refuses to run as root."""


@dataclass(slots=True)
class PrivatePostgresql:
    """Its folder is made by `start` and gone after `stop`."""

    binaries: Path
    port: int = 0
    folder: Path | None = None
    _password: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """For the setting database.url."""
        return f"postgresql+psycopg://hallmark:{self._password}@127.0.0.1:{self.port}/postgres"

    @property
    def version(self) -> str:
        """Such as "postgres (PostgreSQL) 15.14"."""
        ran = subprocess.run([self.binaries / "postgres", "--version"], capture_output=True, text=True, check=False)
        return ran.stdout.strip()

    def start(self) -> None:
        """Makes the cluster and returns when it takes connections. Raises CommandError."""
        self.folder = folder = Path(tempfile.mkdtemp(prefix="hallmark-demo-postgresql-"))
        self._make(folder)
        self.port = lasting_port()
        settings = [*_SETTINGS, f"port={self.port}"]
        options = [word for setting in settings for word in ("-c", setting)]
        with (folder / "server.log").open("ab") as log:
            self._process = process = subprocess.Popen(
                [str(self.binaries / "postgres"), "-D", str(folder / "data"), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **_as_server_user(),
            )
        ready = [str(self.binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        deadline = time.monotonic() + _READY_SECONDS
        while subprocess.run(ready, check=False).returncode != 0:
            if process.poll() is not None or time.monotonic() > deadline:
                raise _failure((folder / "server.log").read_text("utf-8", "replace"))
            time.sleep(_LOOK_SECONDS)

    def stop(self) -> None:
        """Ends connections, then itself. Idempotent."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(_READY_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.send_signal(signal.SIGQUIT)
                self._process.wait()
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _make(self, folder: Path) -> None:
        password = folder / "password"
        password.touch(mode=0o600)
        password.write_text(self._password)
        if os.geteuid() == 0:
            for path in (folder, password):
                shutil.chown(path, _USER, _USER)
        how = ["--auth-local=reject", "--auth-host=scram-sha-256", f"--pwfile={password}", "--encoding=UTF8"]
        command = [str(self.binaries / "initdb"), "--no-sync", "--username=hallmark", "--locale=C.UTF-8", *how]
        ran = subprocess.run([*command, str(folder / "data")], capture_output=True, check=False, **_as_server_user())
        if ran.returncode != 0:
            raise _failure(ran.stderr.decode("utf-8", "replace"))


def find_postgresql() -> Path:
    """The folder of its programs. Raises CommandError, which says what to install."""
    try:
        import psycopg  # noqa: F401
    except ImportError:
        advice = "pip install 'hallmark[postgresql]'"
        raise not_usable("POSTGRESQL_MISSING", "psycopg, the driver for PostgreSQL, is not installed", advice) from None
    found = [Path(path).parent for path in [shutil.which("postgres")] if path]
    for place in _PLACES:
        found += sorted(Path("/").glob(place), reverse=True)
    for folder in found:
        if all((folder / name).exists() for name in _PROGRAMS):
            _check_server_user()
            return folder
    raise not_usable(
        "POSTGRESQL_MISSING",
        "PostgreSQL is not installed here: none of its programs was found",
        "Install it (Debian: apt install postgresql; macOS: brew install postgresql); no cluster has to be set up",
    )


def _failure(words: str) -> CommandError:
    last = "\n".join(("the private PostgreSQL did not start; its last words:", *words.strip().splitlines()[-5:]))
    return CommandError("POSTGRESQL_NOT_STARTED", last, exit_code=ExitCode.NOT_USABLE)


def _check_server_user() -> None:
    """Raises CommandError where root has nobody to become."""
    if os.geteuid() == 0:
        try:
            pwd.getpwnam(_USER)
        except KeyError:
            problem = f"PostgreSQL does not run as root, and there is no user {_USER!r} to run it as"
            raise not_usable("POSTGRESQL_MISSING", problem, "Run this as another user than root") from None


def _as_server_user() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    return {"user": _USER, "group": _USER, "extra_groups": [], "cwd": "/"}
