"""ShredEpoch: at once, for ever, provable, and only with the approvals that the server asks for."""

import uuid
from datetime import UTC

import pytest
import sqlalchemy as sa

from hallmark.v1 import approvals_pb2
from kms.core.errors import FailedPrecondition, InvalidArgument, NotFound, Reason
from kms.core.names import KeyName
from kms.keys.lifecycle import Action
from kms.keys.model import KeyVersionState
from support.envelopes_world import KEY, VERSION, EnvelopesWorld


async def refusal(act) -> Reason:
    with pytest.raises(FailedPrecondition) as refused:
        await act
    return refused.value.reason


async def version(world: EnvelopesWorld, number: int = 1):
    return (await world.keys.keys.get(KeyName.parse(KEY))).version(number)


async def test_a_shredded_epoch_opens_nothing_and_leaves_no_material(world: EnvelopesWorld) -> None:
    key = await world.create()
    envelope = world.seal(b"gone tomorrow", key)
    sealed_half = key.versions[0].usable_material.post_quantum.ciphertext
    shredding = await world.shred_first()
    assert shredding.shred_time.ToDatetime(tzinfo=UTC) == world.clock.now()
    assert await refusal(world.open(envelope)) is Reason.KEY_VERSION_NOT_ACTIVE
    gone = await version(world)
    assert (gone.state, gone.material) == (KeyVersionState.DESTROYED, None)
    assert gone.public_bytes == key.versions[0].public_bytes, "the public half stays"
    rows = await world.keys.world.read(
        lambda tx: tx.execute(sa.text("SELECT material FROM key_version")).scalars().all()
    )
    assert not [row for row in rows if row is not None and sealed_half in row]
    newer = world.seal(b"still here", await world.keys.keys.get(key.name))
    assert (await world.open(newer, name=f"{KEY}/versions/2")).plaintext == b"still here"


async def test_the_log_proves_it(world: EnvelopesWorld) -> None:
    await world.create()
    shredding = await world.shred_first()
    (entry,) = await world.logged("epoch.shredded")
    assert (entry["subject"], entry["id"]) == (VERSION, shredding.log.event_key)
    assert entry["details"]["state"] == "destroyed"
    assert len(entry["details"]["public_key_sha256"]) == 64


async def test_a_retry_is_answered_with_the_first_proof(world: EnvelopesWorld) -> None:
    await world.create()
    await world.keys.rotate("telemetry")
    request_id = str(uuid.uuid4())
    first = await world.shred(request_id=request_id)
    again = await world.shred(request_id=request_id)
    assert (first.replayed, again.replayed) == (False, True)
    assert (again.log, again.shred_time) == (first.log, first.shred_time)
    assert await refusal(world.shred()) is Reason.STATE_TRANSITION_INVALID


async def test_an_epoch_that_is_sealed_to_is_not_shredded(world: EnvelopesWorld) -> None:
    envelope = world.seal(b"x", await world.create())
    assert await refusal(world.shred()) is Reason.STATE_TRANSITION_INVALID
    await world.change(VERSION, Action.SUSPEND)
    assert await refusal(world.shred()) is Reason.STATE_TRANSITION_INVALID
    await world.change(VERSION, Action.RESUME)
    assert (await world.open(envelope)).plaintext == b"x"


@pytest.mark.parametrize("actions", [[Action.DEACTIVATE], [Action.DEACTIVATE, Action.SCHEDULE_DESTROY]])
async def test_it_does_not_wait(world: EnvelopesWorld, actions: list[Action]) -> None:
    await world.create()
    for action in actions:
        await world.change(VERSION, action)
    await world.shred()
    assert (await version(world)).state is KeyVersionState.DESTROYED
    with pytest.raises(FailedPrecondition):
        await world.change(VERSION, Action.RESTORE)


async def test_a_compromised_epoch_can_be_shredded(world: EnvelopesWorld) -> None:
    key = await world.create()
    await world.keys.revoke(key.versions[0].name)
    await world.shred()
    assert (await version(world)).state is KeyVersionState.DESTROYED


async def test_approvals_are_asked_for_and_used_up(world: EnvelopesWorld) -> None:
    world.approvals.require(destroy=2)
    envelope = world.seal(b"x", await world.create())
    await world.keys.rotate("telemetry")
    assert await refusal(world.shred()) is Reason.APPROVAL_REQUIRED
    destruction = await world.approvals.propose(subject=VERSION)
    assert await refusal(world.shred(proposal=destruction.name)) is Reason.PROPOSAL_NOT_APPROVED
    proposal = await world.approvals.propose(subject=VERSION, act=approvals_pb2.PROPOSED_ACT_SHRED)
    await world.approvals.approve(proposal, "bob")
    assert await refusal(world.shred(proposal=proposal.name)) is Reason.PROPOSAL_NOT_APPROVED
    assert (await world.open(envelope)).plaintext == b"x"
    await world.approvals.approve(proposal, "carol")
    request_id = str(uuid.uuid4())
    await world.shred(proposal=proposal.name, request_id=request_id)
    assert (await world.approvals.get(proposal.name)).state == approvals_pb2.PROPOSAL_STATE_EXECUTED
    assert (await world.shred(proposal=proposal.name, request_id=request_id)).replayed
    executed = await world.logged("proposal.executed", "epoch.shredded")
    assert [entry["type"] for entry in executed] == ["proposal.executed", "epoch.shredded"]


async def test_an_approval_is_not_used_up_by_what_can_not_be_done(world: EnvelopesWorld) -> None:
    await world.create()
    proposed = await world.approvals.propose(subject=VERSION, act=approvals_pb2.PROPOSED_ACT_SHRED)
    proposal = await world.approvals.approve(proposed, "bob")
    assert await refusal(world.shred(proposal=proposal.name)) is Reason.STATE_TRANSITION_INVALID
    assert (await world.approvals.get(proposal.name)).state == approvals_pb2.PROPOSAL_STATE_APPROVED


async def test_other_keys_are_not_shredded(world: EnvelopesWorld) -> None:
    await world.keys.create("manifest")
    assert await refusal(world.shred(name="tenants/default/keys/manifest/versions/1")) is Reason.PURPOSE_MISMATCH
    with pytest.raises(NotFound):
        await world.shred(name="tenants/default/keys/none/versions/1")
    with pytest.raises(NotFound):
        await world.shred(name="tenants/system/keys/envelope-keys/versions/1")
    await world.create()
    with pytest.raises(NotFound):
        await world.shred(name=f"{KEY}/versions/7")
    with pytest.raises(InvalidArgument):
        await world.shred(name=KEY)
