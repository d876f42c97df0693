"""Approvals over the wire, with the settings of a careful operator: destruction takes two others."""

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hallmark.v1 import approvals_pb2, approvals_pb2_grpc, envelopes_pb2, envelopes_pb2_grpc, keys_pb2, keys_pb2_grpc
from rpc.wire import PARENT, channel, fresh_id, fresh_name, refused
from support.service import RunningService, running_service

SETTINGS = '[server]\nadmins = ["alice", "bob", "carol"]\n[approvals.required]\ndestroy = 2\n'


@pytest.fixture(scope="module")
def careful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("careful"), settings=SETTINGS) as running:
        yield running


@pytest.fixture
def admin(careful: RunningService) -> Iterator[grpc.Channel]:
    with channel(careful, "admin") as opened:
        yield opened


def _stub(opened: grpc.Channel) -> approvals_pb2_grpc.ApprovalServiceStub:
    return approvals_pb2_grpc.ApprovalServiceStub(opened)


def _old_epoch(admin: grpc.Channel) -> str:
    keys = keys_pb2_grpc.KeyServiceStub(admin)
    create = keys_pb2.CreateKeyRequest(
        parent=PARENT, key_id=fresh_name(), purpose=keys_pb2.KEY_PURPOSE_ENVELOPE, request_id=fresh_id()
    )
    name = keys.CreateKey(create, timeout=20).key.name
    keys.RotateKey(keys_pb2.RotateKeyRequest(name=name, request_id=fresh_id()), timeout=20)
    return f"{name}/versions/1"


def _propose(
    opened: grpc.Channel, subject: str, act: approvals_pb2.ProposedAct = approvals_pb2.PROPOSED_ACT_SHRED, **more
) -> approvals_pb2.Proposal:
    request = approvals_pb2.CreateProposalRequest(
        parent=PARENT, act=act, subject=subject, request_id=fresh_id(), **more
    )
    return _stub(opened).CreateProposal(request, timeout=20)


def _approval(service: RunningService, who: str, proposal: approvals_pb2.Proposal, *, key_of: str = ""):
    """A request signed with the key in the person's own profile folder."""
    pem = (service.home / "clients" / (key_of or who) / "key.pem").read_bytes()
    key = serialization.load_pem_private_key(pem, password=None)
    signature = key.sign(b"hallmark/approval/v1\n" + proposal.payload, ec.ECDSA(hashes.SHA256()))
    return approvals_pb2.ApproveProposalRequest(name=proposal.name, signature=signature, request_id=fresh_id())


def _shred(name: str, proposal: str = "") -> envelopes_pb2.ShredEpochRequest:
    return envelopes_pb2.ShredEpochRequest(name=name, proposal=proposal, request_id=fresh_id())


def test_destruction_takes_two_others(careful: RunningService, admin: grpc.Channel) -> None:
    epoch = _old_epoch(admin)
    envelopes = envelopes_pb2_grpc.EnvelopeServiceStub(admin)
    assert refused(envelopes.ShredEpoch, _shred(epoch)).reason == "APPROVAL_REQUIRED"
    proposal = _propose(admin, epoch, reason="end of retention")
    assert proposal.approvals_needed == 2
    assert (
        refused(_stub(admin).ApproveProposal, _approval(careful, "admin", proposal)).reason == "PROPOSAL_NOT_APPROVED"
    )
    with channel(careful, "bob") as bob, channel(careful, "carol") as carol:
        once = _stub(bob).ApproveProposal(_approval(careful, "bob", proposal), timeout=20)
        assert once.state == approvals_pb2.PROPOSAL_STATE_OPEN
        assert refused(envelopes.ShredEpoch, _shred(epoch, proposal.name)).reason == "PROPOSAL_NOT_APPROVED"
        twice = _stub(carol).ApproveProposal(_approval(careful, "carol", proposal), timeout=20)
        assert twice.state == approvals_pb2.PROPOSAL_STATE_APPROVED
    _signatures_can_be_checked_by_anyone(careful, twice)
    shredding = envelopes.ShredEpoch(_shred(epoch, proposal.name), timeout=20)
    assert b"epoch.shredded" in shredding.log.entry
    read = _stub(admin).GetProposal(approvals_pb2.GetProposalRequest(name=proposal.name), timeout=20)
    assert read.state == approvals_pb2.PROPOSAL_STATE_EXECUTED
    assert refused(envelopes.ShredEpoch, _shred(epoch, proposal.name)).reason == "STATE_TRANSITION_INVALID"


