"""The policy of a vault: who may do what with which artifact. What no rule names is denied."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, Self

from hallmark_client.device.errors import LimitReached, PolicyViolation
from hallmark_client.device.model import Artifact, Caller, Clause, Enforcement
from hallmark_client.device.policy.asking import NOTHING_HELD, Ask, Held, Operation, Uses, at_least
from hallmark_client.device.policy.clauses import NOBODY, Callers, MaxUses, NotAfter, TimeToLive, check_text, root_power
from hallmark_client.device.policy.errors import PolicyInvalid, PolicyRolledBack
from hallmark_client.device.policy.rule import Rule
from hallmark_client.device.policy.spelling import (
    as_list,
    as_number,
    as_text,
    members,
    read_clause,
    read_rule,
    write_clause,
    write_rule,
)
from hallmark_client.device.roots.port import Limits, RootFacts, RootPower
from hallmark_client.model.consents import ArtifactKind
from hallmark_client.model.result import Result
from hallmark_events.canonical import INTEGER_MAX, canonical_json, parse_canonical

FORMAT: Final = "hallmark-vault-policy/v1"
POLICY_BYTES_MAX: Final = 65_536
RULES_MAX: Final = 256
ANY_KIND: Final = "*"

_NO_RULES: Final[Mapping[str, Rule]] = MappingProxyType({})
_KINDS: Final = frozenset({ANY_KIND, *(kind.value for kind in ArtifactKind if kind is not ArtifactKind.UNKNOWN)})
_MEMBERS: Final = {"administrators", "format", "kinds", "names", "tenant", "version"}
_DEFAULT_DENY: Final = Clause(
    name="default-deny", text="no rule names this artifact", enforcement=Enforcement.ADVISORY, allows=False
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultPolicy(Result):
    """names: rules by artifact name, or by "prefix/*" for all names that begin with "prefix/". kinds: rules by
    ArtifactKind, or "*" for every kind. Exactly one rule holds for an artifact: that of its name, else of its longest
    prefix, else of its kind, else "*"; without one everything is denied.

    version: 0 to 2^53; each policy in a vault has a greater one than that before it. tenant: whose devices it is for;
    "" for a policy that is not signed. administrators: who may put another policy in its place, beside the service by
    its signature. Raises PolicyInvalid.
    """

    version: int
    tenant: str = ""
    administrators: Callers = NOBODY
    names: Mapping[str, Rule] = field(default_factory=lambda: _NO_RULES)
    kinds: Mapping[str, Rule] = field(default_factory=lambda: _NO_RULES)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", MappingProxyType(dict(sorted(self.names.items()))))
        object.__setattr__(self, "kinds", MappingProxyType(dict(sorted(self.kinds.items()))))
        if not 0 <= self.version <= INTEGER_MAX or len(self.names) + len(self.kinds) > RULES_MAX:
            raise PolicyInvalid(f"a policy has a version from 0 to 2^53, and at most {RULES_MAX} rules")
        if not self.kinds.keys() <= _KINDS:
            raise PolicyInvalid(f"a kind is one of {', '.join(sorted(_KINDS))}")
        for name in self.names:
            check_text(name, what="a name")
            if "*" in name.removesuffix("/*"):
                raise PolicyInvalid('a name has a * only at its end, as in "prefix/*"')
        if self.tenant:
            check_text(self.tenant, what="tenant")
        if len(self.to_bytes()) > POLICY_BYTES_MAX:
            raise PolicyInvalid(f"a policy has at most {POLICY_BYTES_MAX} bytes")

    @classmethod
    def allow_own(cls, application: str) -> Self:
        """Everything for this application, by whatever name it gives itself; nothing for others."""
        own = Callers(applications=(application,))
        return cls(
            version=1, administrators=own, kinds={ANY_KIND: Rule(operations=tuple(sorted(Operation)), callers=own)}
        )

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """The policy that `data` is the one spelling of. Raises PolicyInvalid for any other bytes."""
        found = parse_canonical(data, what="a policy", max_bytes=POLICY_BYTES_MAX, refuse=PolicyInvalid)
        members(found, what="a policy", required=_MEMBERS, known=_MEMBERS)
        administrators = read_clause("callers", found["administrators"])
        assert isinstance(administrators, Callers)
        if found["format"] != FORMAT:
            raise PolicyInvalid(f"not a policy of format {FORMAT}")
        policy = cls(
            version=as_number(found["version"]),
            tenant=as_text(found["tenant"]),
            administrators=administrators,
            names=_rules(found["names"], "name"),
            kinds=_rules(found["kinds"], "kind"),
        )
        if policy.to_bytes() != data:
            raise PolicyInvalid("rules are sorted by what they are for, each once")
        return policy

    def to_bytes(self) -> bytes:
        """Canonical JSON, up to 64 KiB."""
        return canonical_json(
            {
                "administrators": write_clause(self.administrators),
                "format": FORMAT,
                "kinds": [{"kind": kind, "rule": write_rule(rule)} for kind, rule in self.kinds.items()],
                "names": [{"name": name, "rule": write_rule(rule)} for name, rule in self.names.items()],
                "tenant": self.tenant,
                "version": self.version,
            }
        )

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes, 64 lower-case hexadecimal digits."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def rule_for(self, artifact: Artifact) -> Rule | None:
        """The one that holds for it."""
        parts = artifact.name.split("/")
        prefixes = ["/".join((*parts[:end], "*")) for end in range(len(parts) - 1, 0, -1)]
        for name in (artifact.name, *prefixes):
            if name in self.names:
                return self.names[name]
        return self.kinds.get(artifact.kind.value, self.kinds.get(ANY_KIND))

    def effective(
        self,
        artifact: Artifact,
        caller: Caller,
        *,
        operation: Operation,
        root: RootFacts,
        uses: Uses,
        now: datetime,
        held: Held = NOTHING_HELD,
    ) -> tuple[Clause, ...]:
        """Every clause that this operation is under, with who makes it hold. All must allow.

        now: of the trusted-time floor. A demand for more enforcement than there is denies.
        """
        rule = self.rule_for(artifact)
        if rule is None:
            return (_DEFAULT_DENY,)
        return rule.judge(
            Ask(artifact=artifact, caller=caller, operation=operation, root=root, uses=uses, now=now, held=held)
        )

    def check(
        self,
        artifact: Artifact,
        caller: Caller,
        *,
        operation: Operation,
        root: RootFacts,
        uses: Uses,
        now: datetime,
        held: Held = NOTHING_HELD,
    ) -> tuple[Clause, ...]:
        """The clauses that allowed it. Raises LimitReached for a limit that is spent, PolicyViolation otherwise."""
        clauses = self.effective(artifact, caller, operation=operation, root=root, uses=uses, now=now, held=held)
        self._check_all(clauses, artifact, caller, operation)
        return clauses

    def check_open(self, artifact: Artifact, caller: Caller, *, root: RootFacts, now: datetime, held: Held) -> None:
        """Whether a reader may go on: the callers and times of the rule that holds now. Asks for no use counts.

        Raises LimitReached, PolicyViolation.
        """
        rule, operation = self.rule_for(artifact), Operation.GET
        clauses: tuple[Clause, ...] = (_DEFAULT_DENY,)
        if rule is not None:
            ask = Ask(
                artifact=artifact, caller=caller, operation=operation, root=root, uses=_UNASKED, now=now, held=held
            )
            clauses = rule.while_open().judge(ask)
        self._check_all(clauses, artifact, caller, operation)

    def _check_all(self, clauses: tuple[Clause, ...], artifact: Artifact, caller: Caller, operation: Operation) -> None:
        for clause in clauses:
            if not clause.allows:
                message = f"{operation} of {artifact.name!r:.80} by {caller.application!r:.80} is denied: {clause.text}"
                spent = self._is_spent(artifact, clause)
                raise LimitReached(clause.name, message) if spent else PolicyViolation(clause.name, message)

    def limits(self, artifact: Artifact, *, root: RootFacts, uses: Uses, now: datetime) -> Limits | None:
        """What the root of trust is to enforce when it seals the artifact's key now; None: nothing, or it cannot.

        Raises LimitReached where nothing is left: then no key is to be sealed, for nobody may open it.
        """
        rule = self.rule_for(artifact)
        if rule is None:
            return None
        max_uses, seconds = None, None
        if rule.max_uses is not None and _by_root(rule.max_uses, root, RootPower.MAX_USES):
            max_uses = rule.max_uses.uses - uses.spent(artifact.artifact_id, None, now)
        ends = [end for end in (rule.not_after, rule.ttl) if end and _by_root(end, root, RootPower.NOT_AFTER)]
        if ends:
            seconds = min((end.end(artifact) - now) // timedelta(seconds=1) for end in ends)
        for name, left in (("max-uses", max_uses), ("not-after", seconds)):
            if left is not None and left <= 0:
                raise LimitReached(name, f"nothing is left of the limit of {artifact.name!r:.80}")
        return None if max_uses is None and seconds is None else Limits(max_uses=max_uses, not_after_seconds=seconds)

    def check_change(self, newer: Self, caller: Caller) -> Clause:
        """Whether `caller` may put `newer`, which nobody signed, in this policy's place: the clause that allows it.

        Raises PolicyViolation, PolicyRolledBack.
        """
        admin = self.administrators
        proved = caller.proved or not at_least(admin.enforcement, Enforcement.PLATFORM)
        found = Enforcement.PLATFORM if caller.proved else Enforcement.ADVISORY
        if caller.application not in admin.applications or not at_least(found, admin.enforcement):
            why = "" if proved else ", and the operating system must name it"
            names = ", ".join(admin.applications) or "the service, by its signature"
            raise PolicyViolation("administrators", f"only {names} may change the policy{why}")
        if newer.version <= self.version:
            raise PolicyRolledBack(newer.version, self.version)
        return Clause(name="administrators", text="may change the policy", enforcement=found, allows=True)

    def _is_spent(self, artifact: Artifact, clause: Clause) -> bool:
        rule = self.rule_for(artifact)
        limits = (rule.max_uses, rule.not_after, rule.ttl) if rule else ()
        return any(
            limit is not None and clause.name == limit.NAME and at_least(clause.enforcement, limit.enforcement)
            for limit in limits
        )


class _Unasked:
    def spent(self, artifact_id: str, window_seconds: int | None, now: datetime) -> int:
        del artifact_id, window_seconds, now
        raise AssertionError("no clause that counts is judged")


_UNASKED: Final = _Unasked()
DENY_ALL: Final = VaultPolicy(version=0)


def _rules(value: object, selector: str) -> dict[str, Rule]:
    found: dict[str, Rule] = {}
    for item in as_list(value, what=f"{selector}s"):
        both = members(item, what="a rule and what it is for", required={selector, "rule"}, known={selector, "rule"})
        found[as_text(both[selector])] = read_rule(both["rule"])
    return found


def _by_root(clause: MaxUses | NotAfter | TimeToLive, root: RootFacts, power: RootPower) -> bool:
    found = root_power(clause, root, power)
    return found is not Enforcement.ADVISORY and at_least(found, clause.enforcement)
