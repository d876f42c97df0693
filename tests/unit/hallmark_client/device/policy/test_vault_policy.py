from datetime import timedelta
from typing import Any

import pytest

from hallmark_client.device.errors import LimitReached, PolicyViolation
from hallmark_client.device.model import Caller, Enforcement
from hallmark_client.device.policy import (
    DENY_ALL,
    Callers,
    ConcurrentReaders,
    Held,
    MaxBytes,
    MaxUses,
    MinimumVersion,
    NotAfter,
    Operation,
    PolicyInvalid,
    PolicyRolledBack,
    RequiresLease,
    Rule,
    TimeToLive,
    UserPresent,
    VaultPolicy,
)
from hallmark_client.device.roots.port import Limits, RootFacts
from hallmark_client.model.consents import ArtifactKind
from unit.hallmark_client.device.policy.policy_world import (
    APP,
    CHIP,
    EVERYTHING,
    NO_POWERS,
    NOW,
    PROVED,
    SELF_NAMED,
    STRANGER,
    Counted,
    artifact,
    ask,
    root,
)

ADVISORY, PLATFORM, SERVER, HARDWARE = (
    Enforcement.ADVISORY,
    Enforcement.PLATFORM,
    Enforcement.SERVER,
    Enforcement.HARDWARE,
)
HOUR = timedelta(hours=1)


def rule(operations: tuple[Operation, ...] = EVERYTHING, **clauses: Any) -> Rule:
    return Rule(operations=operations, **{"callers": Callers(applications=(APP,)), **clauses})


def policy(found: Rule | None = None, **others: Any) -> VaultPolicy:
    kinds = {} if found is None else {"*": found}
    return VaultPolicy(**{"version": 1, "kinds": kinds, **others})


def clause(found: Rule, name: str, **others: Any):
    (only,) = [one for one in ask(policy(found), **others) if one.name == name]
    return only


def denied(found: VaultPolicy, *, by: type[PolicyViolation] = PolicyViolation, **others: Any) -> str:
    with pytest.raises(PolicyViolation) as caught:
        ask(found, check=True, **others)
    assert type(caught.value) is by
    return caught.value.clause


class TestWhichRule:
    def test_without_one_everything_is_denied(self) -> None:
        for operation in Operation:
            assert denied(DENY_ALL, operation=operation, caller=PROVED) == "default-deny"
        (only,) = ask(DENY_ALL)
        assert (only.name, only.allows) == ("default-deny", False)

    def test_the_most_particular_one_counts_alone(self) -> None:
        no, yes = rule(()), rule()
        names = {"assistant/base": yes, "assistant/*": no, "assistant/lora/*": yes}
        found = VaultPolicy(version=1, names=names, kinds={"MODEL_WEIGHTS": no, "*": yes})
        for name, allowed in (
            ("assistant/base", True),
            ("assistant/other", False),
            ("assistant/lora/de", True),
            ("assistant/lora/de/1", True),
            ("assistant", False),
            ("assistants/base", False),
        ):
            assert all(one.allows for one in ask(found, artifact=artifact(name=name))) is allowed, name
        other = artifact(name="other", kind=ArtifactKind.TOKENIZER)
        assert all(one.allows for one in ask(found, artifact=other))

    def test_a_kind_that_no_rule_names(self) -> None:
        found = VaultPolicy(version=1, kinds={"TOKENIZER": rule()})
        assert denied(found) == "default-deny"
        assert denied(found, artifact=artifact(kind=ArtifactKind.UNKNOWN)) == "default-deny"


