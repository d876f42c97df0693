"""Statements on the path of every signature, handed straight to the database's driver.

SQLAlchemy's bookkeeping costs 30 to 60 us a statement, several times what SQLite needs to run it; here it costs 3.
Used only inside a transaction that `Database` has opened. Statements are written with `?` for each value; values are
the driver's own: str, bytes, int, None; a time goes in as `to_microseconds`.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

_CHUNKS: Final = tuple(1 << power for power in range(8, -1, -1))
"""Rows in one statement: a few fixed sizes, so that the driver keeps all of them prepared."""
Row = tuple[Any, ...]


class DirectSql:
    """One statement. `lock` is added where rows can be locked: not on SQLite, whose writers take turns anyway."""

    __slots__ = ("_by_dialect", "_lock", "_text")

    def __init__(self, text: str, *, lock: str = "") -> None:
        self._text = text
        self._lock = f" {lock}" if lock else ""
        self._by_dialect: dict[str, str] = {}

    def rows(self, tx: Connection, values: Sequence[object] = ()) -> list[Row]:
        """What a SELECT finds."""
        found: list[Row] = _driver(tx).execute(self._for(tx), values).fetchall()
        return found

    def change(self, tx: Connection, values: Sequence[object] = ()) -> int:
        """How many rows an INSERT, UPDATE or DELETE changed."""
        return int(_driver(tx).execute(self._for(tx), values).rowcount)

    def _for(self, tx: Connection) -> str:
        name = tx.dialect.name
        text = self._by_dialect.get(name)
        if text is None:
            text = self._text if name == "sqlite" else self._text.replace("?", "%s") + self._lock
            self._by_dialect[name] = text
        return text


class InsertMany:
    """Rows of one table, many in one statement: each statement is one hand-over of the interpreter lock."""

    def __init__(
        self, table: str, columns: Sequence[str], *, skip_existing: bool = False, key: Sequence[str] = ()
    ) -> None:
        """`key`: a row whose key is there already gets the other values. The rows of one call have different keys."""
        head = f"INSERT INTO {table} ({', '.join(columns)}) VALUES "  # noqa: S608 - names of ours, not of callers
        tail = " ON CONFLICT DO NOTHING" if skip_existing else ""
        if key:
            others = ", ".join(f"{column} = excluded.{column}" for column in columns if column not in key)
            tail = f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {others}"
        row = f"({', '.join('?' * len(columns))})"
        self._statements = [(size, DirectSql(head + ", ".join([row] * size) + tail)) for size in _CHUNKS]

    def __call__(self, tx: Connection, rows: Sequence[Row]) -> int:
        """How many were written: all, unless existing ones are skipped. Raises sqlalchemy's IntegrityError."""
        inserted = start = 0
        try:
            for size, statement in self._statements:
                while len(rows) - start >= size:
                    values = [value for row in rows[start : start + size] for value in row]
                    inserted += statement.change(tx, values)
                    start += size
        except tx.dialect.loaded_dbapi.IntegrityError as error:
            raise sa.exc.IntegrityError(None, None, error) from error
        return inserted


class AmongSql:
    """A statement whose last condition is `column IN (...)`, written as `IN (*)`."""

    def __init__(self, text: str) -> None:
        self._by_size = {size: DirectSql(text.replace("(*)", f"({', '.join('?' * size)})")) for size in _CHUNKS}

    def rows(self, tx: Connection, values: Sequence[object], *, among: Sequence[object]) -> list[Row]:
        """`values` stand before the list. Any number may be in it; an empty list finds nothing."""
        return [row for statement, part in self._parts(among) for row in statement.rows(tx, (*values, *part))]

    def change(self, tx: Connection, values: Sequence[object], *, among: Sequence[object]) -> int:
        """How many rows changed."""
        return sum(statement.change(tx, (*values, *part)) for statement, part in self._parts(among))

    def _parts(self, among: Sequence[object]) -> Iterator[tuple[DirectSql, Sequence[object]]]:
        """Filled up to the next size with the last value again."""
        for start in range(0, len(among), _CHUNKS[0]):
            part = list(among[start : start + _CHUNKS[0]])
            size = 1 << (len(part) - 1).bit_length()
            yield self._by_size[size], part + part[-1:] * (size - len(part))


def _driver(tx: Connection) -> Any:
    """sqlite3.Connection or psycopg.Connection: both execute and answer alike."""
    return tx.connection.dbapi_connection
