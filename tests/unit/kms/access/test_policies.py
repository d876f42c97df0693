"""Setting, reading and activating access policies."""

import json
import uuid

import pytest

from hallmark.v1 import access_pb2
from hallmark_client.model.access import SIGNING_KEY
from hallmark_client.wire.access import access_policy_of
from kms.approvals.model import ApprovalPolicy, ProposedAct
from kms.core.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, Reason
from kms.core.identity import Role
from kms.core.names import KeyName
from unit.kms.access.bench import ADMINS, CLASSICAL, PARENT, SIGNERS, AccessBench

ROLES, FIRST, SECOND, ACTIVE = (f"{PARENT}/accessPolicies/{name}" for name in ("0", "1", "2", "active"))


async def _get(bench: AccessBench, name: str = ACTIVE, **who: object) -> access_pb2.AccessPolicy:
    request = access_pb2.GetAccessPolicyRequest(name=name)
    return await bench.servicer.GetAccessPolicy(request, bench.call("GetAccessPolicy", **who))  # type: ignore[arg-type]


async def test_a_version_is_pending_signed_and_logged(bench: AccessBench) -> None:
    answer = await bench.set(ADMINS, title="first")
    policy = answer.policy
    assert (policy.name, policy.state, policy.title) == (FIRST, access_pb2.ACCESS_POLICY_STATE_PENDING, "first")
    assert policy.document == ADMINS.encode()
    entry = json.loads(answer.log.entry)
    assert (entry["type"], entry["subject"]) == ("access-policy.set", FIRST)
    assert set(entry["commitments"]) == {"by"}
    assert "alice" not in answer.log.entry.decode()
    key = await bench.service.keys.get(KeyName("system", "access-policy"))
    access_policy_of(policy).verify({f"{SIGNING_KEY}/versions/1": key.versions[0].public_key})
    assert (await _get(bench)).name == ROLES


async def test_activation_replaces_and_goes_back(bench: AccessBench) -> None:
    await bench.set(ADMINS)
    await bench.set(SIGNERS)
    first = await bench.activate(FIRST)
    assert json.loads(first.log.entry)["details"]["replaces"] == 0
    second = await bench.activate(SECOND)
    assert json.loads(second.log.entry)["details"]["replaces"] == 1
    assert (await _get(bench)).name == SECOND
    assert (await _get(bench, FIRST)).state == access_pb2.ACCESS_POLICY_STATE_REPLACED
    with pytest.raises(FailedPrecondition) as refused:
        await bench.activate(SECOND)
    assert refused.value.reason is Reason.STATE_TRANSITION_INVALID
    back = await bench.activate(ROLES)
    assert (back.policy.name, back.policy.state) == (ROLES, access_pb2.ACCESS_POLICY_STATE_ACTIVE)
    assert json.loads(back.log.entry)["details"] == {"replaces": 2}
    with pytest.raises(FailedPrecondition):
        await bench.activate(ROLES)


@pytest.mark.parametrize(
    "document",
    [
        '@id("backends") permit(principal, action, resource) when { principal.role == "backend" };',
        ADMINS + '@id("no") forbid(principal, action == Action::"AccessService.SetAccessPolicy", resource);',
        ADMINS + '@id("no") forbid(principal, action == Action::"AccessService.ActivateAccessPolicy", resource);',
        ADMINS + '@id("no") forbid(principal, action, resource) unless { context.post_quantum };',
        ADMINS
        + '@id("no") permit(principal, action, resource) when { resource.sensitivity + 9223372036854775807 > 3 };',
        ADMINS + '@id("no") forbid(principal, action, resource) when { resource.kind == "accessPolicies" };',
    ],
)
async def test_nobody_locks_themselves_out(bench: AccessBench, document: str) -> None:
    name = (await bench.set(document)).policy.name
    with pytest.raises(FailedPrecondition) as refused:
        await bench.activate(name, channel=CLASSICAL)
    assert refused.value.reason is Reason.LOCKOUT
    assert (await _get(bench)).name == ROLES


async def test_nobody_locks_themselves_out_from_some_day_on(bench: AccessBench) -> None:
    """Today it would be permitted. What only some hours forbid is no lockout."""
    for condition in (
        'context.time > datetime("2040-01-01")',
        'context.time.durationSince(datetime("2040-01-01")) > duration("0s")',
    ):
        name = await bench.set(f'{ADMINS}@id("no") forbid(principal, action, resource) when {{ {condition} }};')
        with pytest.raises(FailedPrecondition) as refused:
            await bench.activate(name.policy.name)
        assert refused.value.reason is Reason.LOCKOUT
    hour = (bench.service.clock.now().hour + 1) % 24
    await bench.in_force(f'{ADMINS}@id("no") forbid(principal, action, resource) when {{ context.hour == {hour} }};')


