"""Tables of the signatures that were counted; nobody else touches them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from kms.audit.adding import AddMany
from kms.audit.tables import place_table as _place
from kms.audit.tables import signature_table as _signature
from kms.core.database import to_microseconds

_ADD: Final = AddMany(
    "signature_count", ("tenant", "hour", "algorithm", "count"), key=("tenant", "hour", "algorithm"), sums=("count",)
)


def place(tx: Connection, origin: str) -> int:
    """So many entries of this log, from the first, were looked at."""
    found = tx.execute(sa.select(_place.c.size).where(_place.c.origin == origin)).scalar()
    return 0 if found is None else int(found)


def add(tx: Connection, *, origin: str, before: int, size: int, found: Mapping[tuple[str, datetime, str], int]) -> bool:
    """What was found in the entries from `before` to `size`, by tenant, hour and algorithm. Compare and set: False when
    another replica counted them, and then nothing was written.
    """
    if not _advance(tx, origin, before, size):
        return False
    rows = [(tenant, to_microseconds(hour), algorithm, count) for (tenant, hour, algorithm), count in found.items()]
    _ADD(tx, sorted(rows))
    return True


def counts(tx: Connection, tenant: str | None, *, since: datetime, until: datetime) -> dict[str, int]:
    """By algorithm, of the hours that begin in [since, until)."""
    query = sa.select(_signature.c.algorithm, sa.func.sum(_signature.c.count)).where(
        _signature.c.hour >= since, _signature.c.hour < until
    )
    if tenant is not None:
        query = query.where(_signature.c.tenant == tenant)
    return {name: int(count) for name, count in tx.execute(query.group_by(_signature.c.algorithm))}


def remove(tx: Connection, *, before: datetime, limit: int) -> int:  # noqa: ARG001
    """The oldest hour before: it has a row for each tenant and algorithm. How many went."""
    oldest = sa.select(sa.func.min(_signature.c.hour)).where(_signature.c.hour < before).scalar_subquery()
    return tx.execute(_signature.delete().where(_signature.c.hour == oldest)).rowcount


def _advance(tx: Connection, origin: str, before: int, size: int) -> bool:
    if before:
        same = sa.and_(_place.c.origin == origin, _place.c.size == before)
        return tx.execute(_place.update().where(same).values(size=size)).rowcount == 1
    try:
        with tx.begin_nested():
            tx.execute(_place.insert().values(origin=origin, size=size))
    except IntegrityError:
        return False
    return True
