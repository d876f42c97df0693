"""The question an act asks before it is done."""

import pytest

from hallmark.v1 import approvals_pb2
from kms.approvals.model import PlannedAct, ProposedAct
from kms.core.errors import FailedPrecondition, InvalidArgument, NotFound, Reason, ServiceError
from support.approvals_world import DESTROY, SUBJECT, TENANT, ApprovalsWorld


async def refusal(world: ApprovalsWorld, proposal: str, planned: PlannedAct = DESTROY) -> Reason:
    """Also that `check` says the same beforehand."""
    now = world.clock.now()
    with pytest.raises(ServiceError) as foreseen:
        await world.world.read(lambda tx: world.approvals.check(tx, proposal, planned, now))
    with pytest.raises(ServiceError) as refused:
        await world.consume(proposal, planned)
    assert type(foreseen.value) is type(refused.value)
    assert foreseen.value.reason is refused.value.reason
    return refused.value.reason


async def test_what_needs_no_approval_needs_no_proposal(world: ApprovalsWorld) -> None:
    await world.consume("")


async def test_what_needs_approval_says_so(world: ApprovalsWorld) -> None:
    world.require(destroy=2)
    assert await refusal(world, "") is Reason.APPROVAL_REQUIRED
    await world.consume("", PlannedAct(act=ProposedAct.POLICY_CHANGE, subject=SUBJECT))


async def test_an_export_always_needs_somebody_else(world: ApprovalsWorld) -> None:
    export = PlannedAct(act=ProposedAct.EXPORT, subject=SUBJECT, parameters_sha256=bytes(32))
    with pytest.raises(FailedPrecondition) as refused:
        await world.consume("", export)
    assert refused.value.metadata == {
        "act": "export",
        "subject": SUBJECT,
        "parameters_sha256": "00" * 32,
        "approvals_needed": "1",
    }


async def test_the_services_own_keys_are_decided_about_by_the_operators_tenant(world: ApprovalsWorld) -> None:
    planned = PlannedAct(act=ProposedAct.TRUST_ROOT_CHANGE, subject="tenants/system/keys/trust-bundle")
    act = approvals_pb2.PROPOSED_ACT_TRUST_ROOT_CHANGE
    made = await world.propose(act=act, subject=planned.subject)
    await world.approve(made, "bob")
    with pytest.raises(NotFound):  # of a tenant whose people do not operate the service
        await world.consume(made.name, planned)
    world.approvals.operator_tenant = TENANT
    await world.consume(made.name, planned)
    assert (await world.get(made.name)).state == approvals_pb2.PROPOSAL_STATE_EXECUTED


async def test_an_approved_act_is_done_once(world: ApprovalsWorld) -> None:
    world.require(destroy=2)
    made = await world.propose()
    await world.approve(made, "bob")
    assert await refusal(world, made.name) is Reason.PROPOSAL_NOT_APPROVED
    await world.approve(made, "carol")
    await world.world.read(lambda tx: world.approvals.check(tx, made.name, DESTROY, world.clock.now()))
    await world.consume(made.name)
    assert (await world.get(made.name)).state == approvals_pb2.PROPOSAL_STATE_EXECUTED
    assert await refusal(world, made.name) is Reason.PROPOSAL_USED


@pytest.mark.parametrize(
    "planned",
    [
        PlannedAct(act=ProposedAct.EXPORT, subject=SUBJECT),
        PlannedAct(act=ProposedAct.DESTROY, subject="tenants/default/keys/telemetry/versions/2"),
        PlannedAct(act=ProposedAct.DESTROY, subject=SUBJECT, parameters_sha256=bytes(32)),
    ],
)
async def test_only_what_was_approved_is_done(world: ApprovalsWorld, planned: PlannedAct) -> None:
    made = await world.approve(await world.propose(), "bob")
    assert await refusal(world, made.name, planned) is Reason.PROPOSAL_NOT_APPROVED
    await world.consume(made.name)


async def test_a_proposal_that_is_named_has_to_fit_even_if_none_is_needed(world: ApprovalsWorld) -> None:
    made = await world.propose()
    assert await refusal(world, made.name) is Reason.PROPOSAL_NOT_APPROVED


async def test_a_stricter_policy_counts_for_older_proposals_too(world: ApprovalsWorld) -> None:
    made = await world.approve(await world.propose(), "bob")
    world.require(destroy=2)
    assert await refusal(world, made.name) is Reason.PROPOSAL_NOT_APPROVED
    await world.approve(made, "carol")
    await world.consume(made.name)


async def test_a_proposal_of_another_tenant_is_not_found(world: ApprovalsWorld) -> None:
    made = await world.approve(await world.propose(), "bob")
    foreign = PlannedAct(act=ProposedAct.DESTROY, subject="tenants/other/keys/telemetry/versions/1")
    with pytest.raises(NotFound):
        await world.consume(made.name, foreign)


async def test_a_name_that_is_none_is_refused(world: ApprovalsWorld) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await world.consume("tenants/default/keys/x")
    assert (refused.value.reason, refused.value.field) == (Reason.NAME_INVALID, "proposal")


async def test_an_act_that_fails_leaves_its_approval_unused(world: ApprovalsWorld) -> None:
    made = await world.approve(await world.propose(), "bob")

    def act(tx) -> None:
        world.approvals.consume(tx, made.name, DESTROY, world.clock.now())
        raise FailedPrecondition(Reason.KEY_REVOKED, "something else was in the way")

    with pytest.raises(FailedPrecondition):
        await world.world.database.write(act)
    await world.consume(made.name)
