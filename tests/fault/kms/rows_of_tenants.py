"""Rows of the table of writes: tenants, and what their quotas count."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from fault.kms.write_table import REQUEST_ID, Row
from kms.core.names import KeyName
from kms.keys.algorithms import DEFAULT
from kms.keys.quota import count_keys
from kms.tenants.counts import CountQuota
from kms.tenants.model import KEYS, Quotas
from kms.tenants.rpc import TenantServicer
from support.keys_world import ADMIN, KeysWorld, keys_world
from unit.kms.tenants.bench import SUSPENDED, TenantBench, tenant_service


def _bench(world: KeysWorld, database: Any = None, attempt: int = 0) -> TenantBench:
    """Identifiers are made anew for each attempt, as the service does."""
    service = tenant_service(world, database=database, seed=60 + attempt)
    return TenantBench(world, service, TenantServicer(service), terms=None)  # type: ignore[arg-type]


async def _made(world: KeysWorld) -> None:
    await _bench(world, attempt=9).create()


async def _create(world: KeysWorld, _: Any, database: Any, attempt: int) -> None:
    await _bench(world, database, attempt).create(request_id=REQUEST_ID, quotas={"keys": 3})


async def _update(world: KeysWorld, _: Any, database: Any, attempt: int) -> None:
    await _bench(world, database, attempt).update("display_name", display_name="Acme", request_id=REQUEST_ID)


async def _suspend(world: KeysWorld, _: Any, database: Any, attempt: int) -> None:
    await _bench(world, database, attempt).set_state(SUSPENDED, request_id=REQUEST_ID, reason="why")


def _quota(world: KeysWorld, keys: int) -> CountQuota:
    return CountQuota(kind=KEYS, count=count_keys, default=Quotas(keys=keys), clock=world.world.clock)


def _key_under(quotas: Sequence[int]) -> Row:
    """A key is made under the last of the quotas, after one under each of the others."""

    async def prepare(world: KeysWorld) -> None:
        for number, keys in enumerate(quotas[:-1]):
            await replace(world, keys=_with_quota(world, keys)).create(f"before-{number}")

    async def run(world: KeysWorld, _: Any, database: Any, attempt: int) -> None:
        service = _with_quota(world, quotas[-1], database)
        await service.create(
            KeyName(ADMIN.tenant, "manifest"),
            algorithm=DEFAULT,
            labels={},
            request=world.request(request_id=REQUEST_ID),
            now=world.world.clock.now(),
            published=False,
        )

    return _row(run, prepare)


def _with_quota(world: KeysWorld, keys: int, database: Any = None) -> Any:
    service = _over(world, database)
    service.quota = _quota(world, keys)
    return service


def _over(world: KeysWorld, database: Any) -> Any:
    """The service of keys over another database."""
    keys = world.keys
    return type(keys)(database or keys.database, keys.provider, keys.log, keys.randomness)


def _row(run: Any, prepare: Any = None) -> Row:
    return Row(world=keys_world, run=run, prepare=prepare, database=lambda world: world.world.database)


ROWS: Final[dict[str, Row]] = {
    "CreateTenant": _row(_create),
    "UpdateTenant": _row(_update, _made),
    "ChangeTenantState": _row(_suspend, _made),
    "a first key under a quota": _key_under([5]),
    "a further key under a quota": _key_under([5, 5]),
    "a key after a time without quota": _key_under([5, 0, 5]),
}
