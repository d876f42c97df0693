"""The door: which connection is good enough for which call."""

from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from kms.core.call import Call
from kms.core.errors import FailedPrecondition, Reason, ResourceExhausted
from kms.core.resources import ResourceFacts, Sensitivity
from kms.keys.facts import facts_of_name
from kms.server.channel_use import ClassicalUse
from kms.server.channels import KEYS_MAX, ChannelPolicy
from kms.server.doors import Asked
from kms.server.errors import to_status
from kms.server.policy import POLICY, Row
from kms.server.resources import action_of
from kms.tenants.model import ChannelMode, ChannelRules, Terms, Trigger
from support.clock import FakeClock
from support.database import fresh_database
from unit.kms.server.channel_bench import CLASSICAL, POST_QUANTUM, SIGN, entry_of, make_call

LOW, STANDARD, HIGH, MAXIMUM = Sensitivity
KEYS = {
    "tenants/default/keys/low": LOW,
    "tenants/default/keys/plain": STANDARD,
    "tenants/default/keys/high": HIGH,
    "tenants/default/aliases/high": HIGH,
    "tenants/other/keys/high": HIGH,
    "tenants/system/keys/root": MAXIMUM,
}
REQUIRE, PREFER, ALLOW = (ChannelRules(mode=mode) for mode in ChannelMode)


