"""Tenants from the wire and to it: what is read can be sent again and means the same."""

import pytest

from hallmark.v1 import tenants_pb2
from hallmark_client.errors import InvalidArgument
from hallmark_client.model.enums import Sensitivity
from hallmark_client.model.tenants import ChannelMode, ChannelRules, ChannelTrigger, Quotas, TenantState
from hallmark_client.wire.tenants import quotas_argument, rules_argument, tenant_of

RULES = ChannelRules(
    mode=ChannelMode.ALLOW,
    classical_sensitivity=Sensitivity.LOW,
    classical_bytes_per_day=7,
    triggers=(ChannelTrigger(networks=("10.0.0.0/8",), regions=("office",), sensitivity=Sensitivity.HIGH),),
)
QUOTAS = Quotas(rate_per_second=2.5, concurrency=1, streams=2, keys=2**40, devices=4)


def test_there_and_back() -> None:
    found = tenant_of(
        tenants_pb2.Tenant(
            name="tenants/acme",
            state=tenants_pb2.TENANT_STATE_SUSPENDED,
            quotas=quotas_argument(QUOTAS),
            channel_rules=rules_argument(RULES),
        )
    )
    assert (found.quotas, found.channel_rules, found.state) == (QUOTAS, RULES, TenantState.SUSPENDED)


def test_what_is_left_out_is_none() -> None:
    found = tenant_of(tenants_pb2.Tenant(name="tenants/acme"))
    assert (found.quotas, found.channel_rules, found.state) == (None, None, TenantState.UNKNOWN)
    assert (quotas_argument(None), rules_argument(None)) == (None, None)


def test_what_a_newer_server_says_is_not_sent_back_as_something_else() -> None:
    newer = tenants_pb2.ChannelRules(mode=99, classical_sensitivity=99)
    found = tenant_of(tenants_pb2.Tenant(channel_rules=newer)).channel_rules
    assert found is not None
    assert (found.mode, found.classical_sensitivity) == (ChannelMode.UNKNOWN, Sensitivity.UNKNOWN)
    for rules in (found, ChannelRules(classical_sensitivity=Sensitivity.UNKNOWN)):
        with pytest.raises(InvalidArgument):
            rules_argument(rules)


@pytest.mark.parametrize(
    "quotas", [Quotas(concurrency=2**31), Quotas(keys=2**63), Quotas(streams=-(2**40))], ids=range(3)
)
def test_numbers_the_wire_does_not_hold(quotas: Quotas) -> None:
    with pytest.raises(InvalidArgument):
        quotas_argument(quotas)
