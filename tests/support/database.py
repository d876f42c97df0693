"""A fresh database with all tables, as the migrations that users run make it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from kms import migrations
from kms.core.database import Database


@cache
def migrated_sqlite() -> bytes:
    """A database file with all tables: made once, because migrations take longer than most tests."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/template.db")
        migrations.upgrade(database.engine)
        database.close()  # the last connection moves the write-ahead log into the file
        return Path(folder, "template.db").read_bytes()


@contextmanager
def fresh_database(folder: Path, url: str | None = None) -> Iterator[Database]:
    """url: of an empty database; None: SQLite in the folder."""
    path = folder / "test.db"
    if url is None and not path.exists():
        path.write_bytes(migrated_sqlite())
    database = Database(url or f"sqlite:///{path}")
    try:
        if url is not None:
            migrations.upgrade(database.engine)
        yield database
    finally:
        database.close()
