"""A throw-away PostgreSQL for tests: a cluster of its own in a temporary folder, on a free loopback port, durable.

Skips with a reason where no PostgreSQL is installed. HALLMARK_TEST_POSTGRESQL names a server to use instead: the URL of
a role that may create databases, such as postgresql+psycopg://postgres@/postgres?host=/run/postgresql; every test makes
a database of its own there and drops it.
"""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from kms import migrations
from kms.cli.lasting_port import lasting_port
from kms.core.database import metadata

ENVIRONMENT = "HALLMARK_TEST_POSTGRESQL"
_READY_SECONDS = 30
_PLACES = "/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin", "/usr/local/pgsql/bin"
_SETTINGS = "fsync=on", "synchronous_commit=on", "max_connections=60", "shared_buffers=64MB", "logging_collector=off"


@dataclass(slots=True)
class PostgresqlServer:
    """`admin` is the URL of a role that may create databases. `cluster` is None for a server that is not ours."""

    admin: sa.URL
    cluster: "Cluster | None" = None

    @contextmanager
    def database(self) -> Iterator[str]:
        """The URL of a new, empty database, dropped at the end of the block."""
        name = f"hallmark_{uuid.uuid4().hex}"
        self.execute(f'CREATE DATABASE "{name}"')
        try:
            yield self.admin.set(database=name).render_as_string(hide_password=False)
        finally:
            self.execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def execute(self, statement: str, **values: object) -> list[Any]:
        """Rows, if the statement gives any."""
        engine = sa.create_engine(self.admin, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            result = connection.execute(sa.text(statement), values)
            return list(result) if result.returns_rows else []

    @contextmanager
    def unanswered_commits(self) -> Iterator[None]:
        """Commits are stored and then wait for a standby that never answers. Skips for a server that is not ours."""
        if self.cluster is None:
            pytest.skip("this changes the settings of the whole server")
        self._wait_for_standby("'nobody'")
        try:
            yield
        finally:
            self._wait_for_standby("''")

    def _wait_for_standby(self, name: str) -> None:
        self.execute(f"ALTER SYSTEM SET synchronous_standby_names = {name}")
        self.execute("SELECT pg_reload_conf()")
        time.sleep(0.2)

    def end_connections(self, url: str) -> int:
        """What an administrator or a failing proxy does to every connection of a database. How many there were."""
        name = sa.make_url(url).database
        rows = self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name AND pid <> pg_backend_pid()",
            name=name,
        )
        return len(rows)


@dataclass(slots=True)
class Cluster:
    """A data folder and the process that serves it. PostgreSQL refuses to run as root: then it runs as `postgres`."""

    binaries: Path
    folder: Path
    port: int = 0
    password: str = field(default_factory=lambda: secrets.token_hex(16))
    process: subprocess.Popen[bytes] | None = None
    environment: dict[str, str] = field(default_factory=dict)
    settings: tuple[str, ...] = ()
    """More of them, name=value; later ones win."""

    @property
    def url(self) -> sa.URL:
        return sa.URL.create(
            "postgresql+psycopg", "hallmark", self.password, host="127.0.0.1", port=self.port, database="postgres"
        )

    def make(self) -> None:
        password = self.folder / "password"
        password.write_text(self.password)
        self.folder.chmod(0o700)
        if (user := _server_user()) is not None:
            for path in (self.folder, password):
                shutil.chown(path, user, user)
        how = ["--auth-local=reject", "--auth-host=scram-sha-256", f"--pwfile={password}", "--encoding=UTF8"]
        command = [self.binaries / "initdb", "--no-sync", "--username=hallmark", "--locale=C.UTF-8", *how]
        subprocess.run([*command, self.folder / "data"], check=True, capture_output=True, **_as_server_user())
        self.port = lasting_port()

    def start(self) -> None:
        """Returns when it takes connections."""
        settings = [*_SETTINGS, "listen_addresses=127.0.0.1", f"port={self.port}", "unix_socket_directories="]
        settings += self.settings
        command = [self.binaries / "postgres", "-D", self.folder / "data"]
        command += [argument for setting in settings for argument in ("-c", setting)]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, env={**os.environ, **self.environment}, **_as_server_user()
            )
        deadline = time.monotonic() + _READY_SECONDS
        ready = [self.binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        while subprocess.run(ready, check=False).returncode != 0:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{(self.folder / 'server.log').read_text()[-4000:]}")
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """SIGQUIT: at once, as a crash; the next start recovers. SIGINT: connections are ended first."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(_READY_SECONDS)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """One server for the tests of a worker."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install hallmark[postgresql]")
    if url := os.environ.get(ENVIRONMENT):
        yield PostgresqlServer(sa.make_url(url))
        return
    with tempfile.TemporaryDirectory(prefix="hallmark-postgresql-", ignore_cleanup_errors=True) as folder:
        cluster = Cluster(binaries(), Path(folder))
        try:
            cluster.make()
            cluster.start()
            yield PostgresqlServer(cluster.url, cluster)
        finally:
            cluster.stop()


@pytest.fixture
def postgresql_url(postgresql: PostgresqlServer) -> Iterator[str]:
    """An empty database."""
    with postgresql.database() as url:
        yield url


@pytest.fixture(scope="session")
def migrated_postgresql(postgresql: PostgresqlServer) -> Iterator[sa.Engine]:
    """One database with all tables, for many tests."""
    with postgresql.database() as url:
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        migrations.upgrade(engine)
        yield engine


@pytest.fixture
def postgresql_tables(migrated_postgresql: sa.Engine) -> str:
    """The URL of a database with all tables, and nothing in them: emptied, which is faster than made."""
    with migrated_postgresql.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())
    return migrated_postgresql.url.render_as_string(hide_password=False)


@pytest.fixture(params=["sqlite", "postgresql"])
def world_url(request: pytest.FixtureRequest) -> str | None:
    """For support.keys_world and its siblings, on each kind of database."""
    return None if request.param == "sqlite" else str(request.getfixturevalue("postgresql_tables"))


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    return str(request.getfixturevalue("postgresql_url"))


def binaries() -> Path:
    found = [Path(path).parent for path in [shutil.which("postgres")] if path]
    for place in _PLACES:
        found += sorted(Path("/").glob(place.lstrip("/")), reverse=True)
    for folder in found:
        if all((folder / name).exists() for name in ("postgres", "initdb", "pg_isready")):
            if os.geteuid() == 0 and _server_user() is None:
                pytest.skip("PostgreSQL does not run as root, and there is no user 'postgres' to run it as")
            return folder
    pytest.skip(f"PostgreSQL is not installed (apt install postgresql); {ENVIRONMENT} may name a server")


def _server_user() -> str | None:
    """Whom to become; None: nobody else."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return None


def _as_server_user() -> dict[str, Any]:
    user = _server_user()
    return {} if user is None else {"user": user, "group": user, "extra_groups": [], "cwd": "/"}
