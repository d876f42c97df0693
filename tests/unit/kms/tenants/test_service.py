"""Tenants are made, seen, changed and suspended, by whom it is for."""

import json
import uuid
from typing import Any

import pytest

from hallmark.v1 import tenants_pb2
from kms.core.errors import (
    Aborted,
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Reason,
    ServiceError,
)
from kms.core.identity import Role
from unit.kms.tenants.bench import ACTIVE, SUSPENDED, TenantBench, caller

ACME, OTHER = caller("acme"), caller("other")
PREFER, REQUIRE = tenants_pb2.CHANNEL_MODE_PREFER, tenants_pb2.CHANNEL_MODE_REQUIRE


async def test_a_tenant_is_made_and_logged(bench: TenantBench) -> None:
    quotas = tenants_pb2.Quotas(rate_per_second=12.5, concurrency=3, streams=2, keys=5, devices=9)
    answer = await bench.create(display_name="Acme Ltd", quotas=quotas)
    tenant = answer.tenant
    assert (tenant.name, tenant.display_name, tenant.state) == ("tenants/acme", "Acme Ltd", ACTIVE)
    assert tenant.quotas == quotas
    assert not tenant.HasField("channel_rules"), "the server's defaults"
    entry = json.loads(answer.log.entry)
    assert (entry["type"], entry["subject"], entry["tenant"]) == ("tenant.created", "tenants/acme", "acme")
    assert entry["details"] == {
        "channels": None,
        "quotas": {"rate_per_second": "12.5", "concurrency": 3, "streams": 2, "keys": 5, "devices": 9},
        "revision": 1,
    }
    assert "Acme" not in answer.log.entry.decode(), "the words of people stay out of the log"
    assert "alice" not in answer.log.entry.decode()
    assert bench.changed == ["acme"]


async def test_the_same_request_is_answered_again_and_made_once(bench: TenantBench) -> None:
    request_id = str(uuid.uuid4())
    first = await bench.create(request_id=request_id)
    again = await bench.create(request_id=request_id)
    assert (again.replayed, again.tenant, again.log.entry) == (True, first.tenant, first.log.entry)
    with pytest.raises(AlreadyExists) as refused:
        await bench.create(request_id=request_id, display_name="another")
    assert refused.value.reason is Reason.REQUEST_ID_REUSED


