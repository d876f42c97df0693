"""Proposals through the servicer: who may do what, when, and what stands in the log."""

import hashlib
import json
import uuid
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf import duration_pb2

from hallmark.v1 import approvals_pb2
from kms.core.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    Reason,
    ServiceError,
    Unauthenticated,
)
from support.approvals_world import SUBJECT, ApprovalsWorld, Operator

STATES = approvals_pb2.ProposalState


async def entries(world: ApprovalsWorld) -> list[dict]:
    raw = await world.world.read(lambda tx: list(tx.execute(sa.text("SELECT data FROM tlog_queue")).scalars()))
    return [entry for entry in map(json.loads, raw) if entry["type"].startswith("proposal.")]


async def test_what_is_proposed_can_be_read(world: ApprovalsWorld) -> None:
    made = await world.propose()
    assert made == await world.get(made.name, "bob")
    assert made.name.startswith("tenants/default/proposals/")
    assert (made.subject, made.reason, made.state) == (SUBJECT, "end of retention", STATES.PROPOSAL_STATE_OPEN)
    assert made.proposer == "spiffe://hallmark.test/tenants/default/admin/alice"
    assert made.approvals_needed == 1
    assert (made.expire_time.ToDatetime(tzinfo=UTC) - made.create_time.ToDatetime(tzinfo=UTC)).days == 1


async def test_the_payload_says_everything_that_approvers_agree_to(world: ApprovalsWorld) -> None:
    world.require(destroy=2)
    made = await world.propose(parameters_sha256=bytes(range(32)))
    payload = json.loads(made.payload)
    assert payload == {
        "v": 1,
        "name": made.name,
        "act": "destroy",
        "subject": SUBJECT,
        "parameters_sha256": bytes(range(32)).hex(),
        "reason": "end of retention",
        "proposer": made.proposer,
        "create_time": payload["create_time"],
        "expire_time": payload["expire_time"],
        "approvals_needed": 2,
    }
    assert datetime.fromisoformat(payload["expire_time"]) == made.expire_time.ToDatetime(tzinfo=UTC)


async def test_enough_approvals_by_others_make_it_approved(world: ApprovalsWorld) -> None:
    world.require(destroy=2)
    made = await world.propose("alice")
    once = await world.approve(made, "bob")
    assert (once.state, len(once.approvals)) == (STATES.PROPOSAL_STATE_OPEN, 1)
    twice = await world.approve(made, "carol")
    assert (twice.state, len(twice.approvals)) == (STATES.PROPOSAL_STATE_APPROVED, 2)
    assert [approval.approver.rpartition("/")[2] for approval in twice.approvals] == ["bob", "carol"]


@pytest.mark.parametrize("who", ["alice", "bob"])
async def test_nobody_approves_their_own_or_twice(world: ApprovalsWorld, who: str) -> None:
    world.require(destroy=3)
    made = await world.propose("alice")
    await world.approve(made, "bob")
    with pytest.raises(FailedPrecondition) as refused:
        await world.approve(made, who)
    assert refused.value.reason is Reason.PROPOSAL_NOT_APPROVED
    assert len((await world.get(made.name)).approvals) == 1


@pytest.mark.parametrize("first", ["alice", "bob"])
async def test_one_key_under_two_names_is_one_person(world: ApprovalsWorld, first: str) -> None:
    world.require(destroy=3)
    made = await world.propose("alice")
    await world.approve(made, "bob")
    world.people["twin"] = Operator("twin", key=world.person(first).key)
    with pytest.raises(FailedPrecondition) as refused:
        await world.approve(made, "twin")
    assert refused.value.reason is Reason.PROPOSAL_NOT_APPROVED


async def test_an_approval_is_a_signature_by_the_callers_own_key(world: ApprovalsWorld) -> None:
    made, other = await world.propose(), await world.propose()
    for signature in (
        world.person("carol").sign(made.payload),
        world.person("bob").sign(other.payload),
        world.person("bob").key.sign(made.payload, ec.ECDSA(hashes.SHA256())),
        b"0" * 70,
        b"\x30\x06\x02\x01\x00\x02\x01\x00",
    ):
        with pytest.raises(InvalidArgument) as refused:
            await world.approve(made, "bob", signature=signature)
        assert refused.value.reason is Reason.SIGNATURE_INVALID
    assert not (await world.get(made.name)).approvals


