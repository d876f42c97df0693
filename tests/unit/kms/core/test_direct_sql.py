from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from kms.core.database import Database
from kms.core.direct_sql import AmongSql, DirectSql, InsertMany

INSERT = InsertMany("pair", ("name", "value"))
INSERT_NEW = InsertMany("pair", ("name", "value"), skip_existing=True)
REPLACE = InsertMany("pair", ("name", "value"), key=["name"])
FIND = AmongSql("SELECT name, value FROM pair WHERE value >= ? AND name IN (*)")
DELETE = AmongSql("DELETE FROM pair WHERE name IN (*)")
COUNT = DirectSql("SELECT count(*) FROM pair")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE pair (name TEXT PRIMARY KEY, value INTEGER)")
    yield database
    database.close()


@pytest.mark.parametrize("count", [0, 1, 2, 3, 31, 32, 255, 256, 700])
async def test_any_number_of_rows(database: Database, count: int) -> None:
    rows = [(f"{number:04}", number) for number in range(count)]
    names = [name for name, _ in rows]
    assert await database.write(lambda tx: INSERT(tx, rows)) == count
    assert await database.read(COUNT.rows) == [(count,)]
    found = await database.read(lambda tx: FIND.rows(tx, (0,), among=[*names, "nobody"]))
    assert sorted(found) == rows
    assert await database.read(lambda tx: FIND.rows(tx, (count,), among=names)) == []
    assert await database.write(lambda tx: DELETE.change(tx, (), among=names[1:])) == max(count - 1, 0)


async def test_existing_rows_are_skipped_or_refused(database: Database) -> None:
    await database.write(lambda tx: INSERT(tx, [("a", 1)]))
    assert await database.write(lambda tx: INSERT_NEW(tx, [("a", 2), ("b", 2), ("b", 3)])) == 1
    found = await database.read(lambda tx: FIND.rows(tx, (0,), among=["a", "b"]))
    assert sorted(found) == [("a", 1), ("b", 2)]
    with pytest.raises(sa.exc.IntegrityError):
        await database.write(lambda tx: INSERT(tx, [("c", 3), ("a", 3)]))
    assert await database.read(COUNT.rows) == [(2,)], "undone with its piece of work"


@pytest.mark.parametrize("count", [0, 1, 300])
async def test_existing_rows_are_replaced(database: Database, count: int) -> None:
    rows = [(f"{number:04}", number) for number in range(count)]
    await database.write(lambda tx: INSERT(tx, rows[::2]))
    newer = [(name, value + 1) for name, value in rows]
    await database.write(lambda tx: REPLACE(tx, newer))
    assert sorted(await database.read(lambda tx: FIND.rows(tx, (0,), among=[name for name, _ in rows]))) == newer


def test_postgresql_gets_its_own_marks_and_locks() -> None:
    class Connection:
        dialect = postgresql.dialect()

    statement = DirectSql("SELECT a FROM t WHERE b = ?", lock="FOR UPDATE")
    assert statement._for(Connection()) == "SELECT a FROM t WHERE b = %s FOR UPDATE"
