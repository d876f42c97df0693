"""Rows that are added up: a row whose key is there gets the sums, many rows in one statement."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy.engine import Connection

from kms.core.direct_sql import DirectSql, Row

_CHUNKS: Final = (64, 8, 1)
"""Rows in one statement: a few fixed sizes, so that the driver keeps them prepared."""
_STATEMENT: Final = "INSERT INTO {table} ({columns}) VALUES {rows} ON CONFLICT ({key}) DO UPDATE SET {changes}"


class AddMany:
    """Of one table. `key` columns tell a row; `sums` are added to what is there, of `latest` the greater one stays, and
    all other columns stay as they were first. The rows of one call have different keys, in one order for all replicas:
    no deadlock.
    """

    def __init__(
        self, table: str, columns: Sequence[str], *, key: Sequence[str], sums: Sequence[str], latest: Sequence[str] = ()
    ) -> None:
        changes = [f"{name} = {table}.{name} + excluded.{name}" for name in sums]
        changes += [
            f"{name} = CASE WHEN excluded.{name} > {table}.{name} THEN excluded.{name} ELSE {table}.{name} END"
            for name in latest
        ]
        names = {"table": table, "columns": ", ".join(columns), "key": ", ".join(key), "changes": ", ".join(changes)}
        row = f"({', '.join('?' * len(columns))})"
        self._statements = [
            (size, DirectSql(_STATEMENT.format(rows=", ".join([row] * size), **names))) for size in _CHUNKS
        ]

    def __call__(self, tx: Connection, rows: Sequence[Row]) -> None:
        start = 0
        for size, statement in self._statements:
            while len(rows) - start >= size:
                statement.change(tx, [value for row in rows[start : start + size] for value in row])
                start += size
