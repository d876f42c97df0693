"""The table of the log's keys; nobody else touches it.

tlog_key   the keys that sign checkpoints, by algorithm and number, each of one origin; never deleted: old notes need
           them. Numbers go on over all logs that this database held
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.core.database import UtcTime, from_microseconds, metadata
from kms.core.direct_sql import DirectSql

ED25519 = "ed25519"
ML_DSA_44 = "ml-dsa-44"

_key = sa.Table(
    "tlog_key",
    metadata,
    sa.Column("algorithm", sa.String(16), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("material", sa.LargeBinary, nullable=False),
    sa.Column("create_time", UtcTime, nullable=False),
    sa.Column("origin", sa.String(255), nullable=False),
    sa.Column("retire_time", UtcTime),
    sa.Column("retire_event", sa.String(64)),
)


_READ: Final = "SELECT algorithm, number, material, create_time, origin, retire_time, retire_event FROM tlog_key"
_KEYS: Final = DirectSql(f"{_READ} ORDER BY algorithm, number")
_KEYS_OF_ORIGIN: Final = DirectSql(f"{_READ} WHERE origin = ? ORDER BY algorithm, number")


@dataclass(frozen=True, slots=True)
class KeyRow:
    """`retire_time`: when it should stop signing. `retire_event`: of the log entry that says that it did."""

    algorithm: str
    number: int
    material: bytes
    create_time: datetime
    origin: str
    retire_time: datetime | None = None
    retire_event: str | None = None


def read_keys(tx: Connection, *, origin: str | None = None) -> list[KeyRow]:
    """Of one log, or of all this database ever held; by algorithm and number, Ed25519 first."""
    rows = _KEYS.rows(tx) if origin is None else _KEYS_OF_ORIGIN.rows(tx, (origin,))
    return [
        KeyRow(
            algorithm=algorithm,
            number=number,
            material=bytes(material),
            create_time=from_microseconds(create_time),
            origin=of,
            retire_time=None if retire_time is None else from_microseconds(retire_time),
            retire_event=retire_event,
        )
        for algorithm, number, material, create_time, of, retire_time, retire_event in rows
    ]


def last_number(tx: Connection, algorithm: str) -> int:
    """0 before there is a key."""
    return tx.execute(sa.select(sa.func.max(_key.c.number)).where(_key.c.algorithm == algorithm)).scalar() or 0


def insert_keys(tx: Connection, rows: Sequence[KeyRow]) -> None:
    tx.execute(
        _key.insert(),
        [
            {
                "algorithm": row.algorithm,
                "number": row.number,
                "material": row.material,
                "create_time": row.create_time,
                "origin": row.origin,
                "retire_time": row.retire_time,
                "retire_event": row.retire_event,
            }
            for row in rows
        ],
    )


def plan_retirement(tx: Connection, algorithm: str, number: int, retire_time: datetime) -> None:
    tx.execute(_key.update().where(_this(algorithm, number)).values(retire_time=retire_time))


def retire(tx: Connection, algorithm: str, number: int, event_key: str) -> None:
    """It signs nothing more: the entry `event_key` says so."""
    tx.execute(_key.update().where(_this(algorithm, number)).values(retire_event=event_key))


def replace_material(tx: Connection, algorithm: str, *, old: bytes, new: bytes) -> bool:
    """The same key sealed anew. Compare-and-set on the material that was read."""
    this = sa.and_(_key.c.algorithm == algorithm, _key.c.material == old)
    return tx.execute(_key.update().where(this).values(material=new)).rowcount == 1


def _this(algorithm: str, number: int) -> sa.ColumnElement[bool]:
    return sa.and_(_key.c.algorithm == algorithm, _key.c.number == number)
