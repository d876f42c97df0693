"""Proposals of the fake: approvals are real signatures, checked against the key of whoever calls."""

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import grpc
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf.timestamp_pb2 import Timestamp

from hallmark.v1 import approvals_pb2
from hallmark_client.model.approvals import SIGNING_PREFIX
from hallmark_client.testing.people import Peer
from hallmark_client.testing.refusals import invalid, not_found, precondition, refusal
from hallmark_client.testing.state import State

_LIFETIMES: Final = (timedelta(minutes=10), timedelta(days=7))
_MAX_PAGE: Final = 1000
_DEFAULT_PAGE: Final = 100
_WHO: Final = {"proposal.created": "proposer", "proposal.approved": "approver", "proposal.rejected": "rejecter"}
"""Who acted, by the type of the entry."""
_UNDECIDED: Final = (approvals_pb2.PROPOSAL_STATE_OPEN, approvals_pb2.PROPOSAL_STATE_APPROVED)


class FakeApprovals:
    """The ApprovalService. `peer` is who calls now; `required` approvals are asked for each act (0: for none)."""

    def __init__(self, state: State) -> None:
        self.peer: Peer | None = None
        self.required = 0
        self._state = state
        self._proposals: dict[str, approvals_pb2.Proposal] = {}
        self._keys: dict[str, set[bytes]] = {}
        """For each proposal the keys of those who can not approve it any more: its proposer's, its approvers'."""

    def create(self, request: approvals_pb2.CreateProposalRequest) -> approvals_pb2.Proposal:
        self._state.check_parent(request.parent)
        _check_request(request, self._state.parent)
        peer, now = self._caller(), self._state.now()
        lifetime = request.lifetime.ToTimedelta() if request.HasField("lifetime") else timedelta(days=1)
        if not _LIFETIMES[0] <= lifetime <= _LIFETIMES[1]:
            raise invalid("lifetime", "must be 10 minutes to 7 days")
        proposal = approvals_pb2.Proposal(
            name=f"{self._state.parent}/proposals/{self._state.new_id()}",
            act=request.act,
            subject=request.subject,
            parameters_sha256=request.parameters_sha256,
            reason=request.reason,
            proposer=peer.spiffe_id,
            create_time=_stamp(now),
            expire_time=_stamp(now + lifetime),
            approvals_needed=max(1, self.needed(request.act)),
        )
        proposal.payload = _payload(proposal)
        self._proposals[proposal.name] = proposal
        self._keys[proposal.name] = {peer.key_spki}
        return self._recorded("proposal.created", proposal)

    def get(self, request: approvals_pb2.GetProposalRequest) -> approvals_pb2.Proposal:
        return self._shown(self._find(request.name))

    def list(self, request: approvals_pb2.ListProposalsRequest) -> approvals_pb2.ListProposalsResponse:
        self._state.check_parent(request.parent)
        if not 0 <= request.page_size <= _MAX_PAGE:
            raise invalid("page_size", f"must be 0 to {_MAX_PAGE}")
        size = request.page_size or _DEFAULT_PAGE
        # Beside one another in time, ids may not be in order: here the order of creation counts.
        newest_first = [self._shown(proposal) for proposal in reversed(self._proposals.values())]
        found = [each for each in newest_first if request.state in {0, each.state}]
        names = [each.name for each in found]
        if request.page_token and request.page_token not in names:
            raise invalid("page_token", "is not one of ours", "PAGE_TOKEN_INVALID")
        begin = names.index(request.page_token) + 1 if request.page_token else 0
        more = names[begin + size - 1] if len(found) > begin + size else ""
        return approvals_pb2.ListProposalsResponse(proposals=found[begin : begin + size], next_page_token=more)

    def approve(self, request: approvals_pb2.ApproveProposalRequest) -> approvals_pb2.Proposal:
        proposal, peer = self._find(request.name), self._caller()
        try:
            peer.public_key.verify(request.signature, SIGNING_PREFIX + proposal.payload, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            sentence = "the approval does not verify with the key of your client certificate"
            raise refusal(grpc.StatusCode.INVALID_ARGUMENT, "SIGNATURE_INVALID", sentence) from None
        self._check_undecided(proposal)
        people = {proposal.proposer, *(approval.approver for approval in proposal.approvals)}
        if peer.spiffe_id in people or peer.key_spki in self._keys[proposal.name]:
            raise precondition("PROPOSAL_NOT_APPROVED", f"{proposal.name} takes other people's approvals than yours")
        self._keys[proposal.name].add(peer.key_spki)
        proposal.approvals.add(
            approver=peer.spiffe_id, approve_time=_stamp(self._state.now()), signature=request.signature
        )
        return self._recorded("proposal.approved", proposal)

    def reject(self, request: approvals_pb2.RejectProposalRequest) -> approvals_pb2.Proposal:
        proposal = self._find(request.name)
        self._check_undecided(proposal)
        proposal.state = approvals_pb2.PROPOSAL_STATE_REJECTED
        return self._recorded("proposal.rejected", proposal)

    def needed(self, act: Any) -> int:
        """Approvals that an act takes now. An export always takes one."""
        return max(self.required, 1 if act == approvals_pb2.PROPOSED_ACT_EXPORT else 0)

    def consume(self, name: str, act: Any, subject: str, parameters_sha256: bytes = b"") -> None:
        """An act that asks whether it may be done. Raises FailedPrecondition, NotFound."""
        needed = self.needed(act)
        if not name:
            if needed:
                kind = approvals_pb2.ProposedAct.Name(act).removeprefix("PROPOSED_ACT_").lower()
                metadata = {"act": kind, "subject": subject, "parameters_sha256": parameters_sha256.hex()}
                sentence = f"{subject} needs a proposal with {needed} approvals"
                raise precondition("APPROVAL_REQUIRED", sentence, metadata=metadata)
            return
        proposal = self._find(name)
        self._check_undecided(proposal)
        if (proposal.act, proposal.subject, proposal.parameters_sha256) != (act, subject, parameters_sha256):
            raise precondition("PROPOSAL_NOT_APPROVED", f"{name} is not about this act of {subject}")
        if len(proposal.approvals) < max(proposal.approvals_needed, needed):
            raise precondition("PROPOSAL_NOT_APPROVED", f"{name} has too few approvals")
        proposal.state = approvals_pb2.PROPOSAL_STATE_EXECUTED
        self._recorded("proposal.executed", proposal)

    def _caller(self) -> Peer:
        assert self.peer is not None, "approvals need to know who calls"
        return self.peer

    def _find(self, name: str) -> approvals_pb2.Proposal:
        self._state.check_child_name(name, "proposals")
        if name not in self._proposals:
            raise not_found(name)
        return self._proposals[name]

    def _check_undecided(self, proposal: approvals_pb2.Proposal) -> None:
        match self._shown(proposal).state:
            case approvals_pb2.PROPOSAL_STATE_EXECUTED:
                raise precondition("PROPOSAL_USED", f"{proposal.name} was carried out already")
            case approvals_pb2.PROPOSAL_STATE_EXPIRED:
                raise precondition("PROPOSAL_EXPIRED", f"{proposal.name} has expired; propose it again")
            case state if state not in _UNDECIDED:
                raise precondition("PROPOSAL_NOT_APPROVED", f"{proposal.name} was rejected")

    def _shown(self, proposal: approvals_pb2.Proposal) -> approvals_pb2.Proposal:
        """The stored message knows REJECTED and EXECUTED; the other states follow from time and approvals."""
        shown = approvals_pb2.Proposal()
        shown.CopyFrom(proposal)
        if not shown.state and self._state.now() >= proposal.expire_time.ToDatetime(tzinfo=UTC):
            shown.state = approvals_pb2.PROPOSAL_STATE_EXPIRED
        elif not shown.state:
            enough = len(proposal.approvals) >= proposal.approvals_needed
            shown.state = _UNDECIDED[enough]
        return shown

    def _recorded(self, kind: str, proposal: approvals_pb2.Proposal) -> approvals_pb2.Proposal:
        """The log names nobody in the clear: it commits to who acted, and to what was signed."""
        committed = {}
        if kind != "proposal.rejected":
            committed["payload_sha256"] = hashlib.sha256(proposal.payload).hexdigest()
        if kind in _WHO and self.peer is not None:
            committed[_WHO[kind]] = self.peer.spiffe_id
        proposal.log.CopyFrom(self._state.record(kind, proposal.name, {}, wait=0, committed=committed))
        return self._shown(proposal)


def _check_request(request: approvals_pb2.CreateProposalRequest, parent: str) -> None:
    """Raises InvalidArgument."""
    if not request.act or request.act not in approvals_pb2.ProposedAct.values():
        raise invalid("act", "is required: one of those listed")
    if not re.fullmatch(rf"(?:{parent}|tenants/system)(?:/[a-z-]+/[A-Za-z0-9._/-]{{1,400}})?", request.subject):
        raise invalid("subject", f"must be the name of a resource of {parent}", "NAME_INVALID")
    if len(request.parameters_sha256) not in {0, 32}:
        raise invalid("parameters_sha256", "must have 32 bytes, or be left out")
    if len(request.reason) > 1000 or not request.reason.isprintable():
        raise invalid("reason", "may have 1000 printable characters on one line")


def _payload(proposal: approvals_pb2.Proposal) -> bytes:
    terms = {
        "v": 1,
        "name": proposal.name,
        "act": approvals_pb2.ProposedAct.Name(proposal.act).removeprefix("PROPOSED_ACT_").lower(),
        "subject": proposal.subject,
        "parameters_sha256": proposal.parameters_sha256.hex(),
        "reason": proposal.reason,
        "proposer": proposal.proposer,
        "create_time": _text(proposal.create_time),
        "expire_time": _text(proposal.expire_time),
        "approvals_needed": proposal.approvals_needed,
    }
    return json.dumps(terms, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _text(stamp: Timestamp) -> str:
    return stamp.ToDatetime().strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _stamp(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp
