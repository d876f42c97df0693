"""Use cases of access policies: set, look, activate.

SetAccessPolicy, hop by hop: (1) the document is read and checked, in a thread; (2) a read transaction: seen before?
which number is next? (3) no transaction: the service signs what was set; (4) one write transaction: version, log entry,
answer for replays. ActivateAccessPolicy is one write transaction: approvals, which version is in force, edition, log
entry, answer. Before it: would whoever activates it still be able to activate another one?
"""

import asyncio
import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import cedarpy
from sqlalchemy.engine import Connection

from kms.access import store
from kms.access.door import AccessDecisions
from kms.access.model import (
    POLICY_CONTEXT,
    ROLES_ALONE,
    SIGNING_KEY_ID,
    AccessPolicy,
    AccessPolicyName,
    AccessPolicyState,
    policy_payload,
    roles_alone,
)
from kms.access.ports import ActivationGate
from kms.access.question import Circumstances
from kms.access.reading import read_document
from kms.access.rules import Outcome
from kms.core.canonical import Json
from kms.core.database import Database
from kms.core.errors import Aborted, FailedPrecondition, Reason, not_found
from kms.core.idempotency import Replays, RequestKey
from kms.core.identity import Caller
from kms.core.ids import new_id
from kms.core.randomness import Randomness
from kms.keys.signing import SigningService
from kms.log.entries.commitments import record_with_facts
from kms.log.model import LogEntry, LogPromise
from kms.log.service import TransparencyLog

_ATTEMPTS = 3
_FOR_GOOD = timedelta(weeks=5200)
"""A hundred years on, at the same hour of the same day of the week."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyAnswer:
    """What a mutating call remembers for a replay."""

    tenant: str
    number: int
    promise: LogPromise


Answered = tuple[AccessPolicy, LogPromise, bool]
"""The version as it is now, the promise of the act's log entry, and whether this is a replay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Who acts, how the call came in, and under which request_id."""

    caller: Caller
    how: Circumstances
    request: RequestKey
    published: bool

    @property
    def now(self) -> datetime:
        return self.how.now