@pytest.mark.parametrize("tenant", ["system", "Acme", "", "a" * 64, "acme/b"])
async def test_what_can_not_be_a_tenant(bench: TenantBench, tenant: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await bench.create(tenant)
    assert refused.value.field == "tenant_id"


@pytest.mark.parametrize("tenant", ["default", "acme"])
async def test_one_that_there_is(bench: TenantBench, tenant: str) -> None:
    await bench.create()
    with pytest.raises(AlreadyExists) as refused:
        await bench.create(tenant)
    assert refused.value.reason is Reason.TENANT_EXISTS


@pytest.mark.parametrize("who", [ACME, caller(role=Role.BACKEND), caller(role=Role.AUDITOR)])
async def test_only_operators_make_tenants(bench: TenantBench, who: Any) -> None:
    with pytest.raises(PermissionDenied):
        await bench.create("fresh", by=who)


async def test_others_see_their_own_only(bench: TenantBench) -> None:
    await bench.create("acme")
    await bench.create("other")
    assert (await bench.get(by=ACME)).name == "tenants/acme"
    assert (await bench.get(by=caller("acme", Role.AUDITOR))).name == "tenants/acme"
    messages = []
    for name in ("other", "nobody"):
        with pytest.raises(NotFound) as refused:
            await bench.get(name, by=ACME)
        messages.append(refused.value.message.replace(name, "X"))
    assert len({*messages}) == 1, "what is not there and what may not be seen are the same"
    assert [each.name for each in (await bench.list(by=ACME)).tenants] == ["tenants/acme"]
    assert (await bench.list(by=caller("nobody"))).tenants == []
    for act in (bench.update("display_name", by=OTHER), bench.set_state(SUSPENDED, by=OTHER)):
        with pytest.raises(NotFound):
            await act


async def test_operators_list_all_oldest_first_page_by_page(bench: TenantBench) -> None:
    for tenant in ("zeta", "beta", "alpha"):
        bench.clock.advance(1)
        await bench.create(tenant)
    await bench.create("aaaa")  # at the same moment as alpha
    names, token = [], ""
    while True:
        page = await bench.list(page_size=2, page_token=token)
        names += [each.name.rpartition("/")[2] for each in page.tenants]
        if not (token := page.next_page_token):
            break
    assert sorted(names) == sorted({*names}), "each once"
    names.remove("default")  # made by the migration, whenever that was
    assert names == ["zeta", "beta", "aaaa", "alpha"]


@pytest.mark.parametrize("token", ["%%", "bm8=", "L3g=", "MS8=", "OTk5OTk5OTk5OTk5OTk5OTk5OTkvYQ=="])
async def test_a_page_token_that_is_not_ours(bench: TenantBench, token: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await bench.list(page_token=token)
    assert refused.value.reason is Reason.PAGE_TOKEN_INVALID


async def test_operators_change_all_of_it(bench: TenantBench) -> None:
    before = (await bench.create(quotas=tenants_pb2.Quotas(keys=5))).tenant
    rules = tenants_pb2.ChannelRules(mode=PREFER, triggers=[tenants_pb2.ChannelTrigger(networks=["10.0.0.0/8"])])
    answer = await bench.update("display_name", "channel_rules", display_name="A", channel_rules=rules)
    assert answer.tenant.display_name == "A"
    assert answer.tenant.quotas == before.quotas, "what the mask does not name stays"
    assert answer.tenant.channel_rules.classical_bytes_per_day == 64 * 1024 * 1024
    assert answer.tenant.etag != before.etag
    details = json.loads(answer.log.entry)["details"]
    assert (details["changed"], details["revision"]) == (["channel_rules", "display_name"], 2)
    assert details["channels"]["triggers"] == [{"networks": ["10.0.0.0/8"], "regions": [], "sensitivity": "low"}]
    gone = await bench.update("quotas", "channel_rules")
    assert not gone.tenant.HasField("quotas")
    assert not gone.tenant.HasField("channel_rules")


async def test_a_change_of_what_was_changed_meanwhile(bench: TenantBench) -> None:
    read = (await bench.create()).tenant
    await bench.update("display_name", display_name="other", etag=read.etag)
    for act in (
        bench.update("display_name", display_name="mine", etag=read.etag),
        bench.set_state(SUSPENDED, etag=read.etag),
    ):
        with pytest.raises(Aborted) as refused:
            await act
        assert refused.value.reason is Reason.ETAG_MISMATCH
    assert (await bench.get()).display_name == "other"


async def test_a_tenants_own_admin_makes_its_rules_stricter_only(bench: TenantBench) -> None:
    await bench.create()
    await bench.update("display_name", display_name="ours", by=ACME)
    strict = await bench.update("channel_rules", channel_rules=tenants_pb2.ChannelRules(mode=REQUIRE), by=ACME)
    assert strict.tenant.channel_rules.mode == REQUIRE
    looser: list[dict[str, Any]] = [
        {"channel_rules": tenants_pb2.ChannelRules(mode=PREFER)},
        {},  # back to the defaults
    ]
    for fields in looser:
        with pytest.raises(PermissionDenied, match="mode"):
            await bench.update("channel_rules", by=ACME, **fields)
    await bench.update("channel_rules", channel_rules=tenants_pb2.ChannelRules(mode=PREFER))
    with pytest.raises(PermissionDenied, match="quotas"):
        await bench.update("quotas", quotas=tenants_pb2.Quotas(keys=10**6), by=ACME)
    with pytest.raises(PermissionDenied, match="quotas"):
        await bench.update("display_name", "quotas", display_name="x", by=ACME)
    assert (await bench.get()).display_name == "ours"


async def test_suspended_and_resumed(bench: TenantBench) -> None:
    await bench.create()
    answer = await bench.set_state(SUSPENDED, reason="the contract has ended")
    assert (answer.tenant.state, answer.tenant.reason) == (SUSPENDED, "the contract has ended")
    entry = json.loads(answer.log.entry)
    assert (entry["type"], entry["details"]) == ("tenant.state-changed", {"revision": 2, "state": "suspended"})
    assert {*entry["commitments"]} == {"by", "reason"}
    assert "contract" not in answer.log.entry.decode()
    with pytest.raises(FailedPrecondition):
        await bench.set_state(SUSPENDED)
    resumed = (await bench.set_state(ACTIVE)).tenant
    assert (resumed.state, resumed.reason) == (ACTIVE, "")


@pytest.mark.parametrize("state", [ACTIVE, SUSPENDED])
async def test_only_operators_suspend_and_nobody_the_operators(bench: TenantBench, state: Any) -> None:
    await bench.create()
    with pytest.raises(PermissionDenied):
        await bench.set_state(state, by=ACME)
    with pytest.raises(FailedPrecondition):
        await bench.set_state(state, tenant="default")
    with pytest.raises(NotFound):
        await bench.set_state(state, tenant="nobody")


_WRONG: list[Any] = [
    lambda bench: bench.update(tenant="acme"),
    lambda bench: bench.update("state", tenant="acme"),
    lambda bench: bench.update("display_name", display_name="a" * 101),
    lambda bench: bench.update("display_name", display_name="bell\a"),
    lambda bench: bench.set_state(tenants_pb2.TENANT_STATE_UNSPECIFIED),
    lambda bench: bench.set_state(7),
    lambda bench: bench.set_state(SUSPENDED, reason="x" * 513),
    lambda bench: bench.create("b", channel_rules=tenants_pb2.ChannelRules(mode=9)),
    lambda bench: bench.create("b", channel_rules=tenants_pb2.ChannelRules(classical_sensitivity=9)),
    lambda bench: bench.create("b", request_id="1"),
    lambda bench: bench.get("acme/x"),
    lambda bench: bench.list(page_size=1001),
]


@pytest.mark.parametrize("act", _WRONG, ids=range(len(_WRONG)))
async def test_what_can_not_be_right(bench: TenantBench, act: Any) -> None:
    await bench.create()
    with pytest.raises(ServiceError) as refused:
        await act(bench)
    assert isinstance(refused.value, InvalidArgument)
