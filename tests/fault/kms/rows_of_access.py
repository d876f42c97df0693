"""Rows of the table of writes: access policies and grants."""

from typing import Any, Final

from fault.kms.write_table import REQUEST_ID, Row
from unit.kms.access.bench import ADMINS, BACKEND, PARENT, SIGNERS, AccessBench, access_running

SIGN: Final = "SigningService.Sign"


async def _with_a_policy(bench: AccessBench) -> str:
    name: str = (await bench.set(ADMINS)).policy.name
    return name


async def _with_another_in_force(bench: AccessBench) -> str:
    await bench.in_force(ADMINS)
    name: str = (await bench.set(SIGNERS)).policy.name
    return name


async def _with_one_to_give_up(bench: AccessBench) -> str:
    await bench.in_force(ADMINS)
    return f"{PARENT}/accessPolicies/0"


async def _with_a_grant(bench: AccessBench) -> str:
    name: str = (await bench.grant(BACKEND.spiffe_id, SIGN)).grant.name
    return name


async def _set(bench: AccessBench, _: Any, database: Any, _attempt: int) -> None:
    bench.servicer.policies.database = database
    assert (await bench.set(ADMINS, request_id=REQUEST_ID)).policy.name == f"{PARENT}/accessPolicies/1"


async def _activate(bench: AccessBench, name: str, database: Any, _attempt: int) -> None:
    bench.servicer.policies.database = database
    await bench.activate(name, request_id=REQUEST_ID)
    rules = await bench.rules.decisions.source.rules("default")
    assert f"{PARENT}/accessPolicies/{0 if rules is None else rules.number}" == name


async def _grant(bench: AccessBench, _: Any, database: Any, _attempt: int) -> None:
    bench.servicer.grants.database = database
    await bench.grant(BACKEND.spiffe_id, SIGN, request_id=REQUEST_ID)


async def _revoke(bench: AccessBench, name: str, database: Any, _attempt: int) -> None:
    bench.servicer.grants.database = database
    assert (await bench.revoke(name, request_id=REQUEST_ID)).grant.HasField("revoke_time")


def _row(run: Any, prepare: Any = None) -> Row:
    return Row(world=access_running, run=run, prepare=prepare, database=lambda bench: bench.service.database)


ROWS: Final[dict[str, Row]] = {
    "SetAccessPolicy": _row(_set),
    "ActivateAccessPolicy": _row(_activate, _with_a_policy),
    "ActivateAccessPolicy in place of another": _row(_activate, _with_another_in_force),
    "ActivateAccessPolicy of the roles alone": _row(_activate, _with_one_to_give_up),
    "CreateGrant": _row(_grant),
    "RevokeGrant": _row(_revoke, _with_a_grant),
}
