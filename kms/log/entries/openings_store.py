"""Table of what opens commitments; nobody else touches it. A row is erased by deleting it, and nothing remains.

tlog_opening   one row a fact: whose it is, and the salt. SQLite overwrites what was deleted (secure_delete is on)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.core.database import metadata
from kms.core.direct_sql import AmongSql, DirectSql, InsertMany

_opening = sa.Table(
    "tlog_opening",
    metadata,
    sa.Column("event_key", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("salt", sa.LargeBinary(32), nullable=False),
    sa.Column("tenant", sa.String(63), nullable=False),
    sa.Column("person", sa.String(256)),
    sa.Index("ix_tlog_opening_person", "tenant", "person"),
)


@dataclass(frozen=True, slots=True)
class OpeningRow:
    """`person`: the handle under which salts are erased together; None where there is none."""

    event_key: str
    name: str
    salt: bytes
    tenant: str
    person: str | None


_INSERT: Final = InsertMany("tlog_opening", ("event_key", "name", "salt", "tenant", "person"))
_SALTS: Final = AmongSql("SELECT event_key, name, salt FROM tlog_opening WHERE tenant = ? AND event_key IN (*)")
_KEYS_OF_PERSON: Final = DirectSql("SELECT DISTINCT event_key FROM tlog_opening WHERE tenant = ? AND person = ?")
_ERASE_ENTRY: Final = DirectSql("DELETE FROM tlog_opening WHERE tenant = ? AND event_key = ?")
_ERASE_PERSON: Final = DirectSql("DELETE FROM tlog_opening WHERE tenant = ? AND person = ?")


def openings(event_key: str, salts: Mapping[str, bytes], *, tenant: str, person: str | None = None) -> list[OpeningRow]:
    """The rows of one entry."""
    return [OpeningRow(event_key, name, salt, tenant, person) for name, salt in salts.items()]


def insert_many(tx: Connection, rows: Sequence[OpeningRow]) -> None:
    """In the transaction of the act whose entry holds the commitments. Raises sqlalchemy's IntegrityError."""
    _INSERT(tx, [(row.event_key, row.name, row.salt, row.tenant, row.person) for row in rows])


def find_salts(tx: Connection, tenant: str, event_keys: Sequence[str]) -> dict[str, dict[str, bytes]]:
    """Salt by name by event key, for those that were not erased."""
    found: dict[str, dict[str, bytes]] = {}
    for event_key, name, salt in _SALTS.rows(tx, (tenant,), among=event_keys):
        found.setdefault(event_key, {})[name] = bytes(salt)
    return found


def erase_entry(tx: Connection, tenant: str, event_key: str) -> int:
    """Destroys the salts of one entry. Returns how many entries lost theirs: 0 or 1."""
    return min(1, _ERASE_ENTRY.change(tx, (tenant, event_key)))


def erase_person(tx: Connection, tenant: str, person: str) -> int:
    """Destroys the salts of everything that was appended with this handle. Returns how many entries lost theirs."""
    entries = len(_KEYS_OF_PERSON.rows(tx, (tenant, person)))
    _ERASE_PERSON.change(tx, (tenant, person))
    return entries
