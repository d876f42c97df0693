"""Quotas of keys and devices: exact, cheap, and given back when something ends."""

import uuid
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.core.database import metadata
from kms.core.errors import Reason
from kms.core.idempotency import RequestKey
from kms.core.names import KeyName
from kms.keys.algorithms import DEFAULT
from kms.keys.quota import count_keys
from kms.tenants.counts import CountQuota
from kms.tenants.exceeded import LimitExceeded
from kms.tenants.model import KEYS, Quotas
from unit.kms.tenants.bench import TenantBench, caller


@pytest.fixture
def quota(bench: TenantBench) -> CountQuota:
    made = CountQuota(kind=KEYS, count=count_keys, default=Quotas(), clock=bench.clock)
    bench.world.keys.quota = made
    return made


async def _make(bench: TenantBench, key_id: str, tenant: str = "acme") -> None:
    await bench.world.keys.create(
        KeyName(tenant, key_id),
        algorithm=DEFAULT,
        labels={},
        request=RequestKey.of(caller(tenant), str(uuid.uuid4()), "CreateKey", key_id.encode()),
        now=bench.clock.now(),
        published=False,
    )


async def _refused(bench: TenantBench, key_id: str, tenant: str = "acme") -> LimitExceeded:
    with pytest.raises(LimitExceeded) as refused:
        await _make(bench, key_id, tenant)
    assert refused.value.reason is Reason.QUOTA_EXCEEDED
    assert refused.value.retry_after_seconds
    return refused.value


async def _destroy(bench: TenantBench, key_id: str) -> None:
    versions = metadata.tables["key_version"]
    gone = versions.update().where(versions.c.key_id == key_id).values(state="destroyed")
    await bench.world.world.database.write(lambda tx: tx.execute(gone))


async def _most(bench: TenantBench) -> int | None:
    counts = metadata.tables["tenant_count"]
    query = sa.select(counts.c.most).where(counts.c.tenant == "acme")
    return await bench.world.world.database.read(lambda tx: tx.execute(query).scalar())


async def test_so_many_keys_and_no_more(bench: TenantBench, quota: CountQuota) -> None:
    await bench.create("acme", quotas={"keys": 2})
    await _make(bench, "a")
    await _make(bench, "b")
    error = await _refused(bench, "c")
    assert (error.limit.subject, error.limit.metric, error.limit.value) == ("tenant:acme", "hallmark.v1/keys", 2)
    await _make(bench, "a", "other")
    await _make(bench, "a", "default")


async def test_a_refusal_makes_no_key_pair_a_second_time(bench: TenantBench, quota: CountQuota) -> None:
    """Who is full is told before the HSM works; after a few seconds it is counted again."""
    await bench.create("acme", quotas={"keys": 1})
    await _make(bench, "a")
    asked: list[Any] = []
    quota.count = lambda tx, tenant: asked.append(tenant) or count_keys(tx, tenant)  # type: ignore[func-returns-value]
    for _ in range(5):
        await _refused(bench, "b")
    assert len(asked) == 1
    await _destroy(bench, "a")
    bench.clock.advance(5)
    await _make(bench, "b")


async def test_what_is_destroyed_makes_room(bench: TenantBench, quota: CountQuota) -> None:
    await bench.create("acme", quotas={"keys": 3})
    for key_id in "abc":
        await _make(bench, key_id)
    await _destroy(bench, "a")
    await _destroy(bench, "b")
    await _make(bench, "d")
    assert await _most(bench) == 2, "counted anew"
    await _make(bench, "e")
    await _refused(bench, "f")


async def test_keys_that_were_there_before_the_quota_count(bench: TenantBench, quota: CountQuota) -> None:
    await bench.create("acme")
    for key_id in "abc":
        await _make(bench, key_id)
    await bench.update("quotas", quotas={"keys": 4})
    await _make(bench, "d")
    await _refused(bench, "e")
    await bench.update("quotas", quotas={"keys": 2})
    bench.clock.advance(60)
    await _refused(bench, "e")
    assert await _most(bench) == 4
    await bench.update("quotas", quotas={"streams": 2})
    await _make(bench, "e")
    assert await _most(bench) is None, "nobody keeps the count where there is no quota"
    await bench.update("quotas", quotas={"keys": 5})
    await _refused(bench, "f")


async def test_the_default_holds_for_tenants_without_quotas_and_never_for_the_service(
    bench: TenantBench, quota: CountQuota
) -> None:
    quota.default = Quotas(keys=1)
    await bench.create("acme")
    for tenant in ("acme", "unregistered"):
        await _make(bench, "a", tenant)
        await _refused(bench, "b", tenant)
    for key_id in ("one", "two", "three"):
        await bench.world.keys.ensure_service_key(key_id, bench.clock.now())


async def test_what_it_costs_does_not_grow(bench: TenantBench, quota: CountQuota) -> None:
    await bench.create("acme", quotas={"keys": 1_000})
    counted: list[str] = []

    def count(tx: Connection, tenant: str) -> int:
        counted.append(tenant)
        return count_keys(tx, tenant)

    quota.count = count
    for _ in range(50):
        await bench.world.world.database.write(lambda tx: quota.take(tx, "acme"))
    assert counted == ["acme"], "only to begin with"
    assert await _most(bench) == 50
