"""Quotas on two replicas at once: never one too many, whatever the order of their transactions."""

import asyncio

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.core.database import Database
from kms.core.errors import ResourceExhausted
from kms.tenants.counts import CountQuota
from kms.tenants.model import DEVICES, Quotas
from support.clock import FakeClock

_QUOTA = 7
_ATTEMPTS = 12


_things = sa.Table(
    "things_of_this_test",
    sa.MetaData(),
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("id", sa.Integer, primary_key=True),
)


def _count(tx: Connection, tenant: str) -> int:
    return int(tx.execute(sa.select(sa.func.count()).where(_things.c.tenant == tenant)).scalar_one())


@pytest.mark.parametrize("before", [0, 5, _QUOTA])
async def test_two_replicas_never_make_one_too_many(postgresql_tables: str, before: int) -> None:
    replicas = [Database(postgresql_tables), Database(postgresql_tables)]
    _things.create(replicas[0].engine, checkfirst=True)

    def begin(tx: Connection) -> None:
        tx.execute(_things.delete())
        for number in range(before):
            tx.execute(_things.insert().values(tenant="acme", id=1_000 + number))

    def make(quota: CountQuota, number: int, tx: Connection) -> None:
        quota.take(tx, "acme")
        tx.execute(sa.text("SELECT pg_sleep(0.005)"))
        tx.execute(_things.insert().values(tenant="acme", id=number))

    try:
        await replicas[0].write(begin)
        clock = FakeClock()
        work = []
        for number in range(_ATTEMPTS * 2):
            quota = CountQuota(kind=DEVICES, count=_count, default=Quotas(devices=_QUOTA), clock=clock)
            replica = replicas[number % 2]
            work.append(replica.write(lambda tx, q=quota, n=number: make(q, n, tx)))  # type: ignore[misc]
        results = await asyncio.gather(*work, return_exceptions=True)
        assert await replicas[1].read(lambda tx: _count(tx, "acme")) == _QUOTA
        refused = [result for result in results if isinstance(result, ResourceExhausted)]
        assert len(refused) == _ATTEMPTS * 2 - (_QUOTA - before)
        assert len([result for result in results if result is None]) == _QUOTA - before
    finally:
        _things.drop(replicas[0].engine)
        for replica in replicas:
            replica.close()
