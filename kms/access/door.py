"""Decides every call: the roles of its RPC were looked at before, here come the tenant's own rules.

While a tenant has none, that is one look into a dict. With rules, what was decided is remembered for as long as the
same rules are in force, unless they look at time or at the verdict of a device.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Final

from kms.access.actions import READERS, Actions
from kms.access.model import COLLECTION
from kms.access.question import (
    NO_VERDICT,
    Circumstances,
    Question,
    VerdictReader,
    resource_named,
)
from kms.access.rules import Decision, Outcome, Rules
from kms.access.source import TenantRules
from kms.core.call import Channel
from kms.core.clock import Clock
from kms.core.errors import PermissionDenied, Reason, ServiceError, not_found
from kms.core.identity import Caller
from kms.core.resources import FactsReader, ResourceFacts
from kms.keys.model import SYSTEM_TENANT

_REMEMBERED_MAX: Final = 20_000
_FOUND_BY_LOOK_UP: Final = frozenset({"aliases"})
"""Kinds whose facts say what they stand for, whatever the rules look at."""


def is_public(action: str, name: str) -> bool:
    """Whether this is the public key of one of the service's own keys: it is in public files, and whoever may follow a
    feed has to verify it.
    """
    return action == "KeyService.GetPublicKey" and name.startswith(f"tenants/{SYSTEM_TENANT}/keys/")


@dataclass(slots=True, kw_only=True)
class AccessDecisions:
    """Of every tenant. Nothing here tells the resources of another tenant apart: they are looked at by name alone."""

    source: TenantRules
    actions: Actions
    facts: FactsReader
    verdicts: VerdictReader
    clock: Clock
    _remembered: OrderedDict[Hashable, Decision] = field(default_factory=OrderedDict)

    def edition(self, tenant: str) -> object:
        """See kms.server.doors.AccessDoor."""
        return self.source.edition(tenant)

    async def check(self, caller: Caller, action: str, resources: Sequence[str], channel: Channel) -> tuple[str, ...]:
        """Every one of the resources, or the tenant where none is named. Ids of the statements that permit it; none
        where the roles decide alone. Raises PermissionDenied (ACCESS_DENIED, ACCESS_FORBIDDEN), the uniform NotFound,
        Unavailable, FailedPrecondition/POLICY_INVALID.
        """
        rules = await self.source.rules(caller.tenant)
        if rules is None:
            return ()
        # The clock, not the beginning of the call: streams ask again days later.
        how = Circumstances(channel, self.clock.now())
        statements: tuple[str, ...] = ()
        for name in resources or ("",):
            if is_public(action, name):
                continue
            decision = await self.decide(rules, caller, action, name, how)
            if decision.outcome is not Outcome.ALLOWED:
                raise await self.refusal(rules, caller, action, name, how, decision)
            statements += decision.statements
        return tuple(dict.fromkeys(statements))

    async def decide(
        self, rules: Rules, caller: Caller, action: str, name: str, how: Circumstances, *, remember: bool = True
    ) -> Decision:
        """By these rules, which may be others than those in force. `remember`: those in force, now."""
        facts = await self.facts_for(rules, caller, name)
        if rules.uses.verdict and how.verdict == NO_VERDICT:
            how = Circumstances(how.channel, how.now, await self.verdicts.verdict(caller, how.now))
        question = Question(caller, action, name or facts.name, facts, how)
        if not remember or rules.uses.passes:
            return await _in_turn(rules, question)
        key = _key(rules, question)
        decision = self._remembered.get(key)
        if decision is None:
            decision = self._remembered[key] = await _in_turn(rules, question)
            while len(self._remembered) > _REMEMBERED_MAX:
                self._remembered.popitem(last=False)
        else:
            self._remembered.move_to_end(key)
        return decision

    async def facts_for(self, rules: Rules | None, caller: Caller, name: str) -> ResourceFacts:
        """Looked up only where it is the caller's own, and the rules (None: any) want to know."""
        facts = resource_named(name, caller)
        if facts.tenant != caller.tenant:
            return facts
        if rules is None or rules.uses.facts or facts.kind in _FOUND_BY_LOOK_UP:
            return await self.facts.facts(facts.name)
        return facts

    async def refusal(
        self, rules: Rules, caller: Caller, action: str, name: str, how: Circumstances, decision: Decision
    ) -> ServiceError:
        """What the caller is told; never more than they may know."""
        facts = resource_named(name, caller)
        if name and not await self._may_know(rules, caller, action, facts, how):
            return not_found(name)
        if decision.outcome is Outcome.DENIED:
            return PermissionDenied(
                Reason.ACCESS_DENIED, f"the access policy of your tenant does not permit you {action} here"
            )
        told = f"a statement of your tenant's access policy forbids you {action} here"
        if not await self.may_read_policies(rules, caller, how):
            return PermissionDenied(Reason.ACCESS_FORBIDDEN, told)
        statements = ", ".join(decision.statements)
        what = "forbids it" if decision.outcome is Outcome.FORBIDDEN else "could not be evaluated, which forbids it"
        return PermissionDenied(
            Reason.ACCESS_FORBIDDEN, f"{told}: {statements} {what}", metadata={"statements": statements}
        )

    async def may_read_policies(self, rules: Rules, caller: Caller, how: Circumstances) -> bool:
        """Of their tenant: then they may also be told which statement decided."""
        active = f"tenants/{caller.tenant}/{COLLECTION}/active"
        return await self._may(rules, caller, "AccessService.GetAccessPolicy", active, how)

    async def _may_know(
        self, rules: Rules, caller: Caller, action: str, facts: ResourceFacts, how: Circumstances
    ) -> bool:
        """That there is such a thing: of their own tenant, and permitted to read it where one thing can be read."""
        if facts.tenant != caller.tenant:
            return False
        for reader in READERS.get(facts.kind, ()):
            if reader != action and await self._may(rules, caller, reader, facts.name, how):
                return True
        return facts.kind not in READERS

    async def _may(self, rules: Rules, caller: Caller, action: str, name: str, how: Circumstances) -> bool:
        if not self.actions.is_for(action, caller.role):
            return False
        return (await self.decide(rules, caller, action, name, how)).outcome is Outcome.ALLOWED


async def _in_turn(rules: Rules, question: Question) -> Decision:
    """Milliseconds, for the slowest rules; then everybody else has a turn before the tenant's next one."""
    async with rules.turn:
        decision = rules.decide(question)
        await asyncio.sleep(0)
    return decision


def _key(rules: Rules, question: Question) -> Hashable:
    """All that the decision hangs on."""
    caller, facts, channel = question.caller, question.facts, question.circumstances.channel
    more: tuple[Hashable, ...] = ()
    if rules.uses.address:
        more = (question.circumstances.address,)
    if rules.uses.facts:
        more = (*more, facts.sensitivity, facts.purpose, facts.algorithm, tuple(sorted(facts.labels.items())))
    return (
        rules.serial,
        caller.spiffe_id,
        caller.authentication,
        question.action,
        question.asked,
        facts.name,
        channel.tls_version,
        channel.group,
        *more,
    )
