"""client.approvals: m of n. Propose an act, approve what others propose, with the key of this client's certificate."""

from collections.abc import Iterator
from datetime import timedelta

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf.duration_pb2 import Duration

from hallmark.v1 import approvals_pb2
from hallmark_client import rpc
from hallmark_client.calls import Calls
from hallmark_client.errors import ProfileInvalid
from hallmark_client.model.approvals import Proposal
from hallmark_client.model.enums import ProposalState, ProposedAct
from hallmark_client.wire.approvals import proposal_of
from hallmark_client.wire.scalars import enum_argument, number_of


class Approvals:
    """Reached as `client.approvals`. Proposals may be named by their id alone."""

    def __init__(self, calls: Calls, key_pem: bytes | None) -> None:
        """key_pem: private key of the client certificate; None when there is none, then nothing can be approved."""
        self._calls = calls
        self._key_pem = key_pem

    def propose(
        self,
        act: ProposedAct | str,
        subject: str,
        *,
        reason: str = "",
        parameters_sha256: bytes = b"",
        lifetime: timedelta | None = None,
        request_id: str | None = None,
    ) -> Proposal:
        """Ask for approvals of an act, such as DESTROY of "telemetry/versions/1".

        reason: at most 1,000 printable characters; approvers sign it too. parameters_sha256: 32 bytes, for acts that
        have parameters. lifetime: 10 minutes to 7 days, default a day. Raises InvalidArgument.
        """
        request = approvals_pb2.CreateProposalRequest(
            parent=self._calls.names.parent,
            act=number_of(enum_argument(ProposedAct, act, "act")),
            subject=self._calls.names.subject(subject),
            reason=reason,
            parameters_sha256=parameters_sha256,
            request_id=self._calls.request_id(request_id),
        )
        if lifetime is not None:
            span = Duration()
            span.FromTimedelta(lifetime)
            request.lifetime.CopyFrom(span)
        return self._calls(rpc.CREATE_PROPOSAL, request, proposal_of)

    def get(self, name: str) -> Proposal:
        """Raises NotFound."""
        request = approvals_pb2.GetProposalRequest(name=self._calls.names.proposal(name))
        return self._calls(rpc.GET_PROPOSAL, request, proposal_of)

    def list(self, *, state: ProposalState | str | None = None, page_size: int = 0) -> Iterator[Proposal]:
        """Newest first, fetched page by page; only those in `state` when it is given."""
        token = ""
        while True:
            request = approvals_pb2.ListProposalsRequest(
                parent=self._calls.names.parent, page_size=page_size, page_token=token
            )
            if state is not None:
                request.state = number_of(enum_argument(ProposalState, state, "state"))
            page, token = self._calls(
                rpc.LIST_PROPOSALS,
                request,
                lambda page: ([proposal_of(proposal) for proposal in page.proposals], page.next_page_token),
            )
            yield from page
            if not token:
                return

    def approve(self, proposal: Proposal, *, request_id: str | None = None) -> Proposal:
        """Sign, here and now, that you agree to the proposal as it was read with `get` or `list`.

        Raises FailedPrecondition (PROPOSAL_NOT_APPROVED: your own, approved by you already, or rejected;
        PROPOSAL_EXPIRED, PROPOSAL_USED), VerificationFailed (PROPOSAL_INVALID: the server shows one thing and has you
        sign another), ProfileInvalid (APPROVAL_KEY_UNUSABLE).
        """
        request = approvals_pb2.ApproveProposalRequest(
            name=proposal.name,
            signature=self._key().sign(proposal.message_to_sign(), ec.ECDSA(hashes.SHA256())),
            request_id=self._calls.request_id(request_id),
        )
        return self._calls(rpc.APPROVE_PROPOSAL, request, proposal_of)

    def reject(self, name: str, *, request_id: str | None = None) -> Proposal:
        """One no is enough, and final. Whoever proposed it withdraws it with this. Raises FailedPrecondition."""
        request = approvals_pb2.RejectProposalRequest(
            name=self._calls.names.proposal(name), request_id=self._calls.request_id(request_id)
        )
        return self._calls(rpc.REJECT_PROPOSAL, request, proposal_of)

    def _key(self) -> ec.EllipticCurvePrivateKey:
        try:
            key = serialization.load_pem_private_key(self._key_pem or b"", password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise ProfileInvalid(
                "APPROVAL_KEY_UNUSABLE", "approvals are signed with the profile's own key, which must be ECDSA on P-256"
            )
        return key
