"""Which entry of which status list stands for a subject, and its value now.

A list has 2^20 entries of 2 bits (Token Status List, draft-ietf-oauth-status-list-21, section 4). The index of a
subject is chosen at random among the free ones, so that it tells nothing about when the subject was made (section
12.7); entries that nobody has read VALID like most others. A list that is three quarters full gets no more subjects.

No row is shared by those who write: transactions of several replicas do not wait for each other.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from kms.core.database import metadata
from kms.core.names import TenantName
from kms.core.randomness import Randomness
from kms.events.model import Status

ENTRIES: Final = 1 << 20
_SAMPLE: Final = 1024
"""So many entries tell how full a list is, to about a hundredth: every index is as likely as another."""
_CHUNK: Final = 500
_INDEX_BYTES: Final = 8
_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

status_index = sa.Table(
    "status_index",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("list", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("idx", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("subject", sa.String(512), nullable=False, unique=True),
    sa.Column("value", sa.SmallInteger, nullable=False),
)
sa.Index(
    "ix_status_index_set",
    status_index.c.tenant,
    status_index.c.list,
    sqlite_where=status_index.c.value != 0,
    postgresql_where=status_index.c.value != 0,
)
status_change = sa.Table(
    "status_change",
    metadata,
    sa.Column("id", _BIG, primary_key=True),
    sa.Column("tenant", sa.String(63), nullable=False),
    sa.Column("urgent", sa.Boolean, nullable=False),
)
"""A row for each change that no snapshot shows yet."""


@dataclass(frozen=True, slots=True)
class StatusReference:
    """Where the status of a subject stands. `list` counts from 0 in each tenant; `idx` is below ENTRIES."""

    list: int
    idx: int


@dataclass(frozen=True, slots=True)
class Change:
    """`id` of its row; `urgent`: something was taken back."""

    id: int
    tenant: str
    urgent: bool


def allocate(
    tx: Connection, tenant: str, subject: str, randomness: Randomness, *, entries: int = ENTRIES
) -> StatusReference:
    """The subject's place; a new one, VALID, when it has none yet."""
    return allocate_many(tx, tenant, [subject], randomness, entries=entries)[subject]


def allocate_many(
    tx: Connection, tenant: str, subjects: Collection[str], randomness: Randomness, *, entries: int = ENTRIES
) -> dict[str, StatusReference]:
    """`allocate` for many of one tenant: a few statements for each 500 of them."""
    _check_tenant(tenant, subjects)
    found = references(tx, subjects)
    insert = (postgresql if tx.dialect.name == "postgresql" else sqlite).insert(status_index)
    while missing := [subject for subject in dict.fromkeys(subjects) if subject not in found]:
        some = missing[:_CHUNK]
        lists = list_count(tx, tenant)
        number = _open_list(tx, tenant, lists, entries)
        drawn = {_draw(randomness, entries): subject for subject in some}  # of two that meet, one draws again
        rows = [
            {"tenant": tenant, "list": number, "idx": index, "subject": subject, "value": int(Status.VALID)}
            for index, subject in drawn.items()
        ]
        # An index that is taken, or a subject that another replica has placed meanwhile, is left as it stands.
        tx.execute(insert.on_conflict_do_nothing(), rows)
        if number >= lists:
            tx.execute(status_change.insert().values(tenant=tenant, urgent=False))
        found |= references(tx, some)
    return found


def set_value(tx: Connection, tenant: str, subject: str, status: Status) -> None:
    """INVALID is for ever: another value after it changes nothing. So does a subject without an index: nobody can ask
    for its status.
    """
    _check_tenant(tenant, [subject])
    may_change = sa.and_(
        status_index.c.subject == subject,
        status_index.c.value != int(status),
        status_index.c.value != int(Status.INVALID),
    )
    changed = tx.execute(status_index.update().where(may_change).values(value=int(status))).rowcount
    if changed:
        tx.execute(status_change.insert().values(tenant=tenant, urgent=status is not Status.VALID))


