"""Whatever the rules: post-quantum sessions pass, and what makes rules stricter lets nobody in."""

import asyncio
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kms.core.errors import FailedPrecondition
from kms.core.resources import ResourceFacts, Sensitivity
from kms.server.channels import ChannelPolicy
from kms.server.doors import Asked
from kms.server.policy import POLICY
from kms.tenants.model import ChannelMode, ChannelRules, Terms, Trigger
from unit.kms.server.channel_bench import CLASSICAL, POST_QUANTUM, make_call

KEY = "tenants/default/keys/k"
levels = st.sampled_from(Sensitivity)
peers = st.sampled_from(["ipv4:10.20.0.1:5", "ipv4:192.0.2.1:5", "ipv6:[2001:db8::1]:5", "unix:", "?"])
triggers = st.builds(
    Trigger,
    networks=st.sampled_from([(), ("10.20.0.0/16",), ("2001:db8::/32", "192.0.2.0/24")]),
    regions=st.sampled_from([(), ("office",), ("nobody-defined-it",)]),
    sensitivity=levels,
)
rules = st.builds(
    ChannelRules,
    mode=st.sampled_from(ChannelMode),
    classical_sensitivity=levels,
    triggers=st.lists(triggers, max_size=3).map(tuple),
)
methods = st.sampled_from(sorted(POLICY))


class Key:
    """The one key there is, and a budget that is never spent."""

    def __init__(self, level: Sensitivity) -> None:
        self._level = level

    async def facts(self, name: str) -> ResourceFacts:
        return ResourceFacts(name, "default", "keys", self._level)

    async def check(self, _call: Any, _budget: int) -> None:
        """Nothing was moved."""


def passes(
    given_rules: ChannelRules,
    level: Sensitivity,
    method: str,
    peer: str,
    *,
    group: str = CLASSICAL,
    server: bool = False,
) -> bool:
    key: Any = Key(level)
    regions = {"office": (ip_network("10.20.0.0/16"),)}
    door = ChannelPolicy(require_pq_tls=server, regions=regions, facts=key, use=key)
    call, asked = make_call(method=method, peer=peer, group=group), Asked("x", (KEY,))
    try:
        asyncio.run(door.check(call, POLICY[method], asked, Terms("default", channels=given_rules)))
    except FailedPrecondition:
        return False
    return True


@given(rules, levels, methods, peers, st.booleans())
def test_post_quantum_sessions_always_pass(
    given_rules: ChannelRules, level: Sensitivity, method: str, peer: str, server: bool
) -> None:
    assert passes(given_rules, level, method, peer, group=POST_QUANTUM, server=server)


@given(rules, levels, methods, peers, triggers, levels)
def test_what_is_stricter_lets_nobody_in(
    given_rules: ChannelRules, level: Sensitivity, method: str, peer: str, trigger: Trigger, other: Sensitivity
) -> None:
    if passes(given_rules, level, method, peer):
        return
    more = replace(given_rules, triggers=(*given_rules.triggers, trigger))
    less = min(given_rules.classical_sensitivity, other)
    stricter = [more, replace(given_rules, mode=ChannelMode.REQUIRE), replace(given_rules, classical_sensitivity=less)]
    assert not any(passes(each, level, method, peer) for each in stricter)
    assert not passes(given_rules, max(level, other), method, peer)
    assert not passes(given_rules, level, method, peer, server=True)


@given(rules, levels, methods, st.sampled_from(["unix:", "?", ""]), peers)
def test_who_hides_an_address_gets_no_more_than_who_shows_it(
    given_rules: ChannelRules, level: Sensitivity, method: str, hidden: str, shown: str
) -> None:
    if passes(given_rules, level, method, hidden):
        assert passes(given_rules, level, method, shown)


@given(rules, levels, methods, peers)
def test_require_lets_no_classical_session_do_anything(
    given_rules: ChannelRules, level: Sensitivity, method: str, peer: str
) -> None:
    assert not passes(replace(given_rules, mode=ChannelMode.REQUIRE), level, method, peer)
