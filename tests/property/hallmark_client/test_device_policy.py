"""Default deny; effective() and check() agree with each other and with a second reading of the rules; any bytes."""

import json
import sqlite3
from contextlib import suppress
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hallmark_client.device.errors import LimitReached, PolicyViolation
from hallmark_client.device.model import Artifact, Caller, Enforcement
from hallmark_client.device.policy import (
    Callers,
    ConcurrentReaders,
    Held,
    MaxBytes,
    MaxUses,
    MinimumVersion,
    NotAfter,
    Operation,
    PolicyInvalid,
    RequiresLease,
    Rule,
    SignedPolicy,
    TimeToLive,
    UseCounts,
    UserPresent,
    VaultPolicy,
)
from hallmark_client.device.roots.port import RootFacts, RootPower
from hallmark_client.model.consents import ArtifactKind
from unit.hallmark_client.device.policy.policy_world import NOW, artifact, root


class AlwaysSpent:
    def __init__(self, count: int) -> None:
        self.count = count

    def spent(self, artifact_id: str, window_seconds: int | None, now: datetime) -> int:
        return self.count


APPLICATIONS = ("com.example.a", "com.example.b", "com.example.c")
NAMES = ("a", "a/b", "a/c", "a/b/c", "b", "ab")
ENFORCEMENT = st.sampled_from(Enforcement)
CALLERS = st.builds(
    Callers,
    applications=st.sets(st.sampled_from(APPLICATIONS)).map(lambda found: tuple(sorted(found))),
    enforcement=ENFORCEMENT,
)
MINUTES = st.integers(1, 60).map(lambda minutes: 60 * minutes)


def maybe(kind, **fields):
    return st.none() | st.builds(kind, enforcement=ENFORCEMENT, **fields)


RULES = st.builds(
    Rule,
    operations=st.sets(st.sampled_from(Operation)).map(lambda found: tuple(sorted(found))),
    callers=CALLERS,
    max_uses=maybe(MaxUses, uses=st.integers(1, 5), seconds=st.none() | MINUTES),
    not_after=maybe(NotAfter, time=st.integers(-2, 2).map(lambda hours: NOW + timedelta(hours=hours))),
    ttl=maybe(TimeToLive, seconds=st.integers(1, 7_200)),
    requires_lease=maybe(RequiresLease),
    minimum_version=maybe(MinimumVersion, version=st.integers(0, 4)),
    user_present=maybe(UserPresent),
    concurrent_readers=maybe(ConcurrentReaders, readers=st.integers(1, 3)),
    max_bytes=maybe(MaxBytes, size=st.integers(0, 2_000)),
)
POLICIES = st.builds(
    VaultPolicy,
    version=st.integers(0, 2**53),
    tenant=st.sampled_from(["", "acme"]),
    administrators=CALLERS,
    names=st.dictionaries(st.sampled_from([*NAMES, "a/*", "a/b/*", "b/*"]), RULES, max_size=3),
    kinds=st.dictionaries(st.sampled_from(["*", "MODEL_WEIGHTS", "TOKENIZER"]), RULES, max_size=2),
)
ARTIFACTS = st.builds(
    artifact,
    name=st.sampled_from(NAMES),
    kind=st.sampled_from([ArtifactKind.MODEL_WEIGHTS, ArtifactKind.CREDENTIAL, ArtifactKind.UNKNOWN]),
    version=st.integers(0, 4),
    needs_permission=st.booleans(),
    size=st.integers(0, 2_000),
)
CALLER = st.builds(Caller, application=st.sampled_from(APPLICATIONS), proved=st.booleans(), user_present=st.booleans())
ROOTS = st.dictionaries(st.sampled_from(["max_uses", "not_after"]), ENFORCEMENT).map(lambda powers: root(**powers))
HELD = st.builds(
    Held,
    readers=st.integers(0, 3),
    sealed_uses=st.none() | st.integers(1, 5),
    sealed_until=st.none() | st.integers(-2, 2).map(lambda hours: NOW + timedelta(hours=hours)),
)
QUESTIONS = st.fixed_dictionaries(
    {
        "operation": st.sampled_from(Operation),
        "root": ROOTS,
        "uses": st.integers(0, 6).map(AlwaysSpent),
        "now": st.integers(-3, 3).map(lambda hours: NOW + timedelta(hours=hours)),
        "held": HELD,
    }
)
RANK = {Enforcement.ADVISORY: 0, Enforcement.PLATFORM: 1, Enforcement.SERVER: 2, Enforcement.HARDWARE: 3}


