"""Stricter rules allow nothing that was not allowed before: held against what the rules mean."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kms.core.resources import Sensitivity
from kms.tenants.model import ChannelMode, ChannelRules, Trigger
from kms.tenants.strictness import loosened

_NETWORKS = ("10.0.0.0/8", "10.20.0.0/16", "10.20.30.0/24", "0.0.0.0/0", "192.168.0.0/16", "2001:db8::/32", "::/0")
_ADDRESSES = ("10.1.1.1", "10.20.1.1", "10.20.30.1", "192.168.1.1", "8.8.8.8", "2001:db8::1", "2001:db9::1")
_REGIONS = ("office", "plant")

_triggers = st.builds(
    Trigger,
    networks=st.lists(st.sampled_from(_NETWORKS), max_size=2, unique=True).map(tuple),
    regions=st.lists(st.sampled_from(_REGIONS), max_size=2, unique=True).map(tuple),
    sensitivity=st.sampled_from(Sensitivity),
)
_rules = st.builds(
    ChannelRules,
    mode=st.sampled_from(ChannelMode),
    classical_sensitivity=st.sampled_from(Sensitivity),
    classical_bytes_per_day=st.sampled_from((1, 1000, 10**9)),
    triggers=st.lists(_triggers, max_size=3).map(tuple),
)


def _fits(trigger: Trigger, address: str, region: str, sensitivity: Sensitivity) -> bool:
    here = ip_address(address)
    networks = not trigger.networks or any(here in ip_network(each) for each in trigger.networks)
    return networks and (not trigger.regions or region in trigger.regions) and sensitivity >= trigger.sensitivity


def _bytes_allowed(rules: ChannelRules, address: str, region: str, sensitivity: Sensitivity) -> float:
    """How much a session without post-quantum TLS may move there, of that; the meaning of the rules."""
    if rules.mode is ChannelMode.REQUIRE:
        return 0
    if any(_fits(trigger, address, region, sensitivity) for trigger in rules.triggers):
        return 0
    if rules.mode is ChannelMode.ALLOW:
        return float("inf")
    return rules.classical_bytes_per_day if sensitivity <= rules.classical_sensitivity else 0


@given(_rules, _rules)
def test_what_is_called_stricter_allows_nothing_more(before: ChannelRules, after: ChannelRules) -> None:
    more = [
        (address, region, sensitivity)
        for address in _ADDRESSES
        for region in (*_REGIONS, "elsewhere")
        for sensitivity in Sensitivity
        if _bytes_allowed(after, address, region, sensitivity) > _bytes_allowed(before, address, region, sensitivity)
    ]
    assert loosened(before, after) or not more


@given(_rules)
def test_the_same_rules_and_more_triggers_loosen_nothing(rules: ChannelRules) -> None:
    assert loosened(rules, rules) == ()
    assert loosened(rules, replace(rules, mode=ChannelMode.REQUIRE, triggers=())) == ()
    assert loosened(rules, replace(rules, triggers=(*rules.triggers, Trigger(networks=("10.0.0.0/8",))))) == ()


OFFICE = Trigger(networks=("10.20.0.0/16",), sensitivity=Sensitivity.HIGH)
BASE = ChannelRules(triggers=(OFFICE,))


@pytest.mark.parametrize(
    ("after", "looser"),
    [
        (replace(BASE, mode=ChannelMode.ALLOW), ("mode",)),
        (replace(BASE, classical_sensitivity=Sensitivity.HIGH), ("classical_sensitivity",)),
        (replace(BASE, classical_sensitivity=Sensitivity.LOW), ()),
        (replace(BASE, classical_bytes_per_day=2**40), ("classical_bytes_per_day",)),
        (replace(BASE, classical_bytes_per_day=1), ()),
        (replace(BASE, triggers=()), ()),  # what is HIGH may not be touched anyway
    ],
)
def test_of_rules_that_prefer(after: ChannelRules, looser: tuple[str, ...]) -> None:
    assert loosened(BASE, after) == looser


@pytest.mark.parametrize(
    ("trigger", "looser"),
    [
        (OFFICE, ()),
        (Trigger(networks=("10.0.0.0/8",), sensitivity=Sensitivity.HIGH), ()),
        (Trigger(), ()),
        (Trigger(networks=("10.20.30.0/24",), sensitivity=Sensitivity.HIGH), ("triggers",)),
        (Trigger(networks=("2001:db8::/32",), sensitivity=Sensitivity.HIGH), ("triggers",)),
        (Trigger(networks=("10.20.0.0/16",), sensitivity=Sensitivity.MAXIMUM), ("triggers",)),
        (Trigger(networks=("10.20.0.0/16",), regions=("office",)), ("triggers",)),
    ],
)
def test_of_triggers_where_nothing_else_is_asked(trigger: Trigger, looser: tuple[str, ...]) -> None:
    before = ChannelRules(mode=ChannelMode.ALLOW, triggers=(OFFICE,))
    assert loosened(before, replace(before, triggers=(trigger,))) == looser