@dataclass(slots=True, kw_only=True)
class AccessPolicies:
    database: Database
    signing: SigningService
    log: TransparencyLog
    randomness: Randomness
    decisions: AccessDecisions
    schema: cedarpy.Schema
    gate: ActivationGate
    _replays: Replays[PolicyAnswer] = field(default_factory=lambda: Replays(PolicyAnswer))
    _reader: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "access-policy-reader"))

    async def check(self, tenant: str, title: str, document: bytes) -> AccessPolicy:
        """What `set` would keep, kept nowhere. Raises InvalidArgument/POLICY_INVALID with every mistake."""
        await self._read(document)
        name = AccessPolicyName(tenant, await self.database.read(lambda tx: store.newest_number(tx, tenant)) + 1)
        return AccessPolicy(name=name, title=title, document=document, payload=b"", signature=None, create_time=None)

    async def set(self, tenant: str, title: str, document: bytes, act: Act) -> Answered:
        """A new version, pending. Raises InvalidArgument/POLICY_INVALID with every mistake."""
        await self._read(document)
        for attempt in range(_ATTEMPTS):
            earlier, newest = await self.database.read(
                lambda tx: (self._replays.find(tx, act.request), store.newest_number(tx, tenant))
            )
            if earlier is not None:
                return await self._answered(earlier, act, replayed=True)
            policy = await self._signed(AccessPolicyName(tenant, newest + 1), title, document, act.now)
            try:
                answer, replayed = await self.database.write(lambda tx, it=policy: self._insert(tx, it, act))  # type: ignore[misc]
            except Aborted:
                if attempt == _ATTEMPTS - 1:
                    raise
                continue
            return await self._answered(answer, act, replayed=replayed)
        raise store.changed_meanwhile()

    async def get(self, name: AccessPolicyName) -> AccessPolicy:
        """Also number 0. Raises the uniform not-found."""
        found, active = await self.database.read(
            lambda tx: (store.find(tx, name), store.active_number(tx, name.tenant))
        )
        if found is not None:
            return found
        if name.number == ROLES_ALONE or (name.number is None and active == ROLES_ALONE):
            return roles_alone(name.tenant, is_active=active == ROLES_ALONE)
        raise not_found(str(name))

    async def newest(self, tenant: str, *, before: int | None, limit: int) -> Sequence[AccessPolicy]:
        """Newest first, below the number `before`. Number 0 is not among them."""
        return await self.database.read(lambda tx: store.newest(tx, tenant, before=before, limit=limit))

    async def activate(self, name: AccessPolicyName, proposal: str, act: Act) -> Answered:
        """Number 0 goes back to the roles alone.

        Raises not-found, InvalidArgument and FailedPrecondition: STATE_TRANSITION_INVALID when it is active already,
        LOCKOUT, POLICY_INVALID when it is not what was signed, APPROVAL_REQUIRED and its relatives.
        """
        earlier = await self.database.read(lambda tx: self._replays.find(tx, act.request))
        if earlier is not None:
            await self.decisions.source.refresh()  # the first answer was lost, and maybe with it what follows here
            return await self._answered(earlier, act, replayed=True)
        policy = await self.get(name)
        if name.number is None:
            raise not_found(str(name))
        if name.number != ROLES_ALONE:
            await self._check_lockout(policy, proposal, act)
        answer, replayed = await self.database.write(lambda tx: self._activate(tx, policy, proposal, act))
        await self.decisions.source.refresh()
        return await self._answered(answer, act, replayed=replayed)

    async def _read(self, document: bytes) -> None:
        """One at a time, also of those whose callers have gone: the largest takes its thread some seconds."""
        await asyncio.get_running_loop().run_in_executor(self._reader, read_document, document, self.schema)

    async def _check_lockout(self, policy: AccessPolicy, proposal: str, act: Act) -> None:
        """Grants do not help: they end. Nor does what the policy permits until some day only. Where activations need
        approvals, those have to be possible too.
        """
        tenant, number = policy.name.tenant, policy.name.number
        assert number is not None
        rules = await self.decisions.source.load(tenant, number, act.now, with_grants=False)
        back = str(AccessPolicyName(tenant, ROLES_ALONE))
        needed = [
            ("AccessService.SetAccessPolicy", f"tenants/{tenant}"),
            ("AccessService.ActivateAccessPolicy", str(policy.name)),
            ("AccessService.ActivateAccessPolicy", back),
        ]
        if proposal:
            needed += [
                ("ApprovalService.CreateProposal", f"tenants/{tenant}"),
                ("ApprovalService.CreateProposal", back),
                ("ApprovalService.ApproveProposal", proposal),
            ]
        times = [act.how, replace(act.how, now=act.now + _FOR_GOOD)] if rules.uses.time else [act.how]
        for (action, resource), how in itertools.product(needed, times):
            decision = await self.decisions.decide(rules, act.caller, action, resource, how, remember=False)
            if decision.outcome is not Outcome.ALLOWED:
                raise _lockout(policy.name, action, resource, decision.statements)

    async def _signed(self, name: AccessPolicyName, title: str, document: bytes, now: datetime) -> AccessPolicy:
        payload = policy_payload(name, title, document, now)
        signature = await self.signing.sign_as_service(SIGNING_KEY_ID, payload, POLICY_CONTEXT, now)
        return AccessPolicy(
            name=name, title=title, document=document, payload=payload, signature=signature, create_time=now
        )

    def _insert(self, tx: Connection, policy: AccessPolicy, act: Act) -> tuple[PolicyAnswer, bool]:
        if (earlier := self._replays.find(tx, act.request)) is not None:
            return earlier, True
        store.insert(tx, policy)
        return self._recorded(tx, "access-policy.set", policy, act, {}), False

    def _activate(self, tx: Connection, policy: AccessPolicy, proposal: str, act: Act) -> tuple[PolicyAnswer, bool]:
        if (earlier := self._replays.find(tx, act.request)) is not None:
            return earlier, True
        name, replaces = policy.name, store.active_number(tx, policy.name.tenant)
        if name.number == replaces or policy.state is AccessPolicyState.ACTIVE:
            raise FailedPrecondition(Reason.STATE_TRANSITION_INVALID, f"{name} is active already", resource=str(name))
        self.gate.consume(tx, proposal, str(name), policy.activation_sha256, act.now)
        store.activate(tx, name, replaces=replaces, now=act.now)
        store.count_change(tx, name.tenant)
        return self._recorded(tx, "access-policy.activated", policy, act, {"replaces": replaces}), False

    def _recorded(
        self, tx: Connection, event_type: str, policy: AccessPolicy, act: Act, more: dict[str, Json]
    ) -> PolicyAnswer:
        """Log entry and answer. The log tells digests; who acted stands as a commitment."""
        name, details = policy.name, dict(more)
        assert name.number is not None
        if policy.signature is not None:  # number 0 has none
            details["document_sha256"] = policy.document_sha256
            details["payload_sha256"] = policy.activation_sha256.hex()
            details["signed_by"] = policy.signature.key_version
        entry = LogEntry(new_id(act.now, self.randomness), event_type, name.tenant, str(name), act.now, details)
        promise = record_with_facts(tx, self.log, entry, {"by": act.caller.spiffe_id}, self.randomness)
        answer = PolicyAnswer(tenant=name.tenant, number=name.number, promise=promise)
        self._replays.store(tx, act.request, answer, act.now)
        return answer

    async def _answered(self, answer: PolicyAnswer, act: Act, *, replayed: bool) -> Answered:
        promise = await self.log.confirm(answer.promise, published=act.published)
        return await self.get(AccessPolicyName(answer.tenant, answer.number)), promise, replayed


def _lockout(name: AccessPolicyName, action: str, resource: str, statements: Sequence[str]) -> FailedPrecondition:
    return FailedPrecondition(
        Reason.LOCKOUT,
        f"under {name} you could not do {action} of {resource} any more, now or some day, so that nobody might be"
        " able to take it back: permit that to admins in it",
        resource=str(name),
        metadata={"action": action, "statements": ", ".join(statements)},
    )
