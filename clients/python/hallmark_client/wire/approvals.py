"""Proposals from the wire."""

from hallmark.v1 import approvals_pb2
from hallmark_client.model.approvals import Approval, Proposal
from hallmark_client.model.enums import ProposalState, ProposedAct
from hallmark_client.wire.log import promise_of
from hallmark_client.wire.scalars import member_of, moment


def proposal_of(wire: approvals_pb2.Proposal) -> Proposal:
    return Proposal(
        name=wire.name,
        act=member_of(ProposedAct, wire.act),
        subject=wire.subject,
        parameters_sha256=wire.parameters_sha256,
        reason=wire.reason,
        proposer=wire.proposer,
        state=member_of(ProposalState, wire.state),
        create_time=moment(wire.create_time),
        expire_time=moment(wire.expire_time),
        approvals_needed=wire.approvals_needed,
        approvals=tuple(_approval_of(approval) for approval in wire.approvals),
        payload=wire.payload,
        log=promise_of(wire.log),
    )


def _approval_of(wire: approvals_pb2.Proposal.Approval) -> Approval:
    return Approval(approver=wire.approver, approve_time=moment(wire.approve_time), signature=wire.signature)
