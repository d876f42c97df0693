"""Decisions, and what a policy looks at."""

import pytest
from cedarpy import policies_to_pst

from kms.access.actions import ActionClass
from kms.access.question import (
    NO_ADDRESS,
    NO_VERDICT,
    Circumstances,
    Question,
    VerdictFacts,
    address_of,
    resource_named,
)
from kms.access.reading import parse_document, read_document
from kms.access.rules import Decision, Outcome, Rules
from kms.access.schema import parsed_schema, schema_text
from kms.access.uses import Uses
from kms.app.access import ACTIONS
from kms.core.call import Channel
from kms.core.identity import Caller, Role
from kms.core.resources import ResourceFacts, Sensitivity
from support.clock import START
from unit.kms.revocation.bench import caller

PAY = "tenants/default/keys/pay"
BOB = caller(Role.BACKEND, name="bob")
HYBRID = Channel("ipv4:10.1.2.3:5", "TLSv1.3", "X25519MLKEM768")
SCHEMA = parsed_schema(schema_text(ACTIONS))


def _rules(text: str) -> Rules:
    return Rules.of(1, read_document(text.encode(), SCHEMA), ACTIONS)


def _permit(condition: str, action: str = "action") -> Rules:
    return _rules(f'@id("p") permit(principal, {action}, resource) when {{ {condition} }};')


def _question(
    who: Caller = BOB,
    action: str = "SigningService.Sign",
    name: str = PAY,
    *,
    facts: ResourceFacts | None = None,
    channel: Channel = HYBRID,
    verdict: VerdictFacts = NO_VERDICT,
) -> Question:
    return Question(who, action, name, facts or resource_named(name, who), Circumstances(channel, START, verdict))


def _allowed(rules: Rules, question: Question) -> bool:
    return rules.decide(question).outcome is Outcome.ALLOWED


def test_default_deny_permit_and_forbid() -> None:
    rules = _rules(
        '@id("yes") permit(principal, action == Action::"SigningService.Sign", resource);'
        '@id("no") forbid(principal, action, resource) unless { context.post_quantum };'
    )
    assert rules.decide(_question()) == Decision(Outcome.ALLOWED, ("yes",))
    assert rules.decide(_question(action="KeyService.GetKey")) == Decision(Outcome.DENIED)
    classical = Channel("ipv4:10.1.2.3:5", "TLSv1.3", "X25519")
    assert rules.decide(_question(channel=classical)) == Decision(Outcome.FORBIDDEN, ("no",))


@pytest.mark.parametrize("effect", ["forbid", "permit"])
def test_a_statement_that_can_not_be_evaluated_denies(effect: str) -> None:
    """Cedar passes over it; a `forbid` would be open then."""
    rules = _rules(
        '@id("all") permit(principal, action, resource);'
        f'@id("overflows") {effect}(principal, action, resource)'
        " when { resource.sensitivity + 9223372036854775807 > 3 };"
    )
    assert rules.decide(_question()) == Decision(Outcome.FAILED, ("overflows",))


def test_actions_have_groups() -> None:
    for group in ("SigningService", "use"):
        rules = _permit("true", f'action in [Action::"{group}"]')
        assert _allowed(rules, _question())
        assert not _allowed(rules, _question(action="KeyService.GetKey"))
    assert _allowed(_permit("true", 'action in [Action::"read"]'), _question(action="KeyService.GetKey"))


def test_classes_follow_from_the_roles() -> None:
    kinds = {action.name: action.kind for action in ACTIONS}
    assert kinds["KeyService.GetKey"] is ActionClass.READ
    assert kinds["SigningService.Sign"] is ActionClass.USE
    assert kinds["KeyService.RotateKey"] is ActionClass.ADMINISTER
    assert "Health.Check" not in kinds


def test_resources_lie_in_what_their_names_lie_below() -> None:
    below = _rules(f'@id("p") permit(principal, action, resource in Resource::"{PAY}");')
    assert _allowed(below, _question())
    assert _allowed(below, _question(name=f"{PAY}/versions/3"))
    assert not _allowed(below, _question(name="tenants/default/keys/pay2"))
    key = ResourceFacts(PAY, "default", "keys")
    assert _allowed(below, _question(name="tenants/default/aliases/current", facts=key)), "an alias is its key"
    assert not _allowed(below, _question(name="tenants/default/aliases/current"))
    by_alias = _rules('@id("p") permit(principal, action, resource in Resource::"tenants/default/aliases/current");')
    assert _allowed(by_alias, _question(name="tenants/default/aliases/current", facts=key))
    version = _permit(f'resource.name == "{PAY}/versions/3"')
    assert _allowed(version, _question(name=f"{PAY}/versions/3", facts=key))


