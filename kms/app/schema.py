"""The database's schema, looked at and brought up to date without a server, by whoever owns the tables."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from kms import migrations
from kms.app.offline import DatabaseUnfit
from kms.config import Config
from kms.core.database import Database
from kms.core.database_failures import as_service_error
from kms.edge.grants import statements

_ROLE: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True)
class SchemaVersion:
    """`stored`: of the database, None for an empty one. `newest`: what this program brings. `is_known`: this program
    has heard of what is stored; when not, a newer one has been here, and migrations only add, so servers go on.
    """

    stored: str | None
    newest: str
    is_known: bool

    @property
    def is_current(self) -> bool:
        return self.stored == self.newest


def read_version(config: Config) -> SchemaVersion:
    """Changes nothing, and makes no SQLite file. Raises DatabaseUnfit, Unavailable."""
    with _opened(config) as engine:
        return _version(None if engine is None else _stored(engine))


def migrate(config: Config, *, edge_role: str | None = None) -> tuple[SchemaVersion, SchemaVersion]:
    """Before and after. One process at a time: the others wait, and find it done. `edge_role`: this PostgreSQL role
    gets what an edge may do (kms.edge.grants). A database of a newer program is left as it is.

    Raises DatabaseUnfit, Unavailable.
    """
    if edge_role is not None and not _ROLE.fullmatch(edge_role):
        raise DatabaseUnfit(f"{edge_role!r} is no name of a role: lower-case letters, digits and _, 63 at most")
    before = read_version(config)
    with _opened(config, may_make=True) as engine:
        assert engine is not None
        if edge_role is not None and engine.dialect.name != "postgresql":
            raise DatabaseUnfit("only PostgreSQL has roles: edges read from there")
        if before.is_known:
            migrations.upgrade(engine)
        if edge_role is not None:
            _grant(engine, edge_role)
        return before, _version(_stored(engine))


def _grant(engine: Engine, role: str) -> None:
    try:
        with engine.begin() as connection:
            if connection.scalar(sa.text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role}) is None:
                raise DatabaseUnfit(f"there is no role {role} in the database: CREATE ROLE {role} LOGIN PASSWORD '...'")
            for statement in statements(role):
                connection.execute(sa.text(statement))
    except sa.exc.DBAPIError as error:
        raise as_service_error(error) from error


def _stored(engine: Engine) -> str | None:
    try:
        with engine.connect() as connection:
            return migrations.stored(connection)
    except sa.exc.DBAPIError as error:
        raise as_service_error(error) from error


def _version(stored: str | None) -> SchemaVersion:
    return SchemaVersion(stored, migrations.newest(), stored is None or migrations.is_known(stored))


@contextmanager
def _opened(config: Config, *, may_make: bool = False) -> Iterator[Engine | None]:
    """None for an SQLite file that is not there, unless it `may_make` it."""
    try:
        url = sa.make_url(config.database_url)
    except sa.exc.ArgumentError as error:
        raise DatabaseUnfit("database.url is not a URL, such as postgresql+psycopg://user@host/name") from error
    if url.drivername not in {"sqlite", "postgresql+psycopg"}:
        raise DatabaseUnfit(f"databases are sqlite:/// or postgresql+psycopg://, not {url.drivername}://")
    if url.drivername == "sqlite" and not (url.database and Path(url.database).is_file()) and not may_make:
        yield None
        return
    if url.drivername == "sqlite" and url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = Database(config.database_url, readers=1)
    try:
        yield database.engine
    finally:
        database.close()
