import dataclasses
import uuid
from datetime import timedelta

import pytest

from hallmark_client import (
    Client,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Proposal,
    ProposalState,
    ProposedAct,
    SignatureInvalid,
)


@pytest.fixture
def alice(client_under_test) -> Client:
    return client_under_test(name="alice")


@pytest.fixture
def bob(client_under_test) -> Client:
    return client_under_test(name="bob")


def propose(client: Client, **changes) -> Proposal:
    return client.approvals.propose(
        **{"act": "DESTROY", "subject": f"key-{uuid.uuid4().hex[:12]}/versions/1", "reason": "end of life", **changes}
    )


def test_what_was_proposed_can_be_read(alice: Client, bob: Client) -> None:
    made = propose(alice, parameters_sha256=bytes(32), lifetime=timedelta(hours=2))
    assert (made.act, made.state, made.reason) == (ProposedAct.DESTROY, ProposalState.OPEN, "end of life")
    assert made.subject.startswith("tenants/default/keys/key-")
    assert made.proposer.endswith("/tenants/default/admin/alice")
    assert made.expire_time - made.create_time == timedelta(hours=2)
    assert made.approvals_needed == 1
    assert bob.approvals.get(made.name) == made
    assert bob.approvals.get(made.name.rpartition("/")[2]) == made


def test_others_approve_with_the_key_of_their_certificate(alice: Client, bob: Client, client_under_test) -> None:
    made = propose(alice)
    approved = bob.approvals.approve(made)
    assert approved.state is ProposalState.APPROVED
    (approval,) = approved.approvals
    assert approval.approver.endswith("/admin/bob")
    assert approved.log.event_key != made.log.event_key
    again = client_under_test(name="carol").approvals.approve(made)
    assert len(again.approvals) == 2


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_nobody_approves_their_own_or_twice(alice: Client, bob: Client, client_under_test, who: str) -> None:
    made = propose(alice)
    bob.approvals.approve(made)
    with pytest.raises(FailedPrecondition) as refused:
        client_under_test(name=who).approvals.approve(made)
    assert refused.value.reason == "PROPOSAL_NOT_APPROVED"


def test_an_approval_of_one_proposal_is_none_of_another(alice: Client, bob: Client) -> None:
    made, other = propose(alice), propose(alice)

    class Swapped(Proposal):
        def message_to_sign(self) -> bytes:
            return other.message_to_sign()

    fields = {field.name: getattr(made, field.name) for field in dataclasses.fields(made)}
    with pytest.raises(SignatureInvalid):
        bob.approvals.approve(Swapped(**fields))


def test_one_no_is_enough(alice: Client, bob: Client) -> None:
    made = propose(alice)
    assert bob.approvals.reject(made.name).state is ProposalState.REJECTED
    with pytest.raises(FailedPrecondition) as refused:
        bob.approvals.approve(made)
    assert refused.value.reason == "PROPOSAL_NOT_APPROVED"
    own = propose(alice)
    assert alice.approvals.reject(own.name).state is ProposalState.REJECTED


def test_lists_are_newest_first(alice: Client, bob: Client) -> None:
    made = [propose(alice).name for _ in range(3)]
    bob.approvals.reject(made[1])
    listed = [proposal.name for proposal in alice.approvals.list(page_size=2)]
    assert sorted(name for name in listed if name in made) == sorted(made)
    assert len(set(listed)) == len(listed)
    assert made[1] in [proposal.name for proposal in alice.approvals.list(state="REJECTED")]
    assert not {made[1]} & {proposal.name for proposal in alice.approvals.list(state=ProposalState.OPEN)}


def test_a_retry_is_answered_again(alice: Client, bob: Client) -> None:
    request_id = str(uuid.uuid4())
    subject = f"key-{uuid.uuid4().hex[:12]}/versions/1"
    made = propose(alice, subject=subject, request_id=request_id)
    assert propose(alice, subject=subject, request_id=request_id).name == made.name
    rejecting = str(uuid.uuid4())
    first = bob.approvals.reject(made.name, request_id=rejecting)
    assert bob.approvals.reject(made.name, request_id=rejecting).log == first.log


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "tenants/other/keys/x/versions/1"},
        {"reason": "\x1b[31m"},
        {"reason": "x" * 1001},
        {"parameters_sha256": b"short"},
        {"lifetime": timedelta(minutes=9)},
        {"lifetime": timedelta(days=8)},
        {"act": "DANCE"},
    ],
)
def test_a_bad_proposal_is_refused(alice: Client, changes: dict) -> None:
    with pytest.raises(InvalidArgument):
        propose(alice, **changes)


def test_what_is_not_there_is_not_found(alice: Client) -> None:
    with pytest.raises(NotFound):
        alice.approvals.get(str(uuid.uuid4()))
    with pytest.raises(NotFound):
        alice.approvals.reject(str(uuid.uuid4()))


@pytest.mark.parametrize("role", ["backend", "auditor", "device"])
def test_only_admins_decide(client_under_test, alice: Client, role) -> None:
    made = propose(alice)
    other = client_under_test(role)
    for act in (
        lambda: propose(other),
        lambda: other.approvals.approve(made),
        lambda: other.approvals.reject(made.name),
    ):
        with pytest.raises(PermissionDenied):
            act()
