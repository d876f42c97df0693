"""A policy with the grants in force, ready to decide. The one function that decides: `Rules.decide`."""

import asyncio
import itertools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Final, Self

import cedarpy

from kms.access.actions import Actions
from kms.access.question import (
    Question,
    cedar_action,
    cedar_caller,
    cedar_context,
    cedar_principal,
    cedar_resource,
    name_in_rules,
)
from kms.access.reading import Statement
from kms.access.uses import Uses, may_fail
from kms.core.identity import Caller

_POSITIONAL: Final = re.compile(r"`(policy\d+)`")
_SERIALS: Final = itertools.count(1)


class Outcome(Enum):
    ALLOWED = "allowed"
    DENIED = "denied"
    """No statement permits it."""
    FORBIDDEN = "forbidden"
    """A statement forbids it, whatever permits it."""
    FAILED = "failed"
    """A statement could not be evaluated. Cedar would pass over it; a `forbid` would be open then."""


@dataclass(frozen=True, slots=True)
class Decision:
    """`statements`: ids of those that decided, sorted; a grant's is its name."""

    outcome: Outcome
    statements: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Preview:
    """What is known before the resource or the circumstances are. `conditions`: statements that the answer hangs on."""

    outcome: Outcome | None
    sources: tuple[str, ...] = ()
    conditions: tuple[Statement, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """`number` of the policy. `good_until`: when the first grant ends; the rules are others then. `serial`: of this
    very object, for what is remembered about it. `failing`: positions of statements that might not be evaluated.
    `turn`: one at a time decides by them, so that a tenant with slow rules holds up its own callers only.
    """

    number: int
    statements: tuple[Statement, ...]
    actions: Actions
    policies: cedarpy.PolicySet
    by_position: dict[str, Statement]
    uses: Uses
    failing: frozenset[str]
    good_until: datetime | None = None
    serial: int = field(default_factory=_SERIALS.__next__)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False, compare=False)

    @classmethod
    def of(
        cls, number: int, statements: Sequence[Statement], actions: Actions, *, good_until: datetime | None = None
    ) -> Self:
        """Of statements that were read before. Takes milliseconds: call it in a thread."""
        policies = cedarpy.PolicySet.from_str("\n".join(each.text for each in statements), release_gil=True)
        nodes = policies.to_pst().static_policies
        by_id = {each.id: each for each in statements}
        return cls(
            number=number,
            statements=tuple(statements),
            actions=actions,
            policies=policies,
            by_position={position: by_id[node.annotations["id"]] for position, node in nodes.items()},
            uses=Uses.of(nodes.values()),
            failing=frozenset(position for position, node in nodes.items() if may_fail(node)),
            good_until=good_until,
        )

    def decide(self, question: Question) -> Decision:
        """Permitted by a statement, forbidden by none, and every one of them could be evaluated."""
        request = {
            "principal": cedar_principal(question.caller),
            "action": {"type": "Action", "id": question.action},
            "resource": {"type": "Resource", "id": name_in_rules(question.asked, question.facts)},
            "context": cedar_context(question.circumstances),
        }
        entities = [
            cedar_caller(question.caller),
            cedar_action(self.actions, question.action),
            cedar_resource(question.asked, question.facts),
        ]
        found = cedarpy.is_authorized(request, self.policies, json.dumps(entities))
        if found.diagnostics.errors:
            return Decision(Outcome.FAILED, self._failed(found.diagnostics.errors))
        deciding = self._ids(found.diagnostics.reasons)
        if found.allowed:
            return Decision(Outcome.ALLOWED, deciding)
        return Decision(Outcome.FORBIDDEN if deciding else Outcome.DENIED, deciding)

    def preview(self, caller: Caller, action: str, *, resource: dict[str, Any] | None) -> Preview:
        """Whatever the circumstances are and, without a resource (an entity, see cedar_resource), whatever it is.

        Cedar's partial evaluation: not for a decision, which needs everything (`decide`).
        """
        request: dict[str, Any] = {
            "principal": f"Caller::{json.dumps(caller.spiffe_id)}",
            "action": f"Action::{json.dumps(action)}",
        }
        entities = [cedar_caller(caller), cedar_action(self.actions, action)]
        if resource is not None:
            request["resource"] = f"Resource::{json.dumps(resource['uid']['id'])}"
            entities.append(resource)
        found = cedarpy.is_authorized_partial(request, self.policies, json.dumps(entities))
        if found.diagnostics.errors:
            return Preview(Outcome.FAILED, self._failed(found.diagnostics.errors))
        deciding = self._ids(found.diagnostics.reasons)
        residuals = found.diagnostics.nontrivial_residuals
        if found.allowed:
            residuals = [each for each in residuals if each in self.failing]
        if found.decision is cedarpy.Decision.NoDecision or (found.allowed and residuals):
            hanging = [self.by_position[each] for each in residuals]
            sources = sorted({*deciding, *(each.id for each in hanging)})
            return Preview(None, tuple(sources), tuple(sorted(hanging, key=lambda each: each.line)))
        if found.allowed:
            return Preview(Outcome.ALLOWED, deciding)
        return Preview(Outcome.FORBIDDEN if deciding else Outcome.DENIED, deciding)

    def _ids(self, positions: Sequence[str]) -> tuple[str, ...]:
        return tuple(sorted(self.by_position[position].id for position in positions))

    def _failed(self, errors: Sequence[str]) -> tuple[str, ...]:
        positions = {found for error in errors for found in _POSITIONAL.findall(error)}
        return self._ids([position for position in positions if position in self.by_position])
