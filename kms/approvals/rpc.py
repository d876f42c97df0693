"""ApprovalService on the wire."""

from dataclasses import dataclass

from hallmark.v1 import approvals_pb2, approvals_pb2_grpc
from kms.approvals import wire
from kms.approvals.model import Person, PlannedAct
from kms.approvals.payload import certified_key, key_sha256
from kms.approvals.service import ApprovalService
from kms.approvals.store import COLLECTION
from kms.core.call import Call
from kms.core.idempotency import RequestKey
from kms.core.names import ChildName, TenantName
from kms.keys.paging import page_size, page_token, read_page_token

_PAGE_MAX = 200
"""More might not fit gRPC's default of 4 MiB for one message: a proposal can have 15 KiB."""
_Mutation = (
    approvals_pb2.CreateProposalRequest | approvals_pb2.ApproveProposalRequest | approvals_pb2.RejectProposalRequest
)


def _own_tenant(parent: str, call: Call) -> str:
    tenant = TenantName.parse(parent).tenant
    call.caller.may_see(tenant, parent)
    return tenant


def _own_proposal(text: str, call: Call) -> ChildName:
    name = ChildName.parse(text, COLLECTION)
    call.caller.may_see(name.tenant, text)
    return name


def _request_key(request: _Mutation, call: Call) -> RequestKey:
    """Whoever repeats an approval signs anew, and an ECDSA signature is another one each time: still the same call."""
    return RequestKey.of_message(call.caller, call.method, request, without=("signature",))


@dataclass(frozen=True, slots=True)
class ApprovalServicer(approvals_pb2_grpc.ApprovalServiceServicer):
    approvals: ApprovalService

    async def CreateProposal(self, request: approvals_pb2.CreateProposalRequest, call: Call) -> approvals_pb2.Proposal:
        proposal = await self.approvals.propose(
            _own_tenant(request.parent, call),
            PlannedAct(
                act=wire.act_from_wire(request.act),
                subject=request.subject,
                parameters_sha256=request.parameters_sha256,
            ),
            reason=request.reason,
            lifetime=wire.lifetime_from_wire(request),
            proposer=Person(call.caller.spiffe_id, key_sha256(certified_key(call.channel.peer_certificate))),
            request=_request_key(request, call),
            now=call.now,
        )
        return wire.proposal_to_wire(proposal, call.now)

    async def GetProposal(self, request: approvals_pb2.GetProposalRequest, call: Call) -> approvals_pb2.Proposal:
        proposal = await self.approvals.get(_own_proposal(request.name, call))
        return wire.proposal_to_wire(proposal, call.now)

    async def ListProposals(
        self, request: approvals_pb2.ListProposalsRequest, call: Call
    ) -> approvals_pb2.ListProposalsResponse:
        size = min(page_size(request.page_size), _PAGE_MAX)
        found = await self.approvals.newest(
            _own_tenant(request.parent, call),
            before=read_page_token(request.page_token),
            limit=size + 1,
            state=wire.state_from_wire(request.state),
            now=call.now,
        )
        more = len(found) > size
        return approvals_pb2.ListProposalsResponse(
            proposals=[wire.proposal_to_wire(proposal, call.now) for proposal in found[:size]],
            next_page_token=page_token(found[size - 1].name.id) if more else "",
        )

    async def ApproveProposal(
        self, request: approvals_pb2.ApproveProposalRequest, call: Call
    ) -> approvals_pb2.Proposal:
        proposal = await self.approvals.approve(
            _own_proposal(request.name, call),
            wire.signature_from_wire(request.signature),
            approver=call.caller.spiffe_id,
            key=certified_key(call.channel.peer_certificate),
            request=_request_key(request, call),
            now=call.now,
        )
        return wire.proposal_to_wire(proposal, call.now)

    async def RejectProposal(self, request: approvals_pb2.RejectProposalRequest, call: Call) -> approvals_pb2.Proposal:
        proposal = await self.approvals.reject(
            _own_proposal(request.name, call),
            rejecter=call.caller.spiffe_id,
            request=_request_key(request, call),
            now=call.now,
        )
        return wire.proposal_to_wire(proposal, call.now)
