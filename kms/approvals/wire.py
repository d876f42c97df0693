"""Proposals on the wire: model <-> protobuf."""

from datetime import datetime, timedelta

from google.protobuf import timestamp_pb2

from hallmark.v1 import approvals_pb2
from kms.approvals.model import Approval, Proposal, ProposalState, ProposedAct
from kms.core.errors import InvalidArgument, Reason
from kms.log.wire import promise_to_wire

SIGNATURE_BYTES_MAX = 72
"""DER of an ECDSA P-256 signature (RFC 3279, section 2.2.3)."""
_ACTS: dict[approvals_pb2.ProposedAct, ProposedAct] = {
    approvals_pb2.PROPOSED_ACT_DESTROY: ProposedAct.DESTROY,
    approvals_pb2.PROPOSED_ACT_SHRED: ProposedAct.SHRED,
    approvals_pb2.PROPOSED_ACT_EXPORT: ProposedAct.EXPORT,
    approvals_pb2.PROPOSED_ACT_POLICY_CHANGE: ProposedAct.POLICY_CHANGE,
    approvals_pb2.PROPOSED_ACT_TRUST_ROOT_CHANGE: ProposedAct.TRUST_ROOT_CHANGE,
}
_ACT_NUMBERS = {act: number for number, act in _ACTS.items()}
_STATES: dict[approvals_pb2.ProposalState, ProposalState] = {
    approvals_pb2.PROPOSAL_STATE_OPEN: ProposalState.OPEN,
    approvals_pb2.PROPOSAL_STATE_APPROVED: ProposalState.APPROVED,
    approvals_pb2.PROPOSAL_STATE_REJECTED: ProposalState.REJECTED,
    approvals_pb2.PROPOSAL_STATE_EXPIRED: ProposalState.EXPIRED,
    approvals_pb2.PROPOSAL_STATE_EXECUTED: ProposalState.EXECUTED,
}
_STATE_NUMBERS = {state: number for number, state in _STATES.items()}


def act_from_wire(number: approvals_pb2.ProposedAct) -> ProposedAct:
    if number not in _ACTS:
        raise InvalidArgument(Reason.FIELD_INVALID, "act is required: one of those listed", field="act")
    return _ACTS[number]


def state_from_wire(number: approvals_pb2.ProposalState) -> ProposalState | None:
    """None: proposals in every state."""
    if number == approvals_pb2.PROPOSAL_STATE_UNSPECIFIED:
        return None
    if number not in _STATES:
        raise InvalidArgument(Reason.FIELD_INVALID, "state is not one that this server knows", field="state")
    return _STATES[number]


def lifetime_from_wire(request: approvals_pb2.CreateProposalRequest) -> timedelta | None:
    """None when it was left out."""
    if not request.HasField("lifetime"):
        return None
    try:
        return request.lifetime.ToTimedelta()
    except (ValueError, OverflowError):
        raise InvalidArgument(
            Reason.FIELD_INVALID, "lifetime is not a valid google.protobuf.Duration", field="lifetime"
        ) from None


def signature_from_wire(signature: bytes) -> bytes:
    if not 1 <= len(signature) <= SIGNATURE_BYTES_MAX:
        raise InvalidArgument(
            Reason.FIELD_INVALID,
            f"signature must be ECDSA P-256 in DER, at most {SIGNATURE_BYTES_MAX} bytes",
            field="signature",
        )
    return signature


def proposal_to_wire(proposal: Proposal, now: datetime) -> approvals_pb2.Proposal:
    terms = proposal.terms
    return approvals_pb2.Proposal(
        name=str(terms.name),
        act=_ACT_NUMBERS[terms.planned.act],
        subject=terms.planned.subject,
        parameters_sha256=terms.planned.parameters_sha256,
        reason=terms.reason,
        proposer=terms.proposer.spiffe_id,
        state=_STATE_NUMBERS[proposal.state(now)],
        create_time=_time(terms.create_time),
        expire_time=_time(terms.expire_time),
        approvals_needed=terms.needed,
        approvals=[_approval_to_wire(approval) for approval in proposal.approvals],
        payload=proposal.payload,
        log=promise_to_wire(proposal.promise),
    )


def _approval_to_wire(approval: Approval) -> approvals_pb2.Proposal.Approval:
    return approvals_pb2.Proposal.Approval(
        approver=approval.approver.spiffe_id,
        approve_time=_time(approval.approve_time),
        signature=approval.signature,
    )


def _time(moment: datetime) -> timestamp_pb2.Timestamp:
    message = timestamp_pb2.Timestamp()
    message.FromDatetime(moment)
    return message
