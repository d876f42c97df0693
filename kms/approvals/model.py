"""Proposals and approvals, and the rules about them as pure functions."""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

from kms.core.errors import FailedPrecondition, InvalidArgument, Reason
from kms.core.names import ID_PATTERN, ChildName
from kms.keys.model import SYSTEM_TENANT
from kms.log.model import LogPromise

LIFETIME_MIN = timedelta(minutes=10)
LIFETIME_MAX = timedelta(days=7)
LIFETIME_DEFAULT = timedelta(days=1)
REASON_CHARACTERS_MAX = 1000
_SUBJECT = re.compile(rf"tenants/({ID_PATTERN})(?:/[A-Za-z-]{{1,63}}/[A-Za-z0-9._/-]{{1,400}})?")


class ProposedAct(StrEnum):
    """What can be asked for. DESTROY can be called off for a while, SHRED (of an epoch) can not."""

    DESTROY = "destroy"
    SHRED = "shred"
    EXPORT = "export"
    POLICY_CHANGE = "policy_change"
    TRUST_ROOT_CHANGE = "trust_root_change"


class ProposalState(StrEnum):
    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    EXECUTED = "executed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedAct:
    """An act of a subject. `parameters_sha256` (32 bytes, or empty): of what exactly, for acts that have parameters."""

    act: ProposedAct
    subject: str
    parameters_sha256: bytes = b""

    def __str__(self) -> str:
        return f"{self.act} of {self.subject}"


@dataclass(frozen=True, slots=True)
class Person:
    """Who acts. `key_sha256` is the SHA-256 of the SubjectPublicKeyInfo of the client certificate: two names with one
    key are one person here.
    """

    spiffe_id: str
    key_sha256: bytes

    def is_same_as(self, other: "Person") -> bool:
        return self.spiffe_id == other.spiffe_id or hmac.compare_digest(self.key_sha256, other.key_sha256)


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A signature over the proposal's payload by the key of the approver's client certificate."""

    approver: Person
    approve_time: datetime
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What approvers agree to: everything that is known when it is proposed, and never changes."""

    name: ChildName
    planned: PlannedAct
    reason: str
    proposer: Person
    create_time: datetime
    expire_time: datetime
    needed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Terms, and what became of them. `payload` is the terms as approvers sign them.

    `promise` is that of the newest log entry about the proposal.
    """

    terms: Terms
    payload: bytes
    promise: LogPromise
    reject_time: datetime | None = None
    execute_time: datetime | None = None
    approvals: tuple[Approval, ...] = field(default=())

    @property
    def name(self) -> ChildName:
        return self.terms.name

    def state(self, now: datetime) -> ProposalState:
        """What was done stays; what was not done in time can not be done any more."""
        if self.execute_time is not None:
            return ProposalState.EXECUTED
        if self.reject_time is not None:
            return ProposalState.REJECTED
        if now >= self.terms.expire_time:
            return ProposalState.EXPIRED
        return ProposalState.APPROVED if len(self.approvals) >= self.terms.needed else ProposalState.OPEN


@dataclass(frozen=True, slots=True)
class ApprovalPolicy:
    """How many approvals an act needs beside its proposal; 0: the act is not asked about. Production sets 2 or more.

    An export always takes one: what has left can not be called back.
    """

    required: Mapping[ProposedAct, int] = field(default_factory=dict)

    def needed(self, act: ProposedAct) -> int:
        return max(self.required.get(act, 0), 1 if act is ProposedAct.EXPORT else 0)


def check_planned(planned: PlannedAct, tenant: str) -> PlannedAct:
    """Of a resource of the tenant or of the service's own, or of the tenant itself. Raises InvalidArgument."""
    found = _SUBJECT.fullmatch(planned.subject)
    if found is None or found[1] not in {tenant, SYSTEM_TENANT}:
        raise InvalidArgument(
            Reason.NAME_INVALID, f"subject must be the name of a resource of tenants/{tenant}", field="subject"
        )
    if len(planned.parameters_sha256) not in {0, 32}:
        raise InvalidArgument(
            Reason.FIELD_INVALID, "parameters_sha256 must have 32 bytes, or be left out", field="parameters_sha256"
        )
    return planned


def check_reason(reason: str) -> str:
    """At most 1,000 printable characters: approvers read it in a terminal."""
    if len(reason) > REASON_CHARACTERS_MAX or not reason.isprintable():
        raise InvalidArgument(
            Reason.FIELD_INVALID,
            f"reason may have {REASON_CHARACTERS_MAX} printable characters on one line",
            field="reason",
        )
    return reason


def check_lifetime(lifetime: timedelta | None) -> timedelta:
    if lifetime is None:
        return LIFETIME_DEFAULT
    if not LIFETIME_MIN <= lifetime <= LIFETIME_MAX:
        raise InvalidArgument(Reason.FIELD_INVALID, "lifetime must be 10 minutes to 7 days", field="lifetime")
    return lifetime


def check_undecided(proposal: Proposal, now: datetime) -> None:
    """May it still be approved or rejected? Raises FailedPrecondition with what became of it."""
    match state := proposal.state(now):
        case ProposalState.OPEN | ProposalState.APPROVED:
            return
        case ProposalState.EXECUTED:
            raise refused(proposal, Reason.PROPOSAL_USED, "was carried out already")
        case ProposalState.EXPIRED:
            raise refused(proposal, Reason.PROPOSAL_EXPIRED, "has expired; propose it again")
        case ProposalState.REJECTED:
            raise refused(proposal, Reason.PROPOSAL_NOT_APPROVED, "was rejected")
        case _:
            assert_never(state)


def check_may_approve(proposal: Proposal, approver: Person, now: datetime) -> None:
    """Nobody approves what they proposed, nor twice. Raises FailedPrecondition/PROPOSAL_NOT_APPROVED and as above."""
    check_undecided(proposal, now)
    if approver.is_same_as(proposal.terms.proposer):
        raise refused(
            proposal, Reason.PROPOSAL_NOT_APPROVED, "was proposed by you; it takes other people to approve it"
        )
    if any(approver.is_same_as(approval.approver) for approval in proposal.approvals):
        raise refused(proposal, Reason.PROPOSAL_NOT_APPROVED, "has your approval already; it takes other people's too")


def check_may_execute(proposal: Proposal, planned: PlannedAct, *, required: int, now: datetime) -> None:
    """Exactly what was approved, by as many as the policy asks today, in time, once. Raises FailedPrecondition."""
    check_undecided(proposal, now)
    if proposal.terms.planned != planned:
        raise refused(proposal, Reason.PROPOSAL_NOT_APPROVED, f"is not about this: {planned}")
    given, needed = len(proposal.approvals), max(proposal.terms.needed, required)
    if given < needed:
        raise refused(proposal, Reason.PROPOSAL_NOT_APPROVED, f"has {given} of the {needed} approvals that it needs")


def refused(proposal: Proposal, reason: Reason, what: str) -> FailedPrecondition:
    return FailedPrecondition(reason, f"{proposal.name} {what}", resource=str(proposal.name))


def approval_required(planned: PlannedAct, needed: int) -> FailedPrecondition:
    return FailedPrecondition(
        Reason.APPROVAL_REQUIRED,
        f"{planned} needs a proposal with {needed} approvals: create one, have it approved, and name it in this call",
        resource=planned.subject,
        metadata={
            "act": planned.act.value,
            "subject": planned.subject,
            "parameters_sha256": planned.parameters_sha256.hex(),
            "approvals_needed": str(needed),
        },
    )