class TestClauses:
    def test_operations_are_named(self) -> None:
        found = policy(rule((Operation.GET, Operation.LIST)))
        assert ask(found, check=True)
        assert denied(found, operation=Operation.DELETE) == "operations"

    def test_callers(self) -> None:
        found = policy(rule())
        assert denied(found, caller=STRANGER) == "callers"
        assert denied(policy(rule(callers=Callers()))) == "callers"
        assert denied(policy(Rule(operations=EVERYTHING)), caller=PROVED) == "callers"
        assert clause(rule(), "callers").enforcement is ADVISORY
        assert clause(rule(), "callers", caller=PROVED).enforcement is PLATFORM

    def test_callers_that_must_be_proved(self) -> None:
        found = rule(callers=Callers(applications=(APP,), enforcement=PLATFORM))
        assert denied(policy(found)) == "callers"
        assert "the caller named itself" in clause(found, "callers").text
        assert ask(policy(found), PROVED, check=True)

    def test_minimum_version(self) -> None:
        assert clause(rule(minimum_version=MinimumVersion(version=3)), "minimum-version").allows
        assert denied(policy(rule(minimum_version=MinimumVersion(version=4)))) == "minimum-version"

    def test_a_lease(self) -> None:
        found = rule(requires_lease=RequiresLease())
        assert denied(policy(found)) == "lease"
        assert clause(found, "lease", artifact=artifact(needs_permission=True)).enforcement is SERVER
        strict = rule(requires_lease=RequiresLease(enforcement=HARDWARE))
        assert denied(policy(strict), artifact=artifact(needs_permission=True)) == "lease"

    def test_a_user_who_is_there(self) -> None:
        found = policy(rule(user_present=UserPresent()))
        for caller, allowed in (
            (SELF_NAMED, False),
            (PROVED, False),
            (Caller(application=APP, user_present=True), False),
            (Caller(application=APP, user_present=True, proved=True), True),
        ):
            assert all(one.allows for one in ask(found, caller)) is allowed
        said = rule(user_present=UserPresent(enforcement=ADVISORY))
        told = clause(said, "user-present", caller=Caller(application=APP, user_present=True))
        assert (told.allows, told.enforcement) == (True, ADVISORY)

    def test_concurrent_readers(self) -> None:
        found = policy(rule(concurrent_readers=ConcurrentReaders(readers=2)))
        assert ask(found, check=True, held=Held(readers=1))
        assert denied(found, held=Held(readers=2)) == "concurrent-readers"

    def test_max_bytes_when_it_is_stored(self) -> None:
        found = policy(rule(max_bytes=MaxBytes(size=999)))
        assert denied(found, operation=Operation.PUT) == "max-bytes"
        assert ask(found, check=True)

    def test_an_end(self) -> None:
        for found, name in (
            (policy(rule(not_after=NotAfter(time=NOW + HOUR))), "not-after"),
            (policy(rule(ttl=TimeToLive(seconds=3_600))), "ttl"),
        ):
            assert ask(found, check=True, now=NOW + HOUR - timedelta(seconds=1))
            assert denied(found, by=LimitReached, now=NOW + HOUR) == name

    def test_a_number_of_uses(self) -> None:
        ever, hourly = policy(rule(max_uses=MaxUses(uses=3))), policy(rule(max_uses=MaxUses(uses=3, seconds=3_600)))
        assert ask(ever, check=True, uses=Counted({None: 2, 3_600: 9}))
        assert denied(ever, by=LimitReached, uses=Counted({None: 3})) == "max-uses"
        assert ask(hourly, check=True, uses=Counted({None: 9, 3_600: 2}))
        assert denied(hourly, by=LimitReached, uses=Counted({3_600: 3})) == "max-uses"

    def test_deletion_is_under_no_limit(self) -> None:
        limits = rule(
            max_uses=MaxUses(uses=1),
            not_after=NotAfter(time=NOW),
            ttl=TimeToLive(seconds=1),
            requires_lease=RequiresLease(),
            user_present=UserPresent(),
            minimum_version=MinimumVersion(version=99),
            concurrent_readers=ConcurrentReaders(readers=1),
        )
        told = ask(policy(limits), operation=Operation.DELETE, uses=Counted({None: 5}), now=NOW + HOUR)
        assert [one.name for one in told] == ["operations", "callers"]
        assert all(one.allows for one in told)

    def test_every_clause_is_told_with_who_enforces_it(self) -> None:
        told = ask(policy(rule(max_uses=MaxUses(uses=3), requires_lease=RequiresLease())), PROVED)
        assert [(one.name, one.enforcement, one.allows) for one in told] == [
            ("operations", ADVISORY, True),
            ("callers", PLATFORM, True),
            ("lease", SERVER, False),
            ("max-uses", ADVISORY, True),
        ]