def resume(tx: Connection, tenant: str, subjects: Collection[str]) -> None:
    """Those of them that were SUSPENDED are VALID again."""
    _check_tenant(tenant, subjects)
    wanted = list(subjects)
    for start in range(0, len(wanted), _CHUNK):
        some = status_index.c.subject.in_(wanted[start : start + _CHUNK])
        query = sa.select(status_index.c.subject).where(some, status_index.c.value == int(Status.SUSPENDED))
        for subject in tx.execute(query).scalars().all():
            set_value(tx, tenant, subject, Status.VALID)


def reference(tx: Connection, subject: str) -> StatusReference | None:
    """None when the subject has no place."""
    return references(tx, [subject]).get(subject)


def references(tx: Connection, subjects: Collection[str]) -> dict[str, StatusReference]:
    """Of those that have one."""
    wanted, found = list(subjects), dict[str, StatusReference]()
    columns = (status_index.c.subject, status_index.c.list, status_index.c.idx)
    for start in range(0, len(wanted), _CHUNK):
        query = sa.select(*columns).where(status_index.c.subject.in_(wanted[start : start + _CHUNK]))
        found |= {row.subject: StatusReference(row.list, row.idx) for row in tx.execute(query)}
    return found


def value(tx: Connection, subject: str) -> Status | None:
    """What the next snapshot says of it; None when it has no place."""
    found = tx.execute(sa.select(status_index.c.value).where(status_index.c.subject == subject)).scalar()
    return None if found is None else Status(found)


def list_count(tx: Connection, tenant: str) -> int:
    """They are numbered from 0 without gaps."""
    newest = tx.execute(sa.select(sa.func.max(status_index.c.list)).where(status_index.c.tenant == tenant)).scalar()
    return 0 if newest is None else newest + 1


def set_entries(tx: Connection, tenant: str, number: int) -> dict[int, Status]:
    """Index -> value of all entries of a list that are not VALID."""
    mine = sa.and_(status_index.c.tenant == tenant, status_index.c.list == number, status_index.c.value != 0)
    rows = tx.execute(sa.select(status_index.c.idx, status_index.c.value).where(mine))
    return {row.idx: Status(row.value) for row in rows}


def tenants(tx: Connection) -> list[str]:
    """Those that have lists."""
    return list(tx.execute(sa.select(status_index.c.tenant).distinct().order_by(status_index.c.tenant)).scalars())


def changes(tx: Connection, tenant: str | None = None) -> Sequence[Change]:
    """What no snapshot shows yet."""
    query = sa.select(status_change).order_by(status_change.c.id)
    rows = tx.execute(query if tenant is None else query.where(status_change.c.tenant == tenant))
    return [Change(row.id, row.tenant, row.urgent) for row in rows]


def forget_changes(tx: Connection, shown: Iterable[Change]) -> None:
    """A snapshot shows them now."""
    rows = [{"its_id": each.id} for each in shown]
    if rows:
        tx.execute(status_change.delete().where(status_change.c.id == sa.bindparam("its_id")), rows)


def _open_list(tx: Connection, tenant: str, lists: int, entries: int) -> int:
    """The newest list, or the one after it when that is three quarters full."""
    newest, sample = max(lists - 1, 0), min(_SAMPLE, entries)
    mine = sa.and_(status_index.c.tenant == tenant, status_index.c.list == newest, status_index.c.idx < sample)
    taken = tx.execute(sa.select(sa.func.count()).select_from(status_index).where(mine)).scalar_one()
    return newest if taken * 4 < sample * 3 else newest + 1


def _draw(randomness: Randomness, entries: int) -> int:
    """Below `entries`, a power of two: no index is more likely than another."""
    return int.from_bytes(randomness.bytes(_INDEX_BYTES), "big") % entries


def _check_tenant(tenant: str, subjects: Iterable[str]) -> None:
    prefix = f"{TenantName(tenant)}/"
    for subject in subjects:
        if not subject.startswith(prefix):
            raise ValueError(f"{subject} is not of {tenant}")