def rule_of(policy: VaultPolicy, found: Artifact) -> Rule | None:
    """The slow way: every name that fits, the longest first."""
    fitting = [
        name
        for name in policy.names
        if name == found.name or (name.endswith("/*") and found.name.startswith(name[:-1]))
    ]
    if fitting:
        return policy.names[max(fitting, key=lambda name: (name == found.name, len(name)))]
    return policy.kinds.get(found.kind.value) or policy.kinds.get("*")


def by_root(facts: RootFacts, power: RootPower, *, sealed: bool) -> Enforcement:
    return facts.powers.get(power, Enforcement.ADVISORY) if sealed else Enforcement.ADVISORY


def allowed(policy: VaultPolicy, found: Artifact, caller: Caller, asked: dict) -> bool:
    """A second reading of the document, written without looking at the clauses' code: one table of conditions."""
    rule = rule_of(policy, found)
    if rule is None:
        return False
    operation, held, now, put = asked["operation"], asked["held"], asked["now"], asked["operation"] is Operation.PUT
    by_system = Enforcement.PLATFORM if caller.proved else Enforcement.ADVISORY
    conditions = [(True, operation in rule.operations, Enforcement.HARDWARE, Enforcement.ADVISORY)]

    def add(operations: str, clause, holds, enforced: Enforcement) -> None:
        if clause is not None:
            conditions.append((operation.value in operations.split(), holds(clause), enforced, clause.enforcement))

    def end(power: RootPower, until) -> Enforcement:
        sealed = put or (held.sealed_until is not None and held.sealed_until <= until)
        return by_root(asked["root"], power, sealed=sealed)

    add("get put delete list", rule.callers, lambda one: caller.application in one.applications, by_system)
    add("get put", rule.minimum_version, lambda one: found.version >= one.version, Enforcement.ADVISORY)
    add("put", rule.max_bytes, lambda one: found.size <= one.size, Enforcement.ADVISORY)
    add("get put", rule.requires_lease, lambda one: found.needs_permission, Enforcement.SERVER)
    add("get", rule.user_present, lambda one: caller.user_present, by_system)
    add("get", rule.concurrent_readers, lambda one: held.readers < one.readers, Enforcement.ADVISORY)
    if rule.not_after:
        until = rule.not_after.time
        add("get put", rule.not_after, lambda one: now < until, end(RootPower.NOT_AFTER, until))
    if rule.ttl:
        over = found.created_at + timedelta(seconds=rule.ttl.seconds)
        add("get put", rule.ttl, lambda one: now < over, end(RootPower.NOT_AFTER, over))
    if rule.max_uses:
        limit = rule.max_uses
        sealed = limit.seconds is None and (put or (held.sealed_uses or 99) <= limit.uses)
        enforced = by_root(asked["root"], RootPower.MAX_USES, sealed=sealed)
        add("get put", limit, lambda one: put or asked["uses"].count < one.uses, enforced)
    return all(holds and RANK[by] >= RANK[least] for applies, holds, by, least in conditions if applies)


@given(POLICIES, ARTIFACTS, CALLER, QUESTIONS)
def test_both_answers_agree_and_with_a_second_reading(policy, found, caller, asked) -> None:
    clauses = policy.effective(found, caller, **asked)
    expected = allowed(policy, found, caller, asked)
    assert all(clause.allows for clause in clauses) is expected
    if expected:
        assert policy.check(found, caller, **asked) == clauses
        return
    with pytest.raises(PolicyViolation) as caught:
        policy.check(found, caller, **asked)
    first = next(clause for clause in clauses if not clause.allows)
    assert caught.value.clause == first.name
    assert isinstance(caught.value, LimitReached) <= (first.name in {"max-uses", "not-after", "ttl"})


@given(POLICIES, ARTIFACTS, CALLER, QUESTIONS)
def test_what_no_rule_names_is_denied(policy, found, caller, asked) -> None:
    fitting = {found.name, *(f"{'/'.join(found.name.split('/')[:end])}/*" for end in range(1, 4))}
    left = VaultPolicy(
        version=policy.version,
        names={name: rule for name, rule in policy.names.items() if name not in fitting},
        kinds={kind: rule for kind, rule in policy.kinds.items() if kind not in {"*", found.kind.value}},
    )
    with pytest.raises(PolicyViolation) as caught:
        left.check(found, caller, **asked)
    assert caught.value.clause == "default-deny"


