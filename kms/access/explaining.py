"""What a caller may do, told before they try: one call (TestAccess), or all that they may (ListEffectiveGrants).

Both ask the door's own function. What they tell stands in the policy: they are for those who may read it.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from kms.access import grant_store
from kms.access.actions import Action, Actions
from kms.access.door import AccessDecisions, is_public
from kms.access.model import ROLES_ALONE, AccessPolicyName
from kms.access.question import Circumstances, cedar_resource, resource_named
from kms.access.rules import Outcome, Preview, Rules
from kms.core.errors import InvalidArgument, PermissionDenied, Reason
from kms.core.identity import Caller
from kms.core.resources import ResourceFacts
from kms.keys.model import SYSTEM_TENANT

_BY_ROLE = "role"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """`reason`: of the ErrorInfo that the caller would get; empty when allowed."""

    allowed: bool
    reason: str
    explanation: str
    statements: tuple[str, ...]
    policy: AccessPolicyName


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectiveGrant:
    """See protos/hallmark/v1/access.proto. `conditions` are Cedar statements, as they were written."""

    action: str
    conditions: tuple[str, ...]
    sources: tuple[str, ...]
    expire_time: datetime | None

    @property
    def unconditional(self) -> bool:
        return not self.conditions


@dataclass(frozen=True, slots=True)
class AccessExplained:
    decisions: AccessDecisions
    actions: Actions

    async def check_may_ask(self, asker: Caller, how: Circumstances) -> None:
        """Raises PermissionDenied/ACCESS_DENIED."""
        rules = await self.decisions.source.rules(asker.tenant)
        if rules is not None and not await self.decisions.may_read_policies(rules, asker, how):
            raise PermissionDenied(
                Reason.ACCESS_DENIED,
                "this tells what stands in the access policy; it is for those who may read it"
                " (AccessService.GetAccessPolicy)",
            )

    async def test(
        self, caller: Caller, action: str, resource: str, how: Circumstances, policy: AccessPolicyName | None
    ) -> Tested:
        """By the policy in force, or by another version. Raises InvalidArgument, not-found."""
        if self.actions.find(action) is None:
            raise InvalidArgument(
                Reason.FIELD_INVALID, f"{action!r} is no action such as SigningService.Sign", field="action"
            )
        _check_resource(resource, caller)
        rules = await self._rules(caller.tenant, policy, how.now)
        number = AccessPolicyName(caller.tenant, ROLES_ALONE if rules is None else rules.number)
        if not self.actions.is_for(action, caller.role):
            why = f"the RPC is not for role {caller.role}, whatever policies and grants say"
            return _no(Reason.ROLE_NOT_ALLOWED, why, (), number)
        if is_public(action, resource):
            why = "public keys of the service are for everybody"
            return Tested(allowed=True, reason="", explanation=why, statements=(_BY_ROLE,), policy=number)
        if _is_of_others(resource, caller):
            why = "it is of another tenant: to this caller it is not there"
            return _no(Reason.RESOURCE_NOT_FOUND, why, (), number)
        if rules is None:
            why = f"role {caller.role} may call it, and no policy says more"
            return Tested(allowed=True, reason="", explanation=why, statements=(_BY_ROLE,), policy=number)
        decision = await self.decisions.decide(rules, caller, action, resource, how, remember=False)
        if decision.outcome is Outcome.ALLOWED:
            why = "a statement or a grant permits it, and none forbids it"
            return Tested(allowed=True, reason="", explanation=why, statements=decision.statements, policy=number)
        refusal = await self.decisions.refusal(rules, caller, action, resource, how, decision)
        return _no(refusal.reason, _WHY[decision.outcome], decision.statements, number)

    async def effective(self, caller: Caller, resource: str, now: datetime) -> tuple[list[EffectiveGrant], int]:
        """What the caller may do under some circumstances at least, and the number of the policy in force."""
        _check_resource(resource, caller)
        rules = await self.decisions.source.rules(caller.tenant)
        own = [action for action in self.actions if caller.role in action.roles]
        if rules is None:
            by_role = [
                EffectiveGrant(action=each.name, conditions=(), sources=(_BY_ROLE,), expire_time=None) for each in own
            ]
            return by_role, ROLES_ALONE
        grants = await self.decisions.source.database.read(lambda tx: grant_store.in_force(tx, caller.tenant, now))
        ends = {str(grant.name): grant.expire_time for grant in grants}
        facts = await self.decisions.facts_for(None, caller, resource) if resource else None
        found = await asyncio.to_thread(_previews, rules, caller, own, resource, facts)
        return [_effective(action, preview, ends) for action, preview in found], rules.number

    async def _rules(self, tenant: str, policy: AccessPolicyName | None, now: datetime) -> Rules | None:
        if policy is None or policy.number is None:
            return await self.decisions.source.rules(tenant)
        if policy.number == ROLES_ALONE:
            return None
        return await self.decisions.source.load(tenant, policy.number, now)


_WHY = {
    Outcome.DENIED: "no statement and no grant permits it",
    Outcome.FORBIDDEN: "a statement forbids it, whatever permits it",
    Outcome.FAILED: "a statement could not be evaluated, which denies everything that it is about",
}


def _no(reason: Reason, why: str, statements: tuple[str, ...], policy: AccessPolicyName) -> Tested:
    return Tested(allowed=False, reason=reason.value, explanation=why, statements=statements, policy=policy)


def _previews(
    rules: Rules, caller: Caller, actions: list[Action], resource: str, facts: ResourceFacts | None
) -> list[tuple[str, Preview]]:
    """Of what is possible at all. A thread's work: an evaluation for each action."""
    entity = None if facts is None else cedar_resource(resource, facts)
    found = [(action.name, rules.preview(caller, action.name, resource=entity)) for action in actions]
    return [(action, preview) for action, preview in found if preview.outcome in {None, Outcome.ALLOWED}]


def _effective(action: str, preview: Preview, ends: Mapping[str, datetime]) -> EffectiveGrant:
    expiring = [ends[source] for source in preview.sources if source in ends]
    return EffectiveGrant(
        action=action,
        conditions=tuple(statement.text for statement in preview.conditions),
        sources=preview.sources,
        expire_time=min(expiring, default=None),
    )


def _is_of_others(name: str, caller: Caller) -> bool:
    """Operators may ask for tenants, not for what is in them; the service's own keys are a tenant's too."""
    facts = resource_named(name, caller)
    return facts.tenant not in {caller.tenant, SYSTEM_TENANT} and facts.kind != "tenants"


def _check_resource(name: str, caller: Caller) -> None:
    """Raises InvalidArgument."""
    if not name.isascii() or (name and not name.isprintable()) or not resource_named(name, caller).kind:
        raise InvalidArgument(
            Reason.NAME_INVALID, "resource must be a resource name such as tenants/acme/keys/pay", field="resource"
        )
