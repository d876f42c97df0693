"""Table of the keys that sign COSE receipts; nobody else touches it.

tlog_receipt_key   one row for each log and COSE algorithm, made when somebody first asks for such a receipt
"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.core.database import UtcTime, metadata, to_microseconds
from kms.core.direct_sql import InsertMany

_key = sa.Table(
    "tlog_receipt_key",
    metadata,
    sa.Column("origin", sa.String(255), primary_key=True),
    sa.Column("algorithm", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("material", sa.LargeBinary, nullable=False),
    sa.Column("create_time", UtcTime, nullable=False),
)
_INSERT = InsertMany("tlog_receipt_key", ("origin", "algorithm", "material", "create_time"), skip_existing=True)


@dataclass(frozen=True, slots=True)
class ReceiptKeyRow:
    """`algorithm`: of COSE (IANA), -8 or -48. `material`: of hsm.material."""

    origin: str
    algorithm: int
    material: bytes
    create_time: datetime


def read_keys(tx: Connection) -> list[ReceiptKeyRow]:
    """Of every log this database ever held, by origin and algorithm."""
    rows = tx.execute(sa.select(_key).order_by(_key.c.origin, _key.c.algorithm.desc()))
    return [ReceiptKeyRow(row.origin, row.algorithm, bytes(row.material), row.create_time) for row in rows]


def insert_key(tx: Connection, row: ReceiptKeyRow) -> bool:
    """False when another replica was faster: its key is everybody's."""
    return _INSERT(tx, [(row.origin, row.algorithm, row.material, to_microseconds(row.create_time))]) == 1


def replace_material(tx: Connection, *, old: bytes, new: bytes) -> bool:
    """The same key sealed anew. Compare-and-set on the material that was read."""
    return tx.execute(_key.update().where(_key.c.material == old).values(material=new)).rowcount == 1
