"""TestAccess, ListEffectiveGrants and the dry run tell what the door would say."""

from datetime import timedelta
from typing import Any

import pytest
from google.protobuf import timestamp_pb2

from hallmark.v1 import access_pb2
from kms.access.ports import SeenCall
from kms.access.question import VerdictFacts
from kms.core.errors import InvalidArgument, NotFound, PermissionDenied, Reason
from kms.core.identity import Role
from support.clock import START
from unit.kms.access.bench import ADMINS, AUDITOR, BACKEND, PARENT, SIGNERS, AccessBench
from unit.kms.revocation.bench import caller

PAY = f"{PARENT}/keys/pay"
SIGN = "SigningService.Sign"
HYBRID_ONLY = '@id("hybrid-only")\nforbid(principal, action, resource) unless { context.post_quantum };'
AUDITORS = (
    '@id("auditors")\npermit(principal, action in [Action::"read"], resource) when { principal.role == "auditor" };\n'
)


async def test_roles_alone(bench: AccessBench) -> None:
    yes = await bench.test(BACKEND, SIGN, PAY)
    assert (yes.allowed, list(yes.statements), yes.policy) == (True, ["role"], f"{PARENT}/accessPolicies/0")
    no = await bench.test(AUDITOR, SIGN, PAY)
    assert (no.allowed, no.reason) == (False, "ROLE_NOT_ALLOWED")


async def test_by_the_policy_in_force_and_by_another(bench: AccessBench) -> None:
    first = await bench.in_force(SIGNERS)
    second = (await bench.set(ADMINS)).policy.name
    assert (await bench.test(BACKEND, SIGN, PAY)).statements == ["backends-sign"]
    then = await bench.test(BACKEND, SIGN, PAY, policy=second)
    assert (then.allowed, then.reason, then.policy) == (False, "RESOURCE_NOT_FOUND", second)
    assert (await bench.test(BACKEND, SIGN, PAY, policy=f"{PARENT}/accessPolicies/0")).allowed
    assert (await bench.test(BACKEND, SIGN, PAY, policy=first)).allowed
    with pytest.raises(NotFound):
        await bench.test(BACKEND, SIGN, PAY, policy=f"{PARENT}/accessPolicies/9")


async def test_the_circumstances_can_be_told(bench: AccessBench) -> None:
    await bench.in_force(
        ADMINS
        + '@id("day") permit(principal, action, resource) when { context.hour < 18 && '
        + 'context.address.isInRange(ip("192.0.2.0/24")) };'
        + HYBRID_ONLY
    )
    night = timestamp_pb2.Timestamp()
    night.FromDatetime(START + timedelta(hours=8))
    here = {"address": "192.0.2.7"}
    assert (await bench.test(BACKEND, SIGN, PAY, context=access_pb2.AccessContext(**here))).allowed
    assert not (await bench.test(BACKEND, SIGN, PAY)).allowed
    assert not (await bench.test(BACKEND, SIGN, PAY, context=access_pb2.AccessContext(**here, time=night))).allowed
    classical = await bench.test(BACKEND, SIGN, PAY, context=access_pb2.AccessContext(**here, tls_group="X25519"))
    assert list(classical.statements) == ["hybrid-only"]
    with pytest.raises(InvalidArgument):
        await bench.test(BACKEND, SIGN, PAY, context=access_pb2.AccessContext(address="everywhere"))


async def test_the_role_wall_stands_before_grants(bench: AccessBench) -> None:
    await bench.in_force(ADMINS)
    with pytest.raises(InvalidArgument, match="role auditor"):
        await bench.grant(AUDITOR.spiffe_id, SIGN)
    await bench.grant(f"{AUDITOR.spiffe_id[:-1]}*", SIGN)
    assert (await bench.test(AUDITOR, SIGN, PAY)).reason == "ROLE_NOT_ALLOWED"
    assert await bench.effective(AUDITOR) == {}


@pytest.mark.parametrize(
    "fields",
    [{"action": "SigningService.Sing"}, {"resource": "nonsense"}, {"resource": "tenants/default/keys/\n"}],
)
async def test_questions_are_strict(bench: AccessBench, fields: dict[str, str]) -> None:
    with pytest.raises(InvalidArgument):
        await bench.test(BACKEND, fields.get("action", SIGN), fields.get("resource", PAY))


async def test_principals_are_the_tenants_own(bench: AccessBench) -> None:
    with pytest.raises(InvalidArgument):
        await bench.test(caller(Role.BACKEND, tenant="other"), SIGN)


async def test_it_is_for_those_who_may_read_policies(bench: AccessBench) -> None:
    await bench.in_force(
        ADMINS + '@id("ask") permit(principal, action in [Action::"AccessService.TestAccess"], resource);'
    )
    with pytest.raises(PermissionDenied) as refused:
        await bench.test(BACKEND, SIGN, PAY, asker={"role": Role.AUDITOR})
    assert refused.value.reason is Reason.ACCESS_DENIED


async def test_what_a_principal_may_do(bench: AccessBench) -> None:
    everything = await bench.effective(BACKEND)
    assert everything[SIGN].unconditional
    assert list(everything[SIGN].sources) == ["role"]
    assert "KeyService.RotateKey" not in everything
    await bench.in_force(SIGNERS + AUDITORS + HYBRID_ONLY)
    grant = (await bench.grant(BACKEND.spiffe_id, "KeyService.GetKey", resources=[PAY])).grant
    found = await bench.effective(BACKEND)
    assert set(found) == {SIGN, "KeyService.GetKey"}
    assert list(found[SIGN].conditions) == [HYBRID_ONLY]
    assert list(found[SIGN].sources) == ["backends-sign", "hybrid-only"]
    assert list(found["KeyService.GetKey"].sources) == ["hybrid-only", grant.name]
    assert found["KeyService.GetKey"].expire_time == grant.expire_time
    assert not found[SIGN].HasField("expire_time")