HARD = {
    "max-uses": rule(max_uses=MaxUses(uses=3, enforcement=HARDWARE)),
    "not-after": rule(not_after=NotAfter(time=NOW + HOUR, enforcement=HARDWARE)),
    "ttl": rule(ttl=TimeToLive(seconds=3_600, enforcement=HARDWARE)),
}
SEALED = Held(sealed_uses=3, sealed_until=NOW + HOUR)
WEAKER = root(max_uses=PLATFORM, not_after=PLATFORM)


@pytest.mark.parametrize("name", HARD)
class TestHardware:
    def test_is_never_satisfied_by_this_program(self, name: str) -> None:
        for found, held in ((NO_POWERS, SEALED), (WEAKER, SEALED), (CHIP, Held())):
            assert denied(policy(HARD[name]), root=found, held=held) == name
            told = clause(HARD[name], name, root=found, held=held)
            assert "enforcement by hardware is demanded, but" in told.text

    def test_holds_where_the_chip_sealed_the_key_under_the_limit(self, name: str) -> None:
        told = clause(HARD[name], name, root=CHIP, held=SEALED)
        assert (told.allows, told.enforcement) == (True, HARDWARE)

    def test_not_under_a_wider_limit(self, name: str) -> None:
        wider = Held(sealed_uses=4, sealed_until=NOW + HOUR + timedelta(seconds=1))
        assert denied(policy(HARD[name]), root=CHIP, held=wider) == name

    def test_is_asked_when_something_is_stored(self, name: str) -> None:
        assert ask(policy(HARD[name]), check=True, operation=Operation.PUT, root=CHIP)
        assert denied(policy(HARD[name]), operation=Operation.PUT) == name

    def test_a_limit_that_is_spent(self, name: str) -> None:
        spent = {"root": CHIP, "held": SEALED, "uses": Counted({None: 3}), "now": NOW + HOUR}
        assert denied(policy(HARD[name]), by=LimitReached, **spent) == name


def test_no_chip_counts_by_periods() -> None:
    found = rule(max_uses=MaxUses(uses=3, seconds=3_600, enforcement=HARDWARE))
    assert denied(policy(found), root=CHIP, held=SEALED) == "max-uses"
    assert "by periods" in clause(found, "max-uses", root=CHIP, held=SEALED).text


class TestLimits:
    def limits(self, found: Rule | None, facts: RootFacts = CHIP, *, used: int = 0, later: timedelta = HOUR * 0):
        uses = Counted({None: used})
        return policy(found).limits(artifact(), root=facts, uses=uses, now=NOW + later)

    def test_what_is_left_goes_to_the_root(self) -> None:
        both = rule(
            max_uses=MaxUses(uses=3, enforcement=HARDWARE),
            ttl=TimeToLive(seconds=3_600, enforcement=PLATFORM),
            not_after=NotAfter(time=NOW + 2 * HOUR, enforcement=HARDWARE),
        )
        assert self.limits(both, used=1, later=HOUR / 2) == Limits(max_uses=2, not_after_seconds=1_800)

    @pytest.mark.parametrize("name", HARD)
    def test_nothing_that_it_can_not_enforce_as_demanded(self, name: str) -> None:
        assert self.limits(HARD[name], NO_POWERS) is None
        assert self.limits(HARD[name], WEAKER) is None

    def test_nothing_that_nobody_demands_of_it(self) -> None:
        assert self.limits(rule(max_uses=MaxUses(uses=3), ttl=TimeToLive(seconds=9))) is None
        assert self.limits(rule(max_uses=MaxUses(uses=3, seconds=60, enforcement=HARDWARE))) is None
        assert self.limits(rule()) is None
        assert self.limits(None) is None

    def test_nothing_is_left(self) -> None:
        with pytest.raises(LimitReached):
            self.limits(HARD["max-uses"], used=3)
        for name in ("not-after", "ttl"):
            with pytest.raises(LimitReached):
                self.limits(HARD[name], later=HOUR)


