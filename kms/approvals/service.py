"""Use cases of approvals: propose, approve, reject, look; and `consume`, by which an act asks whether it may be done.

Nothing here needs the HSM: an approval is signed where the approver is, and verified before it is stored.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from sqlalchemy.engine import Connection

from kms.approvals import store
from kms.approvals.model import (
    Approval,
    ApprovalPolicy,
    Person,
    PlannedAct,
    Proposal,
    ProposalState,
    Terms,
    approval_required,
    check_lifetime,
    check_may_approve,
    check_may_execute,
    check_planned,
    check_reason,
    check_undecided,
)
from kms.approvals.payload import check_signature, key_sha256, proposal_payload
from kms.core.canonical import Json
from kms.core.clock import format_time
from kms.core.database import Database
from kms.core.errors import not_found
from kms.core.idempotency import Replays, RequestKey
from kms.core.ids import new_id
from kms.core.names import ChildName
from kms.core.randomness import Randomness
from kms.keys.model import SYSTEM_TENANT
from kms.log.entries.commitments import record_with_facts
from kms.log.model import LogEntry, LogPromise
from kms.log.service import TransparencyLog


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalAnswer:
    """What a mutating call remembers for a replay: the proposal is read afresh, the promise is the first one."""

    proposal: str
    promise: LogPromise


@dataclass(slots=True, kw_only=True)
class ApprovalService:
    """`policy` says how many approvals an act needs. `operator_tenant`: whose people decide about the service's own."""

    database: Database
    log: TransparencyLog
    randomness: Randomness
    policy: ApprovalPolicy
    operator_tenant: str = ""
    _replays: Replays[ProposalAnswer] = field(default_factory=lambda: Replays(ProposalAnswer))

    async def propose(
        self,
        tenant: str,
        planned: PlannedAct,
        *,
        reason: str,
        lifetime: timedelta | None,
        proposer: Person,
        request: RequestKey,
        now: datetime,
    ) -> Proposal:
        """A proposal that is open. lifetime: 10 minutes to 7 days, default a day. Raises InvalidArgument."""
        terms = Terms(
            name=ChildName(tenant, store.COLLECTION, new_id(now, self.randomness)),
            planned=check_planned(planned, tenant),
            reason=check_reason(reason),
            proposer=proposer,
            create_time=now,
            expire_time=now + check_lifetime(lifetime),
            needed=max(1, self.policy.needed(planned.act)),
        )

        def act(tx: Connection) -> tuple[ChildName, LogPromise]:
            payload = proposal_payload(terms)
            who = {"proposer": terms.proposer.spiffe_id, **_terms(payload)}
            promise = self._record(tx, "proposal.created", terms.name, now, _created(terms), who)
            store.insert(tx, Proposal(terms=terms, payload=payload, promise=promise))
            return terms.name, promise

        return await self._once(request, now, act)

    async def get(self, name: ChildName) -> Proposal:
        """Raises the uniform not-found."""
        return await self.database.read(lambda tx: store.get(tx, name))

    async def newest(
        self, tenant: str, *, before: str, limit: int, state: ProposalState | None, now: datetime
    ) -> Sequence[Proposal]:
        """Newest first, after the id `before`; only those in `state` now, when it is given."""
        return await self.database.read(
            lambda tx: store.newest(tx, tenant, before=before, limit=limit, state=state, now=now)
        )

    async def approve(
        self,
        name: ChildName,
        signature: bytes,
        *,
        approver: str,
        key: CertificatePublicKeyTypes,
        request: RequestKey,
        now: datetime,
    ) -> Proposal:
        """One more approval, by the holder of `key`.

        Raises InvalidArgument/SIGNATURE_INVALID, and FailedPrecondition: PROPOSAL_NOT_APPROVED (your own, approved by
        you already, or rejected), PROPOSAL_EXPIRED, PROPOSAL_USED.
        """
        check_signature(key, signature, (await self.get(name)).payload)  # the payload never changes
        approval = Approval(approver=Person(approver, key_sha256(key)), approve_time=now, signature=signature)

        def act(tx: Connection) -> tuple[ChildName, LogPromise]:
            proposal = store.lock(tx, name)
            check_may_approve(proposal, approval.approver, now)
            who = {"approver": approval.approver.spiffe_id, **_terms(proposal.payload)}
            promise = self._record(tx, "proposal.approved", name, now, _approved(approval), who)
            store.add_approval(tx, proposal, approval, promise)
            return name, promise

        return await self._once(request, now, act)

    async def reject(self, name: ChildName, *, rejecter: str, request: RequestKey, now: datetime) -> Proposal:
        """One person's no is enough, also the proposer's own. Raises FailedPrecondition when it is decided already."""

        def act(tx: Connection) -> tuple[ChildName, LogPromise]:
            check_undecided(store.lock(tx, name), now)
            promise = self._record(tx, "proposal.rejected", name, now, {}, {"rejecter": rejecter})
            store.set_rejected(tx, name, promise, now=now)
            return name, promise

        return await self._once(request, now, act)

    def check(self, tx: Connection, proposal: str, planned: PlannedAct, now: datetime) -> None:
        """Would `consume` let the act be done now? For acts that do something costly before their transaction."""
        if (name := self._named(proposal, planned)) is not None:
            self._admit(store.get(tx, name), planned, now)

    def consume(self, tx: Connection, proposal: str, planned: PlannedAct, now: datetime) -> None:
        """Inside the act's own write transaction: the act and the use of its approval commit together, once.

        proposal: its name as the caller gave it; empty when none was given. An act that needs no approval may still
        name a proposal: it must fit then.
        Raises FailedPrecondition (APPROVAL_REQUIRED, PROPOSAL_NOT_APPROVED, PROPOSAL_EXPIRED, PROPOSAL_USED),
        InvalidArgument/NAME_INVALID, NotFound.
        """
        if (name := self._named(proposal, planned)) is not None:
            found = store.lock(tx, name)
            self._admit(found, planned, now)
            promise = self._record(tx, "proposal.executed", name, now, _executed(found), _terms(found.payload))
            store.set_executed(tx, name, promise, now=now)

    def _named(self, proposal: str, planned: PlannedAct) -> ChildName | None:
        """None: nothing was named and nothing has to be."""
        required = self.policy.needed(planned.act)
        if not proposal and required:
            raise approval_required(planned, required)
        if not proposal:
            return None
        name = ChildName.parse(proposal, store.COLLECTION, "proposal")
        owner = planned.subject.split("/")[1]
        if name.tenant != (self.operator_tenant if owner == SYSTEM_TENANT else owner):
            raise not_found(proposal)
        return name

    def _admit(self, proposal: Proposal, planned: PlannedAct, now: datetime) -> None:
        check_may_execute(proposal, planned, required=self.policy.needed(planned.act), now=now)

    async def _once(
        self, request: RequestKey, now: datetime, act: Callable[[Connection], tuple[ChildName, LogPromise]]
    ) -> Proposal:
        """Acts, or finds that the call was answered before."""

        def commit(tx: Connection) -> ProposalAnswer:
            if (earlier := self._replays.find(tx, request)) is not None:
                return earlier
            name, promise = act(tx)
            answer = ProposalAnswer(proposal=str(name), promise=promise)
            self._replays.store(tx, request, answer, now)
            return answer

        answer = await self.database.write(commit)
        promise = await self.log.confirm(answer.promise, published=False)
        proposal = await self.get(ChildName.parse(answer.proposal, store.COLLECTION))
        return replace(proposal, promise=promise)

    def _record(
        self,
        tx: Connection,
        event_type: str,
        name: ChildName,
        now: datetime,
        details: dict[str, Json],
        committed: dict[str, str],
    ) -> LogPromise:
        """People, and what holds their names and words, stand in the log as commitments: a hash of something that can
        be guessed would tell it to everybody who guesses.
        """
        entry = LogEntry(new_id(now, self.randomness), event_type, name.tenant, str(name), now, details)
        return record_with_facts(tx, self.log, entry, committed, self.randomness)


def _created(terms: Terms) -> dict[str, Json]:
    return {
        "act": terms.planned.act.value,
        "approvals_needed": terms.needed,
        "expire_time": format_time(terms.expire_time),
        "of": terms.planned.subject,
    }


def _approved(approval: Approval) -> dict[str, Json]:
    return {
        "approver_key_sha256": approval.approver.key_sha256.hex(),
        "signature_sha256": _sha256(approval.signature),
    }


def _executed(proposal: Proposal) -> dict[str, Json]:
    return {
        "act": proposal.terms.planned.act.value,
        "approvals": len(proposal.approvals),
        "of": proposal.terms.planned.subject,
    }


def _terms(payload: bytes) -> dict[str, str]:
    """The payload has the proposer's name and reason in it."""
    return {"payload_sha256": _sha256(payload)}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
