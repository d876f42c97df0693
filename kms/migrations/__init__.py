"""Database migrations (Alembic): additive, run at start, safe to run twice.

A new one: change the tables in a store.py, then `make migration m="what changed"` and read what it wrote.
"""

import logging
import sqlite3
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Engine

from kms.core.database_failures import as_service_error

_logger = logging.getLogger(__name__)


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
        stored = MigrationContext.configure(connection).get_current_revision()
        if stored is None or is_known(stored):
            command.upgrade(config, "head")
        else:
            _logger.warning("the database is of version %s, which is newer than this program: it is left so", stored)


def is_known(revision: str) -> bool:
    """Whether this program has heard of it. If not, a newer one has been here; as migrations only add, this one goes
    on: it may be a replica that restarts in the middle of a rolling upgrade, or one that was rolled back.
    """
    return revision in {script.revision for script in _scripts().walk_revisions()}


def newest() -> str:
    """The revision that `upgrade` brings."""
    head = _scripts().get_current_head()
    assert head is not None, "this package has revisions"
    return head


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(Path(__file__).parent))
