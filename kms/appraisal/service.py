"""Use cases of appraisal policies: set, look, activate. Trying one out is in dry_run.py.

SetPolicy, hop by hop: (1) the document is read as a policy; (2) a read transaction: seen before? which number is next?
(3) no transaction: the service signs what was set; (4) one write transaction: version, log entry, answer for replays.
ActivatePolicy is one write transaction: approvals, which version is in force, log entry, answer; then stored evidence
is judged again.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.engine import Connection

from attestation import rego
from attestation.errors import PolicyError
from attestation.policy import Policy
from attestation.policy_file import FILE_BYTES_MAX, PolicyForm, read_policy, write_policy
from kms.appraisal import store
from kms.appraisal.model import (
    BUILT_IN,
    POLICY_CONTEXT,
    SIGNING_KEY_ID,
    PolicyName,
    PolicyState,
    PolicyVersion,
    policy_payload,
    policy_sha256,
)
from kms.appraisal.ports import ActivationGate, PolicyListener
from kms.appraisal.source import TenantPolicies
from kms.appraisal.telling import sign_activation
from kms.core.canonical import Json
from kms.core.database import Database
from kms.core.errors import Aborted, FailedPrecondition, InvalidArgument, Reason, not_found
from kms.core.idempotency import Replays, RequestKey
from kms.core.ids import new_id
from kms.core.randomness import Randomness
from kms.events.appending import Events, Overtaken
from kms.events.model import GLOBAL, SignedEvent
from kms.keys.signing import SigningService
from kms.log.model import LogEntry, LogPromise
from kms.log.service import TransparencyLog

_ATTEMPTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyAnswer:
    """What a mutating call remembers for a replay."""

    tenant: str
    number: int
    promise: LogPromise


Outcome = tuple[PolicyVersion, LogPromise, bool]
"""The version as it is now, the promise of the act's log entry, and whether this is a replay."""


