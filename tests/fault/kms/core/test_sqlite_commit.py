"""A commit that SQLite refuses costs its own transaction only: the next one works."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from kms.core.database import Database

_TABLES = (
    "CREATE TABLE parent (id INTEGER PRIMARY KEY)",
    "CREATE TABLE child (id INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED)",
)


def _orphan(tx: sa.Connection) -> None:
    """Found out at the commit, as a disk that is full often is."""
    tx.execute(sa.text("INSERT INTO child VALUES (1)"))


def _child(tx: sa.Connection) -> None:
    tx.execute(sa.text("INSERT INTO parent VALUES (2)"))
    tx.execute(sa.text("INSERT INTO child VALUES (2)"))


async def test_the_next_transaction_works(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'test.db'}")
    with database.engine.begin() as connection:
        for table in _TABLES:
            connection.exec_driver_sql(table)
    for _ in range(2):
        with pytest.raises(sa.exc.IntegrityError, match="FOREIGN KEY constraint failed"):
            await database.write(_orphan)
    await database.write(_child)
    count = "SELECT (SELECT count(*) FROM parent), (SELECT count(*) FROM child)"
    assert await database.read(lambda tx: tx.execute(sa.text(count)).one()) == (1, 1)
    database.close()
