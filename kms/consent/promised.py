"""Which removal times a tenant's consents promise: status manifests name an end of leases for each (kms.status)."""

from collections.abc import Collection
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.consent.tables import consent

REMOVAL_TIMES_MAX: Final = 64
"""A minute to 30 days takes 60 steps of a fifth (kms.consent.terms)."""


def removal_times(tx: Connection, tenant: str) -> Collection[int]:
    """The promises (seconds) of the tenant's open consents, ascending; where there are more than 64, some of them: the
    shortest, and then always the next that is longer by a fifth at least, so that each has one listed little below it.

    Each is one look into the index, however many consents there are.
    """
    found = _promised(tx, tenant, longer_by=0)
    return found if len(found) <= REMOVAL_TIMES_MAX else _promised(tx, tenant, longer_by=0.2)


def _promised(tx: Connection, tenant: str, *, longer_by: float) -> list[int]:
    """At most one more than REMOVAL_TIMES_MAX."""
    promised, found = consent.c.removal_seconds, list[int]()
    query = sa.select(promised).where(consent.c.tenant == tenant, consent.c.ends_at.is_not(None))
    query = query.where(promised > sa.bindparam("longer_than")).order_by(promised).limit(1)
    longer_than = 0
    while len(found) <= REMOVAL_TIMES_MAX:
        seconds = tx.execute(query, {"longer_than": longer_than}).scalar()
        if seconds is None:
            break
        found.append(seconds)
        longer_than = int(seconds * (1 + longer_by))
    return found