class TestChange:
    current = VaultPolicy(version=5, administrators=Callers(applications=(APP,)))

    def test_by_its_administrators_to_a_greater_version(self) -> None:
        told = self.current.check_change(VaultPolicy(version=6), SELF_NAMED)
        assert (told.name, told.enforcement, told.allows) == ("administrators", ADVISORY, True)
        assert self.current.check_change(VaultPolicy(version=6), PROVED).enforcement is PLATFORM

    def test_by_nobody_else(self) -> None:
        with pytest.raises(PolicyViolation, match=f"only {APP}"):
            self.current.check_change(VaultPolicy(version=6), STRANGER)
        with pytest.raises(PolicyViolation, match="by its signature"):
            DENY_ALL.check_change(VaultPolicy(version=6), PROVED)
        strict = VaultPolicy(version=5, administrators=Callers(applications=(APP,), enforcement=PLATFORM))
        with pytest.raises(PolicyViolation, match="operating system"):
            strict.check_change(VaultPolicy(version=6), SELF_NAMED)
        assert strict.check_change(VaultPolicy(version=6), PROVED).allows

    @pytest.mark.parametrize("version", [0, 4, 5])
    def test_versions_never_fall(self, version: int) -> None:
        with pytest.raises(PolicyRolledBack):
            self.current.check_change(VaultPolicy(version=version), SELF_NAMED)


def test_allow_own_is_for_one_application() -> None:
    own = VaultPolicy.allow_own(APP)
    for operation in Operation:
        assert ask(own, check=True, operation=operation)
        assert denied(own, operation=operation, caller=STRANGER) == "callers"
    with pytest.raises(PolicyInvalid):
        VaultPolicy.allow_own("")


WRONG = {
    "negative version": lambda: VaultPolicy(version=-1),
    "version beyond 2^53": lambda: VaultPolicy(version=2**54),
    "kind in lower case": lambda: policy(kinds={"model-weights": rule()}),
    "kind UNKNOWN": lambda: policy(kinds={"UNKNOWN": rule()}),
    "empty name": lambda: policy(names={"": rule()}),
    "star without a slash": lambda: policy(names={"a*": rule()}),
    "star alone": lambda: policy(names={"*": rule()}),
    "two stars": lambda: policy(names={"a/*/b/*": rule()}),
    "control character": lambda: policy(names={"a\n": rule()}),
    "too many rules": lambda: policy(names={f"n{number}": rule() for number in range(257)}),
    "too many bytes": lambda: policy(names={f"{number:0200}": rule(callers=Callers(applications=tuple(sorted(f"{n:0100}" for n in range(8))))) for number in range(80)}),
    "long tenant": lambda: policy(tenant="t" * 300),
    "operations unsorted": lambda: rule((Operation.PUT, Operation.GET)),
    "operation twice": lambda: rule((Operation.GET, Operation.GET)),
    "applications unsorted": lambda: Callers(applications=("b", "a")),
    "application twice": lambda: Callers(applications=("a", "a")),
    "application not printable": lambda: Callers(applications=("\x00",)),
    "too many applications": lambda: Callers(applications=tuple(sorted(f"a{number}" for number in range(65)))),
    "no uses": lambda: MaxUses(uses=0),
    "seconds not whole minutes": lambda: MaxUses(uses=1, seconds=90),
    "no seconds": lambda: MaxUses(uses=1, seconds=0),
    "more than 31 days": lambda: MaxUses(uses=1, seconds=32 * 86_400),
    "naive time": lambda: NotAfter(time=NOW.replace(tzinfo=None)),
    "no life": lambda: TimeToLive(seconds=0),
    "version below 0": lambda: MinimumVersion(version=-1),
    "no readers": lambda: ConcurrentReaders(readers=0),
    "size below 0": lambda: MaxBytes(size=-1),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_what_can_not_be_a_policy(wrong: str) -> None:
    with pytest.raises(PolicyInvalid):
        WRONG[wrong]()
