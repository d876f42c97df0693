"""Database migrations (Alembic): additive, run at start, safe to run twice.

A new one: change the tables in a store.py, then `make migration m="what changed"` and read what it wrote. Alembic is
loaded only where one has to run: it would be a tenth of every start.
"""

import logging
import sqlite3
from functools import cache
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from kms.core.database_failures import as_service_error

_logger = logging.getLogger(__name__)
_FOLDER: Final = Path(__file__).parent


def upgrade(engine: Engine) -> None:
    """Brings the database to the newest revision. One process at a time: takes the write lock first.

    Raises Unavailable for a database that is away, InternalError for a file that is damaged.
    """
    try:
        _upgrade(engine)
    except (sa.exc.DBAPIError, sqlite3.Error) as error:
        translated = as_service_error(error)
        if translated is error:
            raise
        raise translated from error


def _upgrade(engine: Engine) -> None:
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("SET LOCAL lock_timeout = 0"))  # another replica's migration may take long
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(7243920)"))
        revision = stored(connection)
        if revision is None or is_known(revision):
            if revision != newest():
                _run(connection)
        else:
            _logger.warning("the database is of version %s, which is newer than this program: it is left so", revision)


def _run(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def stored(connection: Connection) -> str | None:
    """The revision of the database, None for one that was never migrated. Alembic keeps it in a table of one row."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return revision


def is_known(revision: str) -> bool:
    """Whether this program has heard of it. If not, a newer one has been here; as migrations only add, this one goes
    on: it may be a replica that restarts in the middle of a rolling upgrade, or one that was rolled back.
    """
    return revision in _revisions()


def newest() -> str:
    """The revision that `upgrade` brings."""
    return _revisions()[-1]


@cache
def _revisions() -> tuple[str, ...]:
    """From the first to the newest: they follow one another, and a file's name begins with its revision."""
    return tuple(sorted(file.name.partition("_")[0] for file in _FOLDER.glob("versions/[0-9]*_*.py")))
