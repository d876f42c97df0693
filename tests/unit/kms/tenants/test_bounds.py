import contextlib
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kms.core.errors import InvalidArgument
from kms.tenants.bounds import BYTES_PER_DAY_MAX, COUNT_MAX, check_quotas, check_rules, check_text
from kms.tenants.model import ChannelRules, Quotas, Trigger


@pytest.mark.parametrize(
    "quotas",
    [
        {"rate_per_second": -1},
        {"rate_per_second": 0.5},
        {"rate_per_second": float("nan")},
        {"rate_per_second": float("inf")},
        {"rate_per_second": 10**7},
        {"concurrency": -1},
        {"streams": 2**31 - 1},
        {"keys": -1},
        {"devices": COUNT_MAX + 1},
    ],
    ids=str,
)
def test_quotas_that_can_not_be(quotas: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument) as refused:
        check_quotas(Quotas(**quotas))
    assert refused.value.field == f"quotas.{next(iter(quotas))}"


@pytest.mark.parametrize("rate", [0, 1, 0.0, 1.5, 1_000_000])
def test_rates_that_can_be(rate: float) -> None:
    assert check_quotas(Quotas(rate_per_second=rate)).rate_per_second == rate


_NO_NETWORKS = (
    *("", "10.20.0.1/16", "10.20.0.0", "10.20.0.0/255.255.0.0", "10.020.0.0/16", "10.0.0.0/33", "2001:DB8::/32", "x/8"),
    *("2001:db8:0::/32", " 10.0.0.0/8", "10.0.0.0/08", "1/8", "fe80::%eth0/64", "fe80::/64%eth0", "10.0.0.0/8\n"),
)


@pytest.mark.parametrize("network", _NO_NETWORKS)
def test_networks_have_one_spelling(network: str) -> None:
    with pytest.raises(InvalidArgument, match="CIDR"):
        check_rules(ChannelRules(triggers=(Trigger(networks=(network,)),)))


@given(st.text(max_size=60))
def test_any_text_is_a_network_or_a_typed_refusal(text: str) -> None:
    with contextlib.suppress(InvalidArgument):
        check_rules(ChannelRules(triggers=(Trigger(networks=(text,)),)))
        assert str(ip_network(text)) == text


@pytest.mark.parametrize(
    "rules",
    [
        ChannelRules(classical_bytes_per_day=-1),
        ChannelRules(classical_bytes_per_day=BYTES_PER_DAY_MAX + 1),
        ChannelRules(triggers=(Trigger(),) * 33),
        ChannelRules(triggers=(Trigger(networks=("10.0.0.0/8",) * 65),)),
        ChannelRules(triggers=(Trigger(regions=("a",) * 33),)),
        ChannelRules(triggers=(Trigger(regions=("Office",)),)),
    ],
    ids=range(6),
)
def test_rules_that_can_not_be(rules: ChannelRules) -> None:
    with pytest.raises(InvalidArgument):
        check_rules(rules)


def test_rules_that_can_be() -> None:
    rules = ChannelRules(triggers=(Trigger(networks=("10.0.0.0/8", "2001:db8::/32", "::/0"), regions=("office",)),))
    assert check_rules(rules) == rules


def test_texts() -> None:
    assert check_text("Müller & Söhne", 100, "display_name") == "Müller & Söhne"
    assert check_text("", 1, "reason") == ""
    for text in ("ab", "\n", "\u202e"):
        with pytest.raises(InvalidArgument):
            check_text(text, 1, "reason")
