"""A fresh database with all tables, made by the migrations that users run."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kms import migrations
from kms.core.database import Database


@contextmanager
def fresh_database(folder: Path, url: str | None = None) -> Iterator[Database]:
    """url: of an empty database; None: SQLite in the folder."""
    database = Database(url or f"sqlite:///{folder / 'test.db'}")
    try:
        migrations.upgrade(database.engine)
        yield database
    finally:
        database.close()
