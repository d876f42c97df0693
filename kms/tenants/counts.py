"""How much of a quota is used: keys that are not destroyed, devices that are not revoked.

Of each tenant and kind one row says how many there are at most. Whoever makes one more raises it, in the transaction
that makes it, and so holds its lock until the commit: replicas go one after the other. Whoever ends one leaves it
alone. Only when it has reached the quota is it counted what there really is: so a quota costs two statements, however
many there are. Where there is no quota the row goes away, so it never says less than what there is.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from kms.core.clock import Clock
from kms.core.database import metadata
from kms.core.errors import Reason
from kms.keys.model import SYSTEM_TENANT
from kms.tenants import store
from kms.tenants.exceeded import Limit, LimitExceeded
from kms.tenants.model import Quotas

_RETRY_SECONDS: Final = 60
_FULL_SECONDS: Final = 5.0
"""So long nobody counts again for a tenant that was found to be full."""
_FULL_MAX: Final = 10_000

_count = sa.Table(
    "tenant_count",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("most", sa.BigInteger, nullable=False),
)


@dataclass(slots=True, kw_only=True)
class CountQuota:
    """A kms.keys.quota.KeyQuota, and the same for devices. `kind`: which of the quotas. `count`: of a tenant, what
    there really is. `default`: the quotas of tenants that have none. Used by the threads of the database.
    """

    kind: str
    count: Callable[[Connection, str], int]
    default: Quotas
    clock: Clock
    _full: OrderedDict[str, float] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def check(self, tx: Connection, tenant: str) -> None:
        """Before costly work; writes nothing. Raises LimitExceeded/QUOTA_EXCEEDED for who was just found to be full."""
        if tenant == SYSTEM_TENANT or not (most := self._most(store.quotas_of(tx, tenant))):
            return
        with self._lock:
            found_full = self._full.get(tenant)
        if found_full is not None and self.clock.monotonic() - found_full < _FULL_SECONDS:
            raise self._exceeded(tenant, most)

    def take(self, tx: Connection, tenant: str) -> None:
        """In the write transaction that makes one. Raises LimitExceeded/QUOTA_EXCEEDED."""
        if tenant == SYSTEM_TENANT:
            return
        mine = sa.and_(_count.c.tenant == tenant, _count.c.kind == self.kind)
        most = self._most(store.quotas_held(tx, tenant))
        if not most:
            tx.execute(_count.delete().where(mine))
            return
        grown = _count.update().where(mine, _count.c.most < most).values(most=_count.c.most + 1)
        if tx.execute(grown).rowcount == 1:
            return
        self._lock_row(tx, tenant, mine)
        there_are = self.count(tx, tenant)
        if there_are >= most:
            self._note_full(tenant)
            raise self._exceeded(tenant, most)
        tx.execute(_count.update().where(mine).values(most=there_are + 1))

    def _most(self, quotas: Quotas | None) -> int:
        chosen: int = getattr(self.default if quotas is None else quotas, self.kind)
        return chosen

    def _lock_row(self, tx: Connection, tenant: str, mine: sa.ColumnElement[bool]) -> None:
        """Makes it if need be. What is counted afterwards was committed by all who held it before."""
        try:
            with tx.begin_nested():
                tx.execute(_count.insert().values(tenant=tenant, kind=self.kind, most=0))
        except IntegrityError:
            tx.execute(sa.select(_count.c.most).where(mine).with_for_update())

    def _note_full(self, tenant: str) -> None:
        with self._lock:
            self._full.pop(tenant, None)
            self._full[tenant] = self.clock.monotonic()
            while len(self._full) > _FULL_MAX:
                self._full.popitem(last=False)

    def _exceeded(self, tenant: str, most: int) -> LimitExceeded:
        left = {"keys": "destroy versions that are not needed", "devices": "revoke devices that are gone"}[self.kind]
        return LimitExceeded(
            Reason.QUOTA_EXCEEDED,
            f"tenants/{tenant} has its {most} {self.kind}; {left}, or ask the operators for more",
            Limit.of_tenant(tenant, self.kind, f"{self.kind}-of-tenant", most),
            retry_after_seconds=_RETRY_SECONDS,
        )
