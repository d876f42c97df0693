"""A copy of the database while servers run: SQLite's online backup, PostgreSQL's pg_dump."""

import os
import shutil
import sqlite3
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms import migrations
from kms.config import Config
from kms.core.database import Database
from kms.log import store as log_store

_PLACES: Final = "usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "opt/homebrew/opt/postgresql*/bin"


class BackupProblem(Exception):
    """A copy can not be made or brought back; the text says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseFacts:
    """`size` and `root`: of the log when the copy was begun. The copy has that much at least."""

    engine: str
    revision: str
    origin: str
    size: int
    root: bytes


async def read_facts(config: Config) -> DatabaseFacts:
    """Raises BackupProblem for a database that no server has used, Unavailable for one that is away."""
    _require(sa.make_url(config.database_url))
    database = Database(config.database_url, readers=1)
    try:
        return await database.read(_facts)
    finally:
        database.close()


def copy_database(config: Config, target: Path) -> None:
    """Writes `target`, mode 0600. Raises BackupProblem."""
    url = sa.make_url(config.database_url)
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    if url.get_backend_name() == "sqlite":
        _copy_sqlite(Path(url.database or ""), target)
    else:
        _run(dump_command(url, target), url, "pg_dump")


def restore_postgresql(url: sa.URL, dump: Path) -> None:
    """Into an empty database. Raises BackupProblem."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        if sa.inspect(connection).get_table_names():
            raise BackupProblem(
                f"the database {url.database} on {url.host} is not empty: make a new one, and name it in database.url"
            )
    _run(restore_command(url, dump), url, "pg_restore")


def dump_command(url: sa.URL, target: Path) -> list[str]:
    """Without the password, which goes by the environment."""
    options = ["--format=custom", "--no-owner", "--no-privileges", f"--file={target}"]
    return [_find("pg_dump"), *options, f"--dbname={_shown(url)}"]


def restore_command(url: sa.URL, dump: Path) -> list[str]:
    """Without the password, which goes by the environment."""
    return [
        _find("pg_restore"),
        "--no-owner",
        "--exit-on-error",
        "--single-transaction",
        f"--dbname={_shown(url)}",
        str(dump),
    ]


def _require(url: sa.URL) -> None:
    """Opening an SQLite file that is missing would make an empty one."""
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise BackupProblem(f"there is no database {url.database}: --home and --config say where the server's is")


def _facts(tx: Connection) -> DatabaseFacts:
    revision = migrations.stored(tx)
    origin = None if revision is None else log_store.find_origin(tx)
    if revision is None or origin is None:
        raise BackupProblem("no server has used this database: there is nothing to back up")
    head = log_store.read_head(tx)
    return DatabaseFacts(engine=tx.dialect.name, revision=revision, origin=origin, size=head.size, root=head.root)


def _copy_sqlite(source: Path, target: Path) -> None:
    """In one step: a snapshot, while the server goes on writing (sqlite.org/backup.html)."""
    reading, writing = sqlite3.connect(f"file:{source}?mode=ro", uri=True), sqlite3.connect(target)
    try:
        reading.backup(writing)
        writing.execute("PRAGMA journal_mode=DELETE")
        found = writing.execute("PRAGMA quick_check").fetchone()
    except sqlite3.Error as error:
        raise BackupProblem(f"{source} can not be copied: {error}") from error
    finally:
        writing.close()
        reading.close()
    if found != ("ok",):
        raise BackupProblem(f"the copy of {source} is damaged: {found[0]}. Examine the disk, then repeat")


def _shown(url: sa.URL) -> str:
    """Libpq's form: no driver, no password."""
    return sa.URL.create(
        "postgresql", url.username, None, url.host, url.port, url.database, url.query
    ).render_as_string()


def _find(program: str) -> str:
    """The newest that is installed, or its bare name."""
    found = [str(path / program) for place in _PLACES for path in sorted(Path("/").glob(place), reverse=True)]
    return next((path for path in found if Path(path).is_file()), shutil.which(program) or program)


def _run(command: list[str], url: sa.URL, program: str) -> None:
    environment = {**os.environ, **({"PGPASSWORD": str(url.password)} if url.password else {})}
    try:
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise BackupProblem(
            f"{program} is not installed here (apt install postgresql-client). By hand: {' '.join(command)}"
        ) from None
    if ran.returncode != 0:
        last = ran.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise BackupProblem(f"{program} failed: {last[0]}. It was: {' '.join(command)}")