@dataclass(slots=True, kw_only=True)
class AppraisalService:
    database: Database
    signing: SigningService
    log: TransparencyLog
    randomness: Randomness
    source: TenantPolicies
    gate: ActivationGate
    listener: PolicyListener
    events: Events | None = None
    """Tells of activations; None where there are no feeds."""
    _replays: Replays[PolicyAnswer] = field(default_factory=lambda: Replays(PolicyAnswer))

    async def set(
        self, tenant: str, document: bytes, form: PolicyForm, *, request: RequestKey, now: datetime, published: bool
    ) -> Outcome:
        """A new version, pending. Raises InvalidArgument/POLICY_INVALID with everything that is wrong with it."""
        policy = await asyncio.to_thread(usable_policy, document, form)
        for attempt in range(_ATTEMPTS):
            earlier, newest = await self.database.read(
                lambda tx: (self._replays.find(tx, request), store.newest_number(tx, tenant))
            )
            if earlier is not None:
                return await self._outcome(earlier, published=published, replayed=True)
            version = await self._signed(PolicyName(tenant, newest + 1), policy, document, form, now)
            try:
                answer, replayed = await self.database.write(lambda tx, it=version: self._insert(tx, it, request, now))  # type: ignore[misc]
            except Aborted:
                if attempt == _ATTEMPTS - 1:
                    raise
                continue
            return await self._outcome(answer, published=published, replayed=replayed)
        raise store.changed_meanwhile()

    async def get(self, name: PolicyName) -> PolicyVersion:
        """Also policies/0, the built-in one. Raises the uniform not-found."""
        found, active = await self.database.read(
            lambda tx: (store.find(tx, name), store.active_number(tx, name.tenant))
        )
        if found is not None:
            return found
        if name.number == BUILT_IN or (name.number is None and active == BUILT_IN):
            return built_in(name.tenant, self.source.built_in, is_active=active == BUILT_IN)
        raise not_found(str(name))

    async def newest(self, tenant: str, *, before: int | None, limit: int) -> Sequence[PolicyVersion]:
        """Newest first, below the number `before`. The built-in one is not among them."""
        return await self.database.read(lambda tx: store.newest(tx, tenant, before=before, limit=limit))

    async def activate(
        self, name: PolicyName, *, proposal: str, request: RequestKey, now: datetime, published: bool
    ) -> Outcome:
        """Number 0 goes back to the built-in one.

        Raises not-found, InvalidArgument and FailedPrecondition: STATE_TRANSITION_INVALID when it is active already or
        was revoked, POLICY_INVALID when this server can not judge by it, APPROVAL_REQUIRED and its relatives.
        """
        version = await self.database.read(lambda tx: store.find(tx, name))
        if version is not None:  # what was set never changes, so this can be asked before the transaction
            await asyncio.to_thread(_check_usable, version)
        for attempt in range(_ATTEMPTS):
            signed = await self._sign_event(name, version, now)
            try:
                answer, replayed = await self.database.write(
                    lambda tx, told=signed: self._activate(tx, name, proposal, request, now, told)  # type: ignore[misc]
                )
            except Overtaken:
                if attempt == _ATTEMPTS - 1:
                    raise store.changed_meanwhile() from None
                continue
            break
        self.source.forget(name.tenant)
        self.listener.wake(name.tenant)
        if self.events is not None:
            self.events.notify(name.tenant)
        return await self._outcome(answer, published=published, replayed=replayed)

    async def _sign_event(self, name: PolicyName, version: PolicyVersion | None, now: datetime) -> SignedEvent | None:
        if self.events is None or (version is None and name.number != BUILT_IN):
            return None
        digest = policy_sha256(self.source.built_in) if version is None else version.policy_sha256
        return await sign_activation(self.events, name, digest, now)

    async def _signed(
        self, name: PolicyName, policy: Policy, document: bytes, form: PolicyForm, now: datetime
    ) -> PolicyVersion:
        payload = policy_payload(name, policy, document, form, now)
        return PolicyVersion(
            name=name,
            title=policy.name,
            document=document,
            form=form,
            policy_sha256=policy_sha256(policy),
            payload=payload,
            signature=await self.signing.sign_as_service(SIGNING_KEY_ID, payload, POLICY_CONTEXT, now),
            create_time=now,
        )

    def _insert(
        self, tx: Connection, version: PolicyVersion, request: RequestKey, now: datetime
    ) -> tuple[PolicyAnswer, bool]:
        if (earlier := self._replays.find(tx, request)) is not None:
            return earlier, True
        store.insert(tx, version)
        return self._recorded(tx, "policy.set", version, request, now, {}), False

    def _activate(
        self,
        tx: Connection,
        name: PolicyName,
        proposal: str,
        request: RequestKey,
        now: datetime,
        told: SignedEvent | None,
    ) -> tuple[PolicyAnswer, bool]:
        if (earlier := self._replays.find(tx, request)) is not None:
            return earlier, True
        replaces = store.active_number(tx, name.tenant)
        version = store.find(tx, name)
        if name.number == BUILT_IN:
            version = built_in(name.tenant, self.source.built_in, is_active=replaces == BUILT_IN)
        if version is None or name.number is None:
            raise not_found(str(name))
        if version.state is PolicyState.ACTIVE:
            raise FailedPrecondition(
                Reason.STATE_TRANSITION_INVALID, f"{name} is active already", resource=str(version.name)
            )
        if version.state is PolicyState.REVOKED:
            raise FailedPrecondition(
                Reason.STATE_TRANSITION_INVALID, f"{name} was revoked, and stays so", resource=str(version.name)
            )
        self.gate.consume(tx, proposal, str(name), version.activation_sha256, now)
        store.activate(tx, name, replaces=replaces, now=now)
        self.listener.note(tx, name.tenant, now)
        answer = self._recorded(tx, "policy.activated", version, request, now, {"replaces": replaces}, told)
        if told is not None and self.events is not None:
            self.events.append(tx, told, answer.promise, [GLOBAL])
        return answer, False

    def _recorded(
        self,
        tx: Connection,
        event_type: str,
        version: PolicyVersion,
        request: RequestKey,
        now: datetime,
        more: dict[str, Json],
        told: SignedEvent | None = None,
    ) -> PolicyAnswer:
        """Log entry and answer. The log tells digests: reference values may be nobody's business. The signed payload is
        that of the event, if the act is told by one; else that of the policy itself.
        """
        assert version.name.number is not None
        details: dict[str, Json] = {"policy_sha256": version.policy_sha256, **more}
        if told is not None:
            details["payload_sha256"] = hashlib.sha256(told.payload).hexdigest()
            details["signed_by"] = told.signature.key_version
        elif version.signature is not None:  # the built-in one has none
            details["payload_sha256"] = version.activation_sha256.hex()
            details["signed_by"] = version.signature.key_version
        name, key = version.name, new_id(now, self.randomness) if told is None else told.draft.id
        entry = LogEntry(key, event_type, name.tenant, str(name), now, details)
        answer = PolicyAnswer(tenant=name.tenant, number=version.name.number, promise=self.log.record(tx, entry))
        self._replays.store(tx, request, answer, now)
        return answer

    async def _outcome(self, answer: PolicyAnswer, *, published: bool, replayed: bool) -> Outcome:
        promise = await self.log.confirm(answer.promise, published=published)
        return await self.get(PolicyName(answer.tenant, answer.number)), promise, replayed


def usable_policy(document: bytes, form: PolicyForm) -> Policy:
    """Raises InvalidArgument/POLICY_INVALID: what is wrong with it, or why this server can not judge by it."""
    if len(document) > FILE_BYTES_MAX:
        raise InvalidArgument(Reason.MESSAGE_TOO_LARGE, f"document may have {FILE_BYTES_MAX} bytes", field="document")
    try:
        policy = read_policy(document, form)
        if policy.rego.module is not None and (problems := rego.unusable(policy.rego.module)):
            raise PolicyError(problems)
    except PolicyError as error:
        raise InvalidArgument(Reason.POLICY_INVALID, str(error), field="document") from error
    return policy


def built_in(tenant: str, policy: Policy, *, is_active: bool) -> PolicyVersion:
    """The policy that comes with the server, as a version."""
    return PolicyVersion(
        name=PolicyName(tenant, BUILT_IN),
        title=policy.name,
        document=write_policy(policy, explain=True),
        form=PolicyForm.TOML,
        policy_sha256=policy_sha256(policy),
        payload=b"",
        signature=None,
        create_time=None,
        state=PolicyState.ACTIVE if is_active else PolicyState.REPLACED,
    )


def _check_usable(version: PolicyVersion) -> None:
    """What could be set by an earlier release, or a server with more libraries, may not be usable here."""
    try:
        usable_policy(version.document, version.form)
    except InvalidArgument as error:
        raise FailedPrecondition(Reason.POLICY_INVALID, error.message, resource=str(version.name)) from error