@given(POLICIES, ARTIFACTS, CALLER, QUESTIONS)
def test_no_label_is_stronger_than_what_enforces_it(policy, found, caller, asked) -> None:
    strongest = max([RANK[by] for by in asked["root"].powers.values()], default=0)
    for clause in policy.effective(found, caller, **asked):
        if clause.name in {"max-uses", "not-after", "ttl"}:
            assert RANK[clause.enforcement] <= strongest
        elif clause.name in {"callers", "user-present"}:
            assert clause.enforcement is (Enforcement.PLATFORM if caller.proved else Enforcement.ADVISORY)
        else:
            assert clause.enforcement is (Enforcement.SERVER if clause.name == "lease" else Enforcement.ADVISORY)


@given(POLICIES, ARTIFACTS, ROOTS, st.integers(0, 6), st.integers(-3, 3))
def test_limits_sealed_as_told_satisfy_the_rule(policy, found, facts, count, hours) -> None:
    """What limits() gives to the root is what effective() then accepts, as long as it lasts."""
    now, uses, rule = NOW + timedelta(hours=hours), AlwaysSpent(count), rule_of(policy, found)
    try:
        limits = policy.limits(found, root=facts, uses=uses, now=now)
    except LimitReached as spent:
        clauses = policy.effective(
            found, Caller(application="x"), operation=Operation.GET, root=facts, uses=uses, now=now
        )
        ends = {"max-uses": {"max-uses"}, "not-after": {"not-after", "ttl"}}[spent.clause]
        assert any(clause.name in ends and not clause.allows for clause in clauses)
        return
    if limits is None:
        return
    until = None if limits.not_after_seconds is None else now + timedelta(seconds=limits.not_after_seconds)
    held = Held(sealed_uses=limits.max_uses, sealed_until=until)
    asked = {"operation": Operation.GET, "root": facts, "uses": uses, "now": now, "held": held}
    told = {clause.name: clause for clause in policy.effective(found, Caller(application="x"), **asked)}
    if limits.max_uses is not None:
        assert told["max-uses"].allows
        assert told["max-uses"].enforcement is facts.powers[RootPower.MAX_USES]
    for name, clause in (("not-after", rule.not_after), ("ttl", rule.ttl)):
        if clause is not None and until is not None and clause.enforcement is not Enforcement.ADVISORY:
            strong_enough = RANK[facts.powers[RootPower.NOT_AFTER]] >= RANK[clause.enforcement]
            assert told[name].allows is strong_enough


@given(POLICIES)
def test_what_is_written_is_read(policy: VaultPolicy) -> None:
    assert VaultPolicy.parse(policy.to_bytes()) == policy


@given(st.binary(max_size=200))
def test_any_bytes_are_no_policy(data: bytes) -> None:
    for read in (VaultPolicy.parse, SignedPolicy.parse):
        with pytest.raises(PolicyInvalid):
            read(data)


@given(POLICIES, st.data())
def test_changed_bytes_raise_policy_invalid_or_are_the_one_spelling_of_another(policy, data) -> None:
    written = bytearray(policy.to_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(written) - 1))
        written[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    with suppress(PolicyInvalid):
        assert VaultPolicy.parse(bytes(written)).to_bytes() == bytes(written)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**60) | st.text(max_size=5) | st.sampled_from(Enforcement).map(str),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.tuples(st.integers(0, 200_000), st.integers(1, 3)), max_size=12), MINUTES, st.integers(0, 200_000))
def test_no_clock_gives_uses_back(uses: list[tuple[int, int]], window: int, at: int) -> None:
    """Whatever the clock did: never fewer than those of the window before the latest time that was ever seen."""
    connection = sqlite3.connect(":memory:")
    UseCounts.create_tables(connection)
    counts, latest, spent = UseCounts(connection), 0, []
    connection.execute("BEGIN")
    for second, amount in uses:
        latest = max(latest, second)
        spent.append((latest, amount))
        counts.spend("1" * 32, NOW + timedelta(seconds=second), amount)
    seen = max(latest, at)
    least = sum(amount for second, amount in spent if second > seen - window)
    most = sum(amount for second, amount in spent if second >= seen - window - 60)
    assert least <= counts.spent("1" * 32, window, NOW + timedelta(seconds=seen)) <= most
    assert counts.spent("1" * 32, window, NOW + timedelta(seconds=at)) >= least
    assert counts.spent("1" * 32, None, NOW) == sum(amount for _, amount in spent)
    connection.close()


def places(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


@given(POLICIES, st.data())
def test_any_value_replaced(policy, data) -> None:
    document = json.loads(policy.to_bytes())
    *path, last = data.draw(st.sampled_from([path for path in places(document) if path]))
    inside = document
    for key in path:
        inside = inside[key]
    inside[last] = data.draw(JSON)
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    changed = text.encode("utf-8", "surrogatepass")
    with suppress(PolicyInvalid):
        assert VaultPolicy.parse(changed).to_bytes() == changed