async def test_what_a_resource_allows(bench: AccessBench) -> None:
    await bench.in_force(ADMINS + f'@id("pay") permit(principal, action, resource in Resource::"{PAY}");')
    assert (await bench.effective(BACKEND, PAY))[SIGN].unconditional
    assert not (await bench.effective(BACKEND))[SIGN].unconditional
    assert await bench.effective(BACKEND, f"{PARENT}/keys/other") == {}


async def test_the_verdict_of_a_device_counts_here_too(bench: AccessBench) -> None:
    await bench.in_force(ADMINS + '@id("good") permit(principal, action, resource) when { context.verdict.appraised };')
    phone = caller(Role.DEVICE, name="d-1")
    assert not (await bench.test(phone, SIGN, PAY)).allowed
    bench.verdicts.found = VerdictFacts(attested=True, appraised=True)
    assert (await bench.test(phone, SIGN, PAY)).allowed


def _seen(principal: str, action: str, resource: str = PAY, **more: Any) -> SeenCall:
    facts = {"address": "192.0.2.0/24", "tls_group": "X25519MLKEM768", "count": 3, "last_time": START, **more}
    return SeenCall(principal=principal, action=action, resource=resource, **facts)


async def _dry_run(bench: AccessBench, name: str, **fields: Any) -> access_pb2.DryRunAccessPolicyResponse:
    request = access_pb2.DryRunAccessPolicyRequest(name=name, **fields)
    return await bench.servicer.DryRunAccessPolicy(request, bench.call("DryRunAccessPolicy"))


async def test_a_dry_run_tells_what_would_change(bench: AccessBench) -> None:
    bench.seen.calls = [
        _seen(BACKEND.spiffe_id, SIGN),
        _seen(BACKEND.spiffe_id, "KeyService.GetKey"),
        _seen("spiffe://hallmark.test/tenants/default/device/-", SIGN),
        _seen(AUDITOR.spiffe_id, SIGN),
        _seen("nonsense", SIGN),
        _seen(BACKEND.spiffe_id, SIGN, "?"),
        _seen(BACKEND.spiffe_id, SIGN, tls_group="X25519"),
    ]
    name = (await bench.set(SIGNERS + HYBRID_ONLY)).policy.name
    found = await _dry_run(bench, name)
    told = [(change.principal[-3:], change.action, list(change.statements)) for change in found.changes]
    assert found.examined == 7
    assert told == [("bob", "KeyService.GetKey", []), ("e/-", SIGN, []), ("bob", SIGN, ["hybrid-only"])]
    assert (found.changes[0].allowed_now, found.changes[0].allowed_then, found.changes[0].calls) == (True, False, 3)
    await bench.activate(name)
    back = await _dry_run(bench, f"{PARENT}/accessPolicies/0")
    assert [change.allowed_then for change in back.changes] == [True, True, True]
    assert not (await _dry_run(bench, name)).changes
    assert not (await _dry_run(bench, f"{PARENT}/accessPolicies/active")).changes


async def test_a_dry_run_has_pages(bench: AccessBench) -> None:
    bench.seen.calls = [_seen(BACKEND.spiffe_id, "KeyService.GetKey", f"{PARENT}/keys/k{n}") for n in range(5)]
    name = (await bench.set(SIGNERS)).policy.name
    page = await _dry_run(bench, name, page_size=3)
    assert (page.examined, len(page.changes)) == (3, 3)
    rest = await _dry_run(bench, name, page_size=3, page_token=page.next_page_token)
    assert (rest.examined, rest.next_page_token) == (2, "")
    with pytest.raises(NotFound):
        await _dry_run(bench, f"{PARENT}/accessPolicies/9")


async def test_a_token_caller_is_known_by_its_name(bench: AccessBench) -> None:
    """Only those have -- in it (kms.server.identity_mapping)."""
    await bench.in_force(
        SIGNERS + '@id("no-tokens") forbid(principal, action, resource) when { principal.authentication == "oidc" };'
    )
    assert (await bench.test(BACKEND, SIGN, PAY)).allowed
    told = await bench.test(caller(role=Role.BACKEND, name="corp--u-1-0a1b2c3d"), SIGN, PAY)
    assert (told.allowed, list(told.statements)) == (False, ["no-tokens"])


async def test_what_another_tenant_has_is_not_there(bench: AccessBench) -> None:
    told = await bench.test(AUDITOR, "KeyService.GetKey", "tenants/acme/keys/pay")
    assert (told.allowed, told.reason) == (False, "RESOURCE_NOT_FOUND")


async def test_public_keys_of_the_service_are_for_everybody(bench: AccessBench) -> None:
    await bench.in_force(ADMINS)
    key = "tenants/system/keys/revocation-events/versions/1"
    assert (await bench.test(BACKEND, "KeyService.GetPublicKey", key)).allowed
    call = bench.call("GetPublicKey", role=Role.BACKEND, name="b")
    assert await bench.rules.decisions.check(call.caller, "KeyService.GetPublicKey", (key,), call.channel) == ()
    with pytest.raises((PermissionDenied, NotFound)):
        await bench.rules.decisions.check(call.caller, "KeyService.GetKey", (key,), call.channel)