async def test_approvals_that_an_activation_needs_stay_possible(bench: AccessBench) -> None:
    document = ADMINS + '@id("no") forbid(principal, action in [Action::"ApprovalService"], resource);'
    name = (await bench.set(document)).policy.name
    with pytest.raises(FailedPrecondition) as refused:
        await bench.activate(name, proposal=f"{PARENT}/proposals/{uuid.uuid4()}")
    assert (refused.value.reason, refused.value.metadata["action"]) == (
        Reason.LOCKOUT,
        "ApprovalService.CreateProposal",
    )


async def test_a_grant_does_not_save_from_a_lockout(bench: AccessBench) -> None:
    bob = f"spiffe://hallmark.test/{PARENT}/admin/bob"
    await bench.grant("spiffe://hallmark.test/tenants/default/admin/alice", "AccessService.*", who={"name": "bob"})
    name = (await bench.set(f'@id("bob") permit(principal == Caller::"{bob}", action, resource);')).policy.name
    with pytest.raises(FailedPrecondition) as refused:
        await bench.activate(name)
    assert refused.value.reason is Reason.LOCKOUT


async def test_activation_may_need_approvals(bench: AccessBench) -> None:
    bench.approvals.policy = ApprovalPolicy({ProposedAct.POLICY_CHANGE: 1})
    await bench.set(ADMINS)
    with pytest.raises(FailedPrecondition) as refused:
        await bench.activate(FIRST)
    assert refused.value.reason is Reason.APPROVAL_REQUIRED
    policy = access_policy_of(await _get(bench, FIRST))
    assert refused.value.metadata["parameters_sha256"] == policy.activation_sha256.hex()


async def test_replays(bench: AccessBench) -> None:
    request_id = str(uuid.uuid4())
    first = await bench.set(ADMINS, request_id=request_id)
    again = await bench.set(ADMINS, request_id=request_id)
    assert (again.policy, again.log.event_key, again.replayed) == (first.policy, first.log.event_key, True)
    with pytest.raises(AlreadyExists):
        await bench.set(SIGNERS, request_id=request_id)
    act_id = str(uuid.uuid4())
    await bench.activate(FIRST, request_id=act_id)
    assert (await bench.activate(FIRST, request_id=act_id)).replayed


async def test_only_checking_keeps_nothing(bench: AccessBench) -> None:
    answer = await bench.set(ADMINS, validate_only=True)
    assert not answer.HasField("log")
    with pytest.raises(NotFound):
        await _get(bench, FIRST)
    with pytest.raises(InvalidArgument) as refused:
        await bench.set("permit(principal, action, resource);", validate_only=True)
    assert refused.value.reason is Reason.POLICY_INVALID


async def test_pages(bench: AccessBench) -> None:
    for _ in range(3):
        await bench.set(ADMINS)
    request = access_pb2.ListAccessPoliciesRequest(parent=PARENT, page_size=2)
    page = await bench.servicer.ListAccessPolicies(request, bench.call("ListAccessPolicies"))
    assert [each.name[-1] for each in page.policies] == ["3", "2"]
    assert not page.policies[0].document
    request.page_token = page.next_page_token
    rest = await bench.servicer.ListAccessPolicies(request, bench.call("ListAccessPolicies"))
    assert ([each.name[-1] for each in rest.policies], rest.next_page_token) == (["1"], "")


async def test_other_tenants_see_nothing(bench: AccessBench) -> None:
    await bench.set(ADMINS)
    for name in (FIRST, ACTIVE, f"{PARENT}/accessPolicies/9"):
        with pytest.raises(NotFound) as refused:
            await _get(bench, name, tenant="other")
        assert refused.value.message == f"{name} was not found"
        with pytest.raises(NotFound):
            await bench.activate(name, tenant="other")
    with pytest.raises(NotFound):
        await bench.set(ADMINS, who={"tenant": "other", "role": Role.ADMIN})


@pytest.mark.parametrize("name", ["", "tenants/default/accessPolicies/01", "tenants/default/policies/1", f"{FIRST}\n"])
async def test_names_are_strict(bench: AccessBench, name: str) -> None:
    with pytest.raises(InvalidArgument):
        await _get(bench, name)


async def test_what_is_active_can_not_be_activated_by_that_word(bench: AccessBench) -> None:
    with pytest.raises(NotFound):
        await bench.activate(ACTIVE)
