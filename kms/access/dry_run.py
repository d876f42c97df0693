"""What activating a policy would change for the calls that came in lately. Nothing is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from kms.access.actions import Actions
from kms.access.door import AccessDecisions
from kms.access.model import ROLES_ALONE, AccessPolicyName
from kms.access.ports import SeenCall, SeenCalls
from kms.access.principals import Principals
from kms.access.question import Circumstances
from kms.access.rules import Decision, Outcome, Rules
from kms.core.call import Channel
from kms.core.identity import Caller

_BY_ROLE = Decision(Outcome.ALLOWED, ("role",))
_NOBODY = Decision(Outcome.DENIED)


@dataclass(frozen=True, slots=True)
class AccessChange:
    """A kind of call that would be decided otherwise. `statements`: those that would decide it."""

    seen: SeenCall
    allowed_now: bool
    allowed_then: bool
    statements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DryRun:
    """`next_token` is empty at the end."""

    examined: int
    changes: tuple[AccessChange, ...]
    next_token: str


@dataclass(frozen=True, slots=True)
class AccessDryRun:
    decisions: AccessDecisions
    actions: Actions
    principals: Principals
    seen: SeenCalls

    async def run(self, name: AccessPolicyName, *, page_size: int, token: str, now: datetime) -> DryRun:
        """Each kind of call as it came in last, with the grants and the facts of today. Raises not-found,
        FailedPrecondition/POLICY_INVALID, InvalidArgument/PAGE_TOKEN_INVALID.
        """
        current = await self.decisions.source.rules(name.tenant)
        tried = await self._tried(name, current, now)
        calls, next_token = await self.seen.page(name.tenant, page_size, token)
        return DryRun(len(calls), await self._changes(name.tenant, calls, current, tried), next_token)

    async def _tried(self, name: AccessPolicyName, current: Rules | None, now: datetime) -> Rules | None:
        if name.number is None:
            return current
        if name.number == ROLES_ALONE:
            return None
        return await self.decisions.source.load(name.tenant, name.number, now)

    async def _changes(
        self, tenant: str, calls: Sequence[SeenCall], current: Rules | None, tried: Rules | None
    ) -> tuple[AccessChange, ...]:
        changes = []
        for seen in calls:
            caller = self.principals.of_seen_call(seen.principal, tenant)
            if caller is None:
                continue
            before = await self._decide(current, caller, seen)
            after = await self._decide(tried, caller, seen)
            allowed_now, allowed_then = before.outcome is Outcome.ALLOWED, after.outcome is Outcome.ALLOWED
            if allowed_now != allowed_then:
                changes.append(AccessChange(seen, allowed_now, allowed_then, after.statements))
        return tuple(changes)

    async def _decide(self, rules: Rules | None, caller: Caller, seen: SeenCall) -> Decision:
        if not self.actions.is_for(seen.action, caller.role):
            return _NOBODY
        if rules is None:
            return _BY_ROLE
        how = Circumstances(Channel(seen.address, "TLSv1.3", seen.tls_group), seen.last_time)
        return await self.decisions.decide(rules, caller, seen.action, seen.resource, how, remember=False)