@pytest.mark.parametrize("signature", [b"", b"x" * 73])
async def test_a_signature_has_at_most_72_bytes(world: ApprovalsWorld, signature: bytes) -> None:
    with pytest.raises(InvalidArgument):
        await world.approve(await world.propose(), "bob", signature=signature)


async def test_a_key_of_another_kind_can_propose_but_not_approve(world: ApprovalsWorld) -> None:
    world.people["dave"] = Operator("dave", key=ec.generate_private_key(ec.SECP384R1()))
    made = await world.propose("alice")
    with pytest.raises(FailedPrecondition) as refused:
        await world.approve(made, "dave", signature=bytes(70))
    assert refused.value.reason is Reason.CERTIFICATE_UNKNOWN
    assert (await world.approve(await world.propose("dave"), "bob")).state == STATES.PROPOSAL_STATE_APPROVED


async def test_without_a_certificate_that_can_be_read_nobody_proposes(world: ApprovalsWorld) -> None:
    world.person("alice").certificate = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    with pytest.raises(Unauthenticated):
        await world.propose("alice")


@pytest.mark.parametrize("who", ["alice", "bob"])
async def test_one_no_is_enough(world: ApprovalsWorld, who: str) -> None:
    made = await world.propose("alice")
    await world.approve(made, "carol")
    rejected = await world.reject(made.name, who)
    assert rejected.state == STATES.PROPOSAL_STATE_REJECTED
    for act in (world.approve(made, "bob"), world.reject(made.name, "bob"), world.consume(made.name)):
        with pytest.raises(FailedPrecondition) as refused:
            await act
        assert refused.value.reason is Reason.PROPOSAL_NOT_APPROVED


async def test_a_proposal_ends_with_its_time(world: ApprovalsWorld) -> None:
    made = await world.propose(lifetime=duration_pb2.Duration(seconds=600))
    await world.approve(made, "bob")
    world.clock.advance(599)
    assert (await world.get(made.name)).state == STATES.PROPOSAL_STATE_APPROVED
    world.clock.advance(1)
    assert (await world.get(made.name)).state == STATES.PROPOSAL_STATE_EXPIRED
    for act in (world.approve(made, "carol"), world.reject(made.name, "bob"), world.consume(made.name)):
        with pytest.raises(FailedPrecondition) as refused:
            await act
        assert refused.value.reason is Reason.PROPOSAL_EXPIRED


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"act": 0}, "act"),
        ({"act": 99}, "act"),
        ({"subject": ""}, "subject"),
        ({"subject": "tenants/other/keys/x"}, "subject"),
        ({"subject": "tenants/default/keys/x\n"}, "subject"),
        ({"subject": "tenants/default/keys/" + "x" * 500}, "subject"),
        ({"parameters_sha256": b"short"}, "parameters_sha256"),
        ({"reason": "x" * 1001}, "reason"),
        ({"reason": "\x1b[2J"}, "reason"),
        ({"lifetime": duration_pb2.Duration(seconds=599)}, "lifetime"),
        ({"lifetime": duration_pb2.Duration(seconds=7 * 86400 + 1)}, "lifetime"),
        ({"lifetime": duration_pb2.Duration(seconds=2**60)}, "lifetime"),
        ({"request_id": "1"}, "request_id"),
        ({"parent": "tenants"}, "parent"),
    ],
)
async def test_a_bad_proposal_names_the_field(world: ApprovalsWorld, change: dict, field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await world.propose(**change)
    assert refused.value.field == field
    assert not (await world.list()).proposals


async def test_the_same_request_is_answered_once(world: ApprovalsWorld) -> None:
    request_id = str(uuid.uuid4())
    made = await world.propose(request_id=request_id)
    assert await world.propose(request_id=request_id) == made
    signature = world.person("bob").sign(made.payload)
    approving = {"request_id": str(uuid.uuid4()), "signature": signature}
    first = await world.approve(made, "bob", **approving)
    assert await world.approve(made, "bob", **approving) == first
    rejecting = str(uuid.uuid4())
    rejected = await world.reject(made.name, "bob", request_id=rejecting)
    assert await world.reject(made.name, "bob", request_id=rejecting) == rejected
    assert [entry["type"] for entry in await entries(world)] == [
        "proposal.created",
        "proposal.approved",
        "proposal.rejected",
    ]
    with pytest.raises(AlreadyExists):
        await world.propose(request_id=request_id, reason="another")


async def test_every_step_is_logged_and_names_nobody(world: ApprovalsWorld) -> None:
    made = await world.propose("alice")
    approved = await world.approve(made, "bob")
    await world.consume(made.name)
    created, agreed, done = await entries(world)
    assert {entry["subject"] for entry in (created, agreed, done)} == {made.name}
    assert [set(entry["commitments"]) for entry in (created, agreed, done)] == [
        {"proposer", "payload_sha256"},
        {"approver", "payload_sha256"},
        {"payload_sha256"},
    ]
    assert agreed["details"]["signature_sha256"] == hashlib.sha256(approved.approvals[0].signature).hexdigest()
    assert done["details"] == {"act": "destroy", "approvals": 1, "of": SUBJECT}
    guessed = hashlib.sha256(made.payload).hexdigest()
    assert not any(guessed in json.dumps(entry) for entry in (created, agreed, done)), "it holds names and words"
    assert not any(name in json.dumps(entry) for entry in (created, agreed, done) for name in ("alice", "bob"))
    assert made.log.entry != approved.log.entry
    assert (await world.get(made.name)).log.event_key == done["id"], "the newest entry"


async def test_lists_are_newest_first_and_in_pages(world: ApprovalsWorld) -> None:
    made = []
    for _ in range(5):
        made.append((await world.propose()).name)
        world.clock.advance(1)
    seen, token = [], ""
    while True:
        page = await world.list(page_size=2, page_token=token)
        seen += [proposal.name for proposal in page.proposals]
        token = page.next_page_token
        if not token:
            break
    assert seen == made[::-1]


async def test_lists_of_one_state(world: ApprovalsWorld) -> None:
    names = {}
    names["EXPIRED"] = (await world.propose(lifetime=duration_pb2.Duration(seconds=600))).name
    world.clock.advance(600)
    names["OPEN"] = (await world.propose()).name
    names["APPROVED"] = (await world.approve(await world.propose(), "bob")).name
    names["REJECTED"] = (await world.reject((await world.propose()).name, "bob")).name
    names["EXECUTED"] = (await world.approve(await world.propose(), "bob")).name
    await world.consume(names["EXECUTED"])
    world.clock.advance(60)
    for state, name in names.items():
        found = (await world.list(state=STATES.Value(f"PROPOSAL_STATE_{state}"))).proposals
        assert [(proposal.name, STATES.Name(proposal.state)) for proposal in found] == [
            (name, f"PROPOSAL_STATE_{state}")
        ]
    assert len((await world.list()).proposals) == 5
    with pytest.raises(InvalidArgument):
        await world.list(state=77)


@pytest.mark.parametrize("token", ["%%%", "é"])
async def test_a_page_token_of_nobody_is_refused(world: ApprovalsWorld, token: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await world.list(page_token=token)
    assert refused.value.reason is Reason.PAGE_TOKEN_INVALID


async def test_other_tenants_see_nothing(world: ApprovalsWorld) -> None:
    made = await world.propose()
    world.people["mallory"] = Operator("mallory", tenant="other")
    for act in (
        world.get(made.name, "mallory"),
        world.approve(made, "mallory"),
        world.reject(made.name, "mallory"),
        world.list("mallory"),
        world.propose("mallory"),
    ):
        with pytest.raises(NotFound):
            await act


async def test_what_is_not_there_is_not_found(world: ApprovalsWorld) -> None:
    name = f"tenants/default/proposals/{uuid.uuid4()}"
    with pytest.raises(NotFound):
        await world.get(name)
    with pytest.raises(NotFound):
        await world.reject(name, "bob")
    with pytest.raises(ServiceError):
        await world.get("tenants/default/keys/x")
