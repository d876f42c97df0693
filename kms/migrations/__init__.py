"""Database migrations (Alembic): additive, run at start, safe to run twice.

A new one: change the tables in a store.py, then `make migration m="what changed"` and read what it wrote.
"""

import sqlite3
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.engine import Engine

from kms.core.database_failures import as_service_error


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
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("SET LOCAL lock_timeout = 0"))  # another replica's migration may take long
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(7243920)"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