class Facts:
    """Of KEYS; notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def facts(self, name: str) -> ResourceFacts:
        self.asked.append(name)
        named = facts_of_name(name)
        return ResourceFacts(name, named.tenant, named.kind, KEYS.get(name, STANDARD))


class World:
    def __init__(self, use: ClassicalUse) -> None:
        self.facts, self.use = Facts(), use

    def door(self, *, require_pq_tls: bool = False) -> ChannelPolicy:
        regions = {"office": (ip_network("10.20.0.0/16"),)}
        return ChannelPolicy(require_pq_tls=require_pq_tls, regions=regions, facts=self.facts, use=self.use)

    async def refusal(
        self, rules: ChannelRules, *names: str, call: Call | None = None, row: Row | None = None, **more: Any
    ) -> str:
        """The rule that refused the call; empty: it passed."""
        call = call or make_call()
        try:
            asked = Asked(action_of(call.method), names)
            await self.door(**more).check(call, row or POLICY[call.method], asked, Terms("default", channels=rules))
        except FailedPrecondition as refused:
            if refused.reason is not Reason.PQ_TLS_REQUIRED:
                raise
            return refused.metadata["rule"]
        return ""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with fresh_database(tmp_path) as database:
        yield World(ClassicalUse(database, FakeClock(), interval_seconds=3))


@pytest.mark.parametrize("rules", [REQUIRE, PREFER, ALLOW, ChannelRules(triggers=(Trigger(),))])
async def test_post_quantum_sessions_pass_without_a_question(world: World, rules: ChannelRules) -> None:
    call = make_call(group=POST_QUANTUM)
    assert await world.refusal(rules, "tenants/default/keys/high", call=call, require_pq_tls=True) == ""
    assert world.facts.asked == []


@pytest.mark.parametrize("group", [CLASSICAL, "secp256r1", "unknown", ""])
async def test_the_server_may_take_no_others(world: World, group: str) -> None:
    call = make_call(group=group)
    assert await world.refusal(ALLOW, call=call, require_pq_tls=True) == "server.require_pq_tls"


async def test_a_tenant_may_take_no_others(world: World) -> None:
    assert await world.refusal(REQUIRE, call=make_call(method="/grpc.health.v1.Health/Check")) == "tenant.require"


@pytest.mark.parametrize(
    ("name", "most", "rule"),
    [
        ("tenants/default/keys/low", LOW, "tenant.classical_sensitivity"),  # Sign is STANDARD itself
        ("tenants/default/keys/low", STANDARD, ""),
        ("tenants/default/keys/plain", STANDARD, ""),
        ("tenants/default/keys/high", STANDARD, "tenant.classical_sensitivity"),
        ("tenants/default/aliases/high", STANDARD, "tenant.classical_sensitivity"),
        ("tenants/default/keys/high", HIGH, ""),
        ("tenants/default/keys/no-such", STANDARD, ""),
        ("tenants/default/keys/", STANDARD, ""),
        ("no name at all", STANDARD, ""),
        ("tenants/default/devices/d", STANDARD, ""),
        ("tenants/system/keys/root", HIGH, "tenant.classical_sensitivity"),
    ],
)
async def test_prefer_reaches_up_to_a_sensitivity(world: World, name: str, most: Sensitivity, rule: str) -> None:
    assert await world.refusal(ChannelRules(classical_sensitivity=most), name) == rule


async def test_of_many_keys_the_most_sensitive_counts(world: World) -> None:
    names = [f"tenants/default/keys/k{number}" for number in range(KEYS_MAX)]
    assert await world.refusal(PREFER, *names) == ""
    assert await world.refusal(PREFER, *names[1:], "tenants/default/keys/high") == "tenant.classical_sensitivity"


async def test_more_keys_than_any_call_takes_are_not_looked_up(world: World) -> None:
    names = [f"tenants/default/keys/k{number}" for number in range(KEYS_MAX + 1)]
    assert await world.refusal(ChannelRules(classical_sensitivity=HIGH), *names) == "tenant.classical_sensitivity"
    assert world.facts.asked == []


async def test_other_tenants_keys_are_not_looked_at(world: World) -> None:
    """Neither answer nor time tells whether there is one, or how sensitive it is."""
    assert await world.refusal(PREFER, "tenants/other/keys/high") == ""
    assert await world.refusal(PREFER, "tenants/other/keys/no-such") == ""
    assert world.facts.asked == []


@pytest.mark.parametrize(
    ("method", "rule"),
    [
        ("/hallmark.v1.LogService/GetCheckpoint", ""),
        ("/hallmark.v1.KeyService/CreateKey", "tenant.classical_sensitivity"),
        ("/hallmark.v1.KeyService/ExportKey", "tenant.classical_sensitivity"),
    ],
)
async def test_calls_have_a_sensitivity_of_their_own(world: World, method: str, rule: str) -> None:
    call = make_call(method=method)
    assert await world.refusal(PREFER, "tenants/default", call=call) == rule
    assert await world.refusal(ALLOW, "tenants/default", call=call) == ""


@pytest.mark.parametrize("mode", [ChannelMode.PREFER, ChannelMode.ALLOW])
@pytest.mark.parametrize(
    ("trigger", "rule"),
    [
        (Trigger(), "tenant.triggers.2"),
        (Trigger(networks=("192.0.2.0/24",)), "tenant.triggers.2"),
        (Trigger(networks=("198.51.100.0/24",)), ""),
        (Trigger(regions=("office",)), ""),
        (Trigger(regions=("nowhere",)), "tenant.triggers.2"),
        (Trigger(sensitivity=STANDARD), "tenant.triggers.2"),
        (Trigger(sensitivity=HIGH), ""),
        (Trigger(networks=("192.0.2.0/24",), sensitivity=HIGH), ""),
    ],
)
async def test_triggers_force_whatever_the_mode(world: World, mode: ChannelMode, trigger: Trigger, rule: str) -> None:
    never = Trigger(networks=("203.0.113.0/24",), sensitivity=MAXIMUM)
    rules = ChannelRules(mode=mode, triggers=(never, trigger))
    assert await world.refusal(rules, "tenants/default/keys/plain") == rule


async def test_a_trigger_looks_at_the_key(world: World) -> None:
    rules = ChannelRules(mode=ChannelMode.ALLOW, triggers=(Trigger(regions=("office",), sensitivity=HIGH),))
    inside = make_call(peer="ipv4:10.20.1.1:5")
    assert await world.refusal(rules, "tenants/default/keys/high", call=inside) == "tenant.triggers.1"
    assert await world.refusal(rules, "tenants/default/keys/plain", call=inside) == ""
    assert await world.refusal(rules, "tenants/default/keys/high") == ""


@pytest.mark.parametrize("peer", ["unix:", "", "ipv4:10.20.1.1"])
async def test_a_peer_without_an_address_is_in_every_network(world: World, peer: str) -> None:
    rules = ChannelRules(mode=ChannelMode.ALLOW, triggers=(Trigger(networks=("10.0.0.0/8",)),))
    assert await world.refusal(rules, call=make_call(peer=peer)) == "tenant.triggers.1"


async def test_prefer_has_a_budget_and_allow_has_none(world: World) -> None:
    entry = entry_of(make_call(), received=100)
    world.use.admitted(entry, {})
    world.use.finished(entry, "OK", "")
    small = ChannelRules(classical_bytes_per_day=100)
    with pytest.raises(ResourceExhausted) as refused:
        await world.refusal(small)
    assert refused.value.reason is Reason.CLASSICAL_BUDGET_SPENT
    assert refused.value.retry_after_seconds is not None
    assert refused.value.retry_after_seconds > 0
    assert await world.refusal(ChannelRules(mode=ChannelMode.ALLOW, classical_bytes_per_day=100)) == ""
    assert await world.refusal(small, call=make_call(group=POST_QUANTUM)) == ""


async def test_a_refusal_tells_rule_session_and_way_out(world: World) -> None:
    with pytest.raises(FailedPrecondition) as refused:
        await world.door().check(
            make_call(), POLICY[SIGN], Asked("SigningService.Sign", ("tenants/default/keys/high",)), Terms("default")
        )
    status = to_status(refused.value, "call-1")
    assert refused.value.metadata == {
        "rule": "tenant.classical_sensitivity",
        "tls_version": "TLSv1.3",
        "tls_group": "x25519",
        "groups": "X25519MLKEM768",
        "sensitivity": "HIGH",
    }
    assert "connect again" in status.message
    kinds = [detail.TypeName() for detail in status.details]
    assert kinds == ["google.rpc.ErrorInfo", "google.rpc.PreconditionFailure"]