def _signatures_can_be_checked_by_anyone(service: RunningService, proposal: approvals_pb2.Proposal) -> None:
    for approval in proposal.approvals:
        folder = service.home / "clients" / approval.approver.rpartition("/")[2]
        key = x509.load_pem_x509_certificate((folder / "cert.pem").read_bytes()).public_key()
        key.verify(approval.signature, b"hallmark/approval/v1\n" + proposal.payload, ec.ECDSA(hashes.SHA256()))


def test_scheduled_destruction_asks_too(careful: RunningService, admin: grpc.Channel) -> None:
    keys = keys_pb2_grpc.KeyServiceStub(admin)
    epoch = _old_epoch(admin)

    def schedule(proposal: str = "") -> keys_pb2.ChangeKeyVersionStateRequest:
        return keys_pb2.ChangeKeyVersionStateRequest(
            name=epoch,
            action=keys_pb2.KEY_VERSION_ACTION_SCHEDULE_DESTROY,
            proposal=proposal,
            request_id=fresh_id(),
        )

    assert refused(keys.ChangeKeyVersionState, schedule()).reason == "APPROVAL_REQUIRED"
    proposal = _propose(admin, epoch, approvals_pb2.PROPOSED_ACT_DESTROY)
    for who in ("bob", "carol"):
        with channel(careful, who) as opened:
            _stub(opened).ApproveProposal(_approval(careful, who, proposal), timeout=20)
    keys.ChangeKeyVersionState(schedule(proposal.name), timeout=20)


def test_a_signature_by_anothers_key_is_refused(careful: RunningService, admin: grpc.Channel) -> None:
    proposal = _propose(admin, f"{PARENT}/keys/x/versions/1")
    with channel(careful, "bob") as bob:
        forged = _approval(careful, "bob", proposal, key_of="carol")
        refusal = refused(_stub(bob).ApproveProposal, forged)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "SIGNATURE_INVALID")


def test_lists_and_rejections(careful: RunningService, admin: grpc.Channel) -> None:
    made = [_propose(admin, f"{PARENT}/keys/x/versions/{number}").name for number in (1, 2, 3)]
    reject = approvals_pb2.RejectProposalRequest(name=made[1], request_id=fresh_id())
    assert _stub(admin).RejectProposal(reject, timeout=20).state == approvals_pb2.PROPOSAL_STATE_REJECTED
    with channel(careful, "auditor") as auditor:
        request = approvals_pb2.ListProposalsRequest(parent=PARENT, page_size=2)
        page = _stub(auditor).ListProposals(request, timeout=20)
        assert [proposal.name for proposal in page.proposals] == [made[2], made[1]]
        request.page_token = page.next_page_token
        assert _stub(auditor).ListProposals(request, timeout=20).proposals[0].name == made[0]
        assert refused(_stub(auditor).RejectProposal, reject).reason == "ROLE_NOT_ALLOWED"


def test_proposals_survive_a_restart(careful: RunningService) -> None:
    with channel(careful, "admin") as opened:
        made = _propose(opened, f"{PARENT}/keys/x/versions/1")
    careful.stop()
    careful.start()
    with channel(careful, "bob") as bob:
        read = _stub(bob).GetProposal(approvals_pb2.GetProposalRequest(name=made.name), timeout=20)
        assert read.payload == made.payload
        _stub(bob).ApproveProposal(_approval(careful, "bob", read), timeout=20)


def test_a_name_that_can_not_stand_in_a_certificate_stops_the_start(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match=r"server\.admins"),
        running_service(tmp_path / "wrong", settings='[server]\nadmins = ["Al Ice"]'),
    ):
        pass