@pytest.mark.parametrize(
    ("condition", "wanted"),
    [
        ('resource.kind == "keys" && resource.tenant == principal.tenant', True),
        ("resource.sensitivity >= 3", True),
        ('resource.purpose == "SIGN" && resource.algorithm like "MLDSA*"', True),
        ('resource.hasTag("team") && resource.getTag("team") == "blue"', True),
        ('resource.hasTag("other") && resource.getTag("other") == "blue"', False),
        ('context.address.isInRange(ip("10.0.0.0/8"))', True),
        ('context.address.isInRange(ip("10.2.0.0/16"))', False),
        ('context.tls_group == "X25519MLKEM768" && context.tls_version == "TLSv1.3"', True),
        ("context.hour == 12 && context.weekday == 6", True),
        ('context.time > datetime("2026-11-21T11:59:59Z") && context.time < datetime("2026-11-21T12:00:01Z")', True),
        ('context.time.offset(duration("1h")) > datetime("2026-11-21T12:59:59Z")', True),
        ('context.verdict.appraised && context.verdict.device_class == "hardware"', True),
        ("context.verdict.age_seconds < 60", False),
        ('principal.name == "bob" && principal.authentication == "mtls"', True),
    ],
)
def test_what_can_be_asked(condition: str, wanted: bool) -> None:
    facts = ResourceFacts(PAY, "default", "keys", Sensitivity.HIGH, "SIGN", "MLDSA65", {"team": "blue"})
    verdict = VerdictFacts(attested=True, appraised=True, device_class="hardware", age_seconds=61)
    assert _allowed(_permit(condition), _question(facts=facts, verdict=verdict)) is wanted


def test_without_a_verdict_no_age_is_young_enough() -> None:
    assert not _allowed(_permit("context.verdict.age_seconds < 4294967296"), _question())
    assert not _allowed(_permit("context.verdict.attested || context.verdict.appraised"), _question())


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:192.0.2.1:50000", "192.0.2.1"),
        ("ipv6:[2001:db8::1]:50000", "2001:db8::1"),
        ("ipv6:%5B2001:db8::1%5D:50000", "2001:db8::1"),
        ("ipv6:%5B::ffff:192.0.2.1%5D:50000", "192.0.2.1"),
        ("ipv6:[fe80::1%25eth0]:1", "fe80::1"),
        ("192.0.2.0/24", "192.0.2.0"),
        ("2001:db8:1::/48", "2001:db8:1::"),
        ("unix:/run/x", NO_ADDRESS),
        ("", NO_ADDRESS),
        ("ipv4:300.0.0.1:1", NO_ADDRESS),
    ],
)
def test_addresses(peer: str, address: str) -> None:
    assert address_of(peer) == address


def test_names_that_are_none_can_be_asked_about() -> None:
    """The servicer refuses them; here they are nobody's and of no kind."""
    everything = _permit("true")
    own = _permit("resource.tenant == principal.tenant")
    for name in ("nonsense", "tenants/", 'tenants/default/keys/\0\n"', "x" * 5000):
        assert _allowed(everything, _question(name=name))
        assert not _allowed(own, _question(name="nonsense"))


@pytest.mark.parametrize(
    ("condition", "uses"),
    [
        ('principal.role == "admin" && context.post_quantum', Uses()),
        ("context.hour < 3", Uses(time=True)),
        ('context.time < datetime("2030-01-01")', Uses(time=True)),
        ("context.verdict.appraised", Uses(verdict=True)),
        ("context.address.isLoopback()", Uses(address=True)),
        ('resource.hasTag("a")', Uses(facts=True)),
        ("resource.sensitivity > 2", Uses(facts=True)),
        ("context has verdict", Uses(verdict=True)),
        ("context == context", Uses(time=True, verdict=True, address=True, facts=True)),
        ('(if principal.role == "a" then context else context).hour == 3', Uses(True, True, True, True)),
        ("{a: context}.a.verdict.appraised", Uses(True, True, True, True)),
    ],
)
def test_what_a_policy_looks_at(condition: str, uses: Uses) -> None:
    text = f'@id("p") permit(principal, action, resource) when {{ {condition} }};'
    assert Uses.of(policies_to_pst(text).static_policies.values()) == uses


def test_positions_do_not_depend_on_the_order_of_ids() -> None:
    text = "".join(
        f'@id("s{99 - number}") permit(principal, action, resource) when {{ resource.name == "tenants/default/keys/k{number}" }};'
        for number in range(40)
    )
    rules = Rules.of(1, parse_document(text.encode()), ACTIONS)
    for number in (0, 7, 11, 39):
        found = rules.decide(_question(name=f"tenants/default/keys/k{number}"))
        assert found.statements == (f"s{99 - number}",)
